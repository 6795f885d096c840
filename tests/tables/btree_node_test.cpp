#include "tables/btree_node.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <vector>

using namespace chimera;
using namespace chimera::tables;

namespace {

using Numbers = std::vector<std::uint64_t>;
constexpr BTreeShape eight_bytes{.key_width = 8, .value_width = 8};

std::array<std::uint8_t, 8> key_of(std::uint64_t number) {
  std::array<std::uint8_t, 8> key{};
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::uint8_t>(number >> (56 - 8 * i));
  return key;
}

/// The node finds each of its keys, what is just beside them, and the ends of all numbers.
void check_bounds(const Numbers& sorted) {
  std::vector<std::array<std::uint8_t, 8>> keys;
  for (const std::uint64_t number : sorted) keys.push_back(key_of(number));
  std::vector<BTreeEntry> entries;
  for (const auto& key : keys) entries.push_back({key, key});
  BTreeImage image{};
  make_node(image, 0, 0, entries, eight_bytes);
  const BTreeView node(image, eight_bytes);
  Numbers wanted{0, 1, std::numeric_limits<std::uint64_t>::max()};
  for (const std::uint64_t number : sorted) wanted.insert(wanted.end(), {number - 1, number, number + 1});
  for (const std::uint64_t number : wanted) {
    CAPTURE(number);
    const auto least = static_cast<std::size_t>(std::ranges::lower_bound(sorted, number) - sorted.begin());
    const auto above = static_cast<std::size_t>(std::ranges::upper_bound(sorted, number) - sorted.begin());
    REQUIRE(node.lower_bound(key_of(number)) == least);
    REQUIRE(node.lower_bound(key_of(number), true) == above);
  }
}

}  // namespace

TEST_CASE("a node of numbers finds its place, however they lie") {
  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  check_bounds({});
  check_bounds({0});
  check_bounds({most});
  check_bounds({0, most});
  std::mt19937_64 random(1);
  for (const std::size_t count : {2u, 3u, 7u, 100u, 254u}) {
    CAPTURE(count);
    Numbers dense, wide, powers, ends;
    for (std::uint64_t i = 0; i < count; ++i) {
      dense.push_back(1000 + i);
      wide.push_back(random());
      powers.push_back(std::uint64_t{1} << (i % 64));
      ends.push_back(i % 2 == 0 ? i : most - i);
    }
    for (Numbers* numbers : {&dense, &wide, &powers, &ends}) {
      std::ranges::sort(*numbers);
      const auto twice = std::ranges::unique(*numbers);
      numbers->erase(twice.begin(), twice.end());
      check_bounds(*numbers);
    }
  }
}
