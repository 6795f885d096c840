// Blocks that a record names leave the memory without a checkpoint, although they are of the present generation.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tests/devices/journal_rig.h"

namespace chimera::devices::testing {
namespace {

constexpr std::uint64_t cache_bytes = 32 * mebi;  // a quarter of it is two windows
constexpr std::uint64_t device_bytes = 3 * cache_bytes;

/// A store that has just been opened, with a device that is empty.
class SmallMemory {
 public:
  SmallMemory() : rig(made(), 2, cache_bytes), device(rig.create("d")) { rig.checkpoint(); }

  /// Writes the same to the device and to `expected`.
  void write(std::uint64_t offset, std::span<const std::uint8_t> bytes) {
    if (expected.size() < offset + bytes.size()) expected.resize(offset + bytes.size());
    std::ranges::copy(bytes, expected.begin() + static_cast<std::ptrdiff_t>(offset));
    rig.session->feed(Program().write_bytes(device, offset, bytes).bytes());
  }
  void fill() {
    for (std::uint64_t at = 0; at < device_bytes; at += mebi / 2) write(at, pattern(at, mebi / 2));
  }
  void end_writes() {
    rig.session->feed(Program().sync().bytes());
    rig.wait_for(*rig.session);
    const auto answers = rig.session->answers();
    CHECK(std::ranges::all_of(answers, [](std::uint8_t byte) { return byte == 0; }));
    rig.session->take_answers(answers.size());
  }
  static void check_content(PoolRig& where, const Uuid& device, const std::vector<std::uint8_t>& expected) {
    for (std::uint64_t at = 0; at < expected.size(); at += mebi) {
      where.run_well(Program().check_bytes(device, at, std::span(expected).subspan(at, mebi)));
    }
  }
  /// Now, and in what a crash leaves.
  void check() {
    check_content(rig, device, expected);
    PoolRig after(rig.disk.crash_images({.enumerate_up_to = 0}).at(0), 3, cache_bytes);
    check_content(after, device, expected);
    CHECK_EQ(first_problem(after.check()), "");
  }

  PoolRig rig;
  Uuid device;
  std::vector<std::uint8_t> expected;

 private:
  static io::DiskImage made() {
    PoolRig fresh(512 * mebi / block_size, 1, {.journal_bytes = 16 * mebi});
    return fresh.disk.content();
  }
};

TEST_CASE("more than the cache is written without a checkpoint, and changed, copied and shared when it has left") {
  SmallMemory small;
  PoolRig& rig = small.rig;
  const std::uint64_t published = rig.pool().checkpoint().published();
  small.fill();
  small.end_writes();
  BlockCache& cache = rig.pool().blocks().cache();
  CHECK_LT(cache.dirty_count(), cache.frame_count() / 4);
  CHECK_EQ(cache.leaving_count(), 0);
  small.check();

  io::SeededRandom random(1);
  for (std::uint64_t n = 0; n < 300; ++n) {
    const std::uint64_t size = random.chance(50) ? block_size : 1 + random.below(3 * block_size);
    const std::uint64_t at = random.below(device_bytes - size);
    small.write(random.chance(50) ? at / block_size * block_size : at, pattern(n, size));
  }
  small.end_writes();
  small.check();

  // What a clone shares is not changed in place, wherever it is.
  const Uuid clone = rig.clone(small.device, "clone");
  const std::vector<std::uint8_t> before = small.expected;
  for (std::uint64_t n = 0; n < 100; ++n) small.write(random.below(device_bytes / 64) * 64, pattern(1000 + n, 64));
  small.end_writes();
  small.check();
  SmallMemory::check_content(rig, clone, before);
  CHECK_EQ(rig.pool().checkpoint().published(), published);
}

TEST_CASE("who waits for memory that is being written out is woken when it has been, with no checkpoint for that") {
  SmallMemory small;
  PoolRig& rig = small.rig;
  const std::uint64_t published = rig.pool().checkpoint().published();
  small.fill();
  // The disk does nothing before the loop has a turn, so most of the cache waits for it.
  while (rig.machine->run_ready()) continue;
  const BlockCache& cache = rig.pool().blocks().cache();
  CHECK_GT(cache.leaving_count(), cache.frame_count() / 2);
  CHECK_FALSE(rig.session->idle());
  small.end_writes();
  CHECK_EQ(rig.pool().checkpoint().published(), published);
  small.check();
}

TEST_CASE("who waits for memory that is being written out gets it where no checkpoint can be made") {
  SmallMemory small;
  small.rig.pool().blocks().can_clean = [] { return false; };
  small.fill();
  while (small.rig.machine->run_ready()) continue;
  CHECK_FALSE(small.rig.session->idle());
  small.end_writes();
  small.check();
}

TEST_CASE("records are flushed although nobody waits, so that a crash leaves few whose blocks have to be read") {
  constexpr std::uint64_t records = 24;
  JournalRig journal(512 * mebi / block_size, {.journal_bytes = 16 * mebi});
  const JournalWriter& writer = journal.writer();
  const Uuid device = journal.rig.create("d");
  journal.rig.checkpoint();
  // Where nothing has been yet, so that no checkpoint comes for the sake of what is freed.
  std::uint64_t n = 0;
  const auto write_much = [&] {
    for (const std::uint64_t end = n + records; n < end; ++n) {
      journal.rig.run_well(Program().write_bytes(device, n * 4 * mebi, pattern(n, 4 * mebi)));
      journal.rig.settle();
    }
  };
  const std::uint64_t before = writer.last();
  write_much();
  CHECK_GE(writer.last(), before + records);
  CHECK_LT(writer.last() - writer.durable(), JournalWriter::most_unflushed);
  // What was written while a flush was under way is not left to the next who comes.
  journal.disk.hold_flushes = true;
  write_much();
  CHECK_GE(writer.last() - writer.durable(), 2 * JournalWriter::most_unflushed);
  journal.disk.release();
  journal.rig.settle();
  CHECK_LT(writer.last() - writer.durable(), JournalWriter::most_unflushed);
  check_crash(journal);
}

}  // namespace
}  // namespace chimera::devices::testing
