// A store killed at any moment opens with the state of its last flush or a later one, whole.

#include <doctest/doctest.h>

#include <cstdlib>

#include "tests/devices/crash_damage.h"
#include "tests/devices/crash_run.h"

namespace chimera::devices::testing {
namespace {

/// The environment variable CRASH_RUNS multiplies the number of seeds.
CrashCounts run(std::uint64_t first_seed, std::uint64_t count, const CrashOptions& options) {
  count = (count + crash_share - 1) / crash_share;
  if (const char* const times = std::getenv("CRASH_RUNS")) count *= std::strtoull(times, nullptr, 0);
  CrashCounts counts;
  for (std::uint64_t seed = first_seed; seed < first_seed + count; ++seed) {
    CHECK_EQ(run_crash_test(seed, options, counts), "");
  }
  MESSAGE(counts.instructions, " instructions, ", counts.states, " states, ", counts.checkpoints, " checkpoints, ",
          counts.discarded_blocks, " blocks discarded, ", counts.boundaries, " boundaries, ", counts.images,
          " images and ", counts.seen_before, " seen before, ", counts.reworked, " worked on, ", counts.recovered,
          " recovered twice, ", counts.second_images, " crashes in those");
  return counts;
}

TEST_CASE("a crash leaves the last durable state, or a whole later one") {
  const CrashCounts counts = run(
      1, 8, {.store_blocks = (64u << 20) / block_size, .choice = {.boundary_percent = 40}, .transaction_percent = 30});
  CHECK_GT(counts.images, 2000 / crash_share);
  CHECK_GT(counts.second_images, 500 / crash_share);
  CHECK_GT(counts.discarded_blocks, 100 / crash_share);
}

TEST_CASE("a crash while much is written") {
  const std::size_t steps = crash_share == 1 ? 300 : 120;
  const CrashCounts counts = run(2001, 3, {.steps = steps, .choice = {.boundary_percent = 20}, .large_percent = 30});
  CHECK_GT(counts.images, 300 / crash_share);
}

TEST_CASE("a crash of a store that is full again and again") {
  const CrashCounts counts = run(1001, 5, {.steps = 1500, .choice = {.boundary_percent = 10}});
  CHECK_GT(counts.images, 1000 / crash_share);
}

TEST_CASE("damage is found before anyone sees the data") {
  DamageCounts counts;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) CHECK_EQ(run_damage_test(seed, counts), "");
  MESSAGE(counts.instructions, " instructions, ", counts.refused, " refused, ", counts.damages, " damages, ",
          counts.openings, " openings, ", counts.found, " checks that found it, ", counts.unopened, " stores lost");
  CHECK_GT(counts.refused, 20);
  CHECK_GT(counts.found, 10);
}

}  // namespace
}  // namespace chimera::devices::testing
