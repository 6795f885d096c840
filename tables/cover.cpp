#include "tables/cover.h"

#include <algorithm>
#include <vector>

namespace chimera::tables {

bool Cover::add(std::uint64_t first, std::uint64_t count) {
  bool all_new = true;
  while (count > 0) {
    const std::uint64_t at = first % chunk_size;
    const std::uint64_t here = std::min(count, chunk_size - at);
    Chunk& chunk = chunks_[first / chunk_size];
    first += here;
    count -= here;
    if (chunk.count == 0 && here == chunk_size) {
      chunk.count = chunk_size;
      continue;
    }
    if (chunk.count == chunk_size) {
      all_new = false;
      continue;
    }
    if (chunk.members == nullptr) chunk.members = std::make_unique<std::bitset<chunk_size>>();
    for (std::uint64_t i = at; i < at + here; ++i) {
      if (chunk.members->test(i)) {
        all_new = false;
      } else {
        chunk.members->set(i);
        ++chunk.count;
      }
    }
    if (chunk.count == chunk_size) chunk.members.reset();
  }
  return all_new;
}

Cover::Missing Cover::missing(std::uint64_t end) const {
  std::vector<std::uint64_t> numbers;
  for (const auto& item : chunks_) {
    if (item.first * chunk_size < end) numbers.push_back(item.first);
  }
  std::ranges::sort(numbers);
  Missing missing{end, 0};
  for (const std::uint64_t number : numbers) {
    const std::uint64_t first = number * chunk_size;
    const auto [there, leading] = chunks_.at(number).within(end - first);
    missing.count -= there;
    // As long as nothing was missing.
    if (missing.first == first) missing.first += leading;
  }
  return missing;
}

/// Of its first `size` things: how many are there, and how many before the first that is not.
std::pair<std::uint64_t, std::uint64_t> Cover::Chunk::within(std::uint64_t size) const {
  size = std::min(size, chunk_size);
  if (members == nullptr) return {size, size};
  std::uint64_t there = 0;
  std::uint64_t leading = 0;
  for (std::uint64_t i = 0; i < size; ++i) {
    if (!members->test(i)) continue;
    leading += there == i ? 1 : 0;
    ++there;
  }
  return {there, leading};
}

}  // namespace chimera::tables
