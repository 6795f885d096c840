// Trees in memory against maps of blocks: several that share, changed at random.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <vector>

#include "devices/memory_tree.h"
#include "io/seeded_random.h"

namespace chimera::devices {
namespace {

/// What a block holds, told by its first eight bytes; all others are copies of the ninth.
using Blocks = std::map<std::uint64_t, std::uint64_t>;

struct Pair {
  explicit Pair(MemoryBudget& budget) : tree(budget) {}
  MemoryTree tree;
  Blocks blocks;
};

std::uint64_t content_of(const std::uint8_t* bytes) {
  std::uint64_t content = 0;
  std::memcpy(&content, bytes, sizeof content);
  return content;
}

class TreeTest {
 public:
  explicit TreeTest(std::uint64_t seed) : random_(seed) {
    for (int i = 0; i < 3; ++i) pairs_.push_back(std::make_unique<Pair>(budget_));
  }

  void step() {
    Pair& pair = *pairs_[random_.below(pairs_.size())];
    Pair& other = *pairs_[random_.below(pairs_.size())];
    const std::uint64_t first = place();
    const std::uint64_t count =
        std::min(1 + random_.below(random_.chance(20) ? 100'000 : 20), MemoryTree::block_limit - first);
    switch (random_.below(8)) {
      case 0: clear(pair, first, random_.chance(20) ? MemoryTree::block_limit - first : count); break;
      case 1:
        pair.tree = other.tree;
        pair.blocks = Blocks(other.blocks);
        break;
      case 2: share(pair, first, other, count); break;
      case 3: visit(pair, first, count); break;
      case 4: visit_differences(pair, other, first, count); break;
      default: write(pair, first, std::min<std::uint64_t>(count, 30)); break;
    }
  }

  void finish() {
    for (const auto& pair : pairs_) {
      CHECK_EQ(pair->tree.block_count(), pair->blocks.size());
      for (const auto& [block, content] : pair->blocks) {
        REQUIRE_NE(pair->tree.find(block), nullptr);
        REQUIRE_EQ(content_of(pair->tree.find(block)), content);
      }
    }
    pairs_.clear();
    CHECK_EQ(budget_.used_bytes, 0);
  }

 private:
  std::uint64_t place() {
    static constexpr std::uint64_t edges[] = {
        0, 255, 256, 65535, 65536, 1u << 24, std::uint64_t{1} << 32, MemoryTree::block_limit - 40};
    return edges[random_.below(std::size(edges))] + random_.below(20);
  }

  void write(Pair& pair, std::uint64_t first, std::uint64_t count) {
    const std::uint64_t promised = pair.tree.bytes_to_own(first, count);
    const std::uint64_t before = budget_.used_bytes;
    for (std::uint64_t block = first; block < first + count; ++block) {
      const bool overwrite = random_.chance(50);
      std::uint8_t* const bytes =
          pair.tree.own(block, overwrite ? MemoryTree::Content::overwrite : MemoryTree::Content::keep);
      if (!overwrite) {
        const auto held = pair.blocks.find(block);
        REQUIRE_EQ(content_of(bytes), held != pair.blocks.end() ? held->second : 0);
      }
      const std::uint64_t content = random_.next();
      std::memcpy(bytes, &content, sizeof content);
      pair.blocks[block] = content;
    }
    REQUIRE_LE(budget_.used_bytes, before + promised);
    REQUIRE_LE(promised, MemoryTree::most_bytes_to_own(count));
  }

  static void clear(Pair& pair, std::uint64_t first, std::uint64_t count) {
    pair.tree.clear(first, count);
    pair.blocks.erase(pair.blocks.lower_bound(first), pair.blocks.lower_bound(first + count));
  }

  void share(Pair& pair, std::uint64_t first, Pair& from, std::uint64_t count) {
    const std::uint64_t from_first = std::min(place(), MemoryTree::block_limit - count);
    Blocks taken;
    for (auto it = from.blocks.lower_bound(from_first); it != from.blocks.end() && it->first < from_first + count;
         ++it) {
      taken[it->first - from_first + first] = it->second;
    }
    pair.tree.share(first, from.tree, from_first, count);
    pair.blocks.erase(pair.blocks.lower_bound(first), pair.blocks.lower_bound(first + count));
    pair.blocks.insert(taken.begin(), taken.end());
  }

  static void visit(Pair& pair, std::uint64_t first, std::uint64_t count) {
    std::uint64_t next = first;
    pair.tree.visit(first, count, [&](std::uint64_t run, std::uint64_t length, bool holds) {
      REQUIRE_EQ(run, next);
      REQUIRE_GT(length, 0);
      const auto held = std::distance(pair.blocks.lower_bound(run), pair.blocks.lower_bound(run + length));
      REQUIRE_EQ(static_cast<std::uint64_t>(held), holds ? length : 0);
      next = run + length;
      return true;
    });
    REQUIRE_EQ(next, first + count);
  }

  static void visit_differences(Pair& pair, Pair& other, std::uint64_t first, std::uint64_t count) {
    std::uint64_t next = first;
    pair.tree.visit_differences(other.tree, first, count, [&](std::uint64_t run, std::uint64_t length, bool differ) {
      REQUIRE_EQ(run, next);
      next = run + length;
      if (differ) {
        for (std::uint64_t block = run; block < next; ++block) {
          REQUIRE_NE(pair.tree.find(block), other.tree.find(block));
        }
      } else {
        REQUIRE(std::equal(pair.blocks.lower_bound(run), pair.blocks.lower_bound(next), other.blocks.lower_bound(run),
                           other.blocks.lower_bound(next)));
      }
      return true;
    });
    REQUIRE_EQ(next, first + count);
  }

  io::SeededRandom random_;
  MemoryBudget budget_;
  std::vector<std::unique_ptr<Pair>> pairs_;
};

TEST_CASE("trees in memory hold what maps hold, whatever they share, and give all of it back") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    TreeTest test(seed);
    for (int i = 0; i < 600; ++i) test.step();
    test.finish();
  }
}

TEST_CASE("a copy of a tree costs nothing until it is changed") {
  MemoryBudget budget;
  MemoryTree tree(budget);
  for (std::uint64_t block = 0; block < 1000; ++block) (void)tree.own(block, MemoryTree::Content::keep);
  const std::uint64_t before = budget.used_bytes;
  MemoryTree copy = tree;
  CHECK_EQ(budget.used_bytes, before);
  CHECK_EQ(copy.find(7), tree.find(7));
  CHECK_EQ(tree.bytes_to_own(8, 1), copy.bytes_to_own(8, 1));
  CHECK_GT(tree.bytes_to_own(8, 1), 4096);
  (void)copy.own(7, MemoryTree::Content::keep);
  CHECK_NE(copy.find(7), tree.find(7));
  CHECK_EQ(copy.find(8), tree.find(8));
  CHECK_LT(budget.used_bytes, before + 3 * 4096 + 4096);
  CHECK_EQ(copy.bytes_to_own(7, 1), 0);
}

}  // namespace
}  // namespace chimera::devices
