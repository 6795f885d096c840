// What stays in the cache when there is no room for all.

#include "devices/block_cache.h"

#include <doctest/doctest.h>

#include "devices/crc32c.h"
#include "io/simulated_disk.h"

namespace chimera::devices {
namespace {

/// A cache of a few frames, or so many, over a disk of zeros, whose blocks are asked for by their numbers.
class SmallCache {
 public:
  static constexpr std::uint64_t frames = 64;
  explicit SmallCache(std::uint64_t frame_count = frames) : cache_(disk_, frame_count * block_size) {}

  /// It is there, and has been used.
  void use(std::uint64_t block, bool is_node) {
    FrameId id = cache_.find(block);
    if (id == no_frame) {
      id = cache_.expect(Slot(block, 1, block_checksum(block, 1, zeros_.data())), nullptr, is_node);
      cache_.start_loading();
      while (cache_.loading(id)) loop_.step(io::Loop::forever);
    }
    cache_.touch(id);
  }
  /// It may not go.
  void pin(std::uint64_t block) { cache_.pin(cache_.find(block)); }
  /// Once over so many blocks that nobody uses again.
  void pass(std::uint64_t blocks) {
    for (const std::uint64_t end = next_ + blocks; next_ < end; ++next_) use(next_, false);
  }
  [[nodiscard]] std::uint64_t held(std::uint64_t first, std::uint64_t count) const {
    std::uint64_t held = 0;
    for (std::uint64_t block = first; block < first + count; ++block) held += cache_.find(block) != no_frame;
    return held;
  }

 private:
  std::array<std::byte, block_size> zeros_{};
  io::SimulatedLoop loop_{1};
  io::SimulatedDisk disk_{loop_, 1u << 20};
  BlockCache cache_;
  std::uint64_t next_ = 100'000;
};

void use_all(SmallCache& cache, std::uint64_t first, std::uint64_t count, bool is_node) {
  for (std::uint64_t block = first; block < first + count; ++block) cache.use(block, is_node);
}

TEST_CASE("one pass over much data takes the place of data, not of the nodes that lead to it") {
  SmallCache cache;
  use_all(cache, 1, 16, true);
  use_all(cache, 17, 16, false);
  cache.pass(20 * SmallCache::frames);
  CHECK_EQ(cache.held(1, 16), 16);
  CHECK_EQ(cache.held(17, 16), 0);
}

TEST_CASE("nodes that nobody uses any more do not stay for ever") {
  SmallCache cache;
  use_all(cache, 1, 16, true);
  cache.pass(200 * SmallCache::frames);
  CHECK_EQ(cache.held(1, 16), 0);
}

TEST_CASE("nodes keep data out of no more than a quarter of the cache") {
  SmallCache cache;
  use_all(cache, 1, 60, true);
  cache.pass(5 * SmallCache::frames);
  CHECK_EQ(cache.held(1, 60), SmallCache::frames / 4);
}

TEST_CASE("where few frames may go, nodes keep data out of no more than a quarter of those") {
  SmallCache cache;
  use_all(cache, 1, 16, true);
  constexpr std::uint64_t pinned = 40;
  use_all(cache, 17, pinned, false);
  for (std::uint64_t block = 17; block < 17 + pinned; ++block) cache.pin(block);
  cache.pass(2 * SmallCache::frames);
  CHECK_EQ(cache.held(1, 16), (SmallCache::frames - pinned) / 4);
}

TEST_CASE("who needs a frame passes so many nodes and then takes one, although there would be data behind them") {
  constexpr std::uint64_t frames = 20'000, nodes = frames / 4, most_spared = 4096;
  SmallCache cache(frames);
  use_all(cache, 1, nodes, true);
  cache.pass(frames - nodes);
  CHECK_EQ(cache.held(1, nodes), nodes);
  cache.pass(1);
  CHECK_EQ(cache.held(1, nodes), nodes - 1);
  CHECK_EQ(cache.held(1 + most_spared, 1), 0);
}

TEST_CASE("a node that is used stays while others go") {
  SmallCache cache;
  use_all(cache, 1, 40, true);
  for (unsigned n = 0; n < 10 * SmallCache::frames; ++n) {
    cache.use(7, true);
    cache.pass(1);
  }
  CHECK_EQ(cache.held(7, 1), 1);
}

}  // namespace
}  // namespace chimera::devices
