// Blocks that have been written over come back while there is much that is free beside them.

#include <doctest/doctest.h>

#include <cstdint>
#include <random>

#include "tests/devices/journal_rig.h"

namespace chimera::devices::testing {
namespace {

using Kind = io::DiskRequest::Kind;

TEST_CASE("what is written over at random finds free blocks in long runs, however large the cache is") {
  constexpr std::uint64_t device_blocks = 8192, round_blocks = 1024;
  // A quarter of the cache is more than can be dirty, so nothing else asks for a checkpoint.
  JournalRig journal(4 * device_blocks, {}, 256 * mebi);
  PoolRig& rig = journal.rig;
  const Uuid device = rig.create("d");
  for (std::uint64_t n = 0; n < device_blocks; n += round_blocks) {
    rig.run_well(Program().write_bytes(device, n * block_size, pattern(n, round_blocks * block_size)).sync());
  }
  std::mt19937_64 random(1);
  const auto overwrite = [&] {
    Program program;
    for (std::uint64_t n = 0; n < round_blocks; ++n) {
      const std::vector<std::uint8_t> bytes = pattern(n, block_size);
      program.write_block(device, random() % device_blocks * block_size, as_block(bytes));
    }
    rig.run_well(program.sync());
    CHECK_LE(rig.space().pending_count(), rig.space().available() / 8 + 3 * round_blocks);
  };
  for (unsigned round = 0; round < 3 * device_blocks / round_blocks; ++round) overwrite();
  const std::uint64_t before = rig.disk.started(Kind::write);
  constexpr unsigned rounds = 16;
  for (unsigned round = 0; round < rounds; ++round) overwrite();
  CHECK_LE((rig.disk.started(Kind::write) - before) * 6, rounds * round_blocks);
  check_crash(journal);
}

}  // namespace
}  // namespace chimera::devices::testing
