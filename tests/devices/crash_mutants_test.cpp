// A check that cannot fail is a defect: each safeguard of the pool is taken away in turn, and a crash test or a
// damage test has to notice. Linked with a variant of the library in which they can be.

#include <doctest/doctest.h>

#include <string>

#include "devices/safeguards.h"
#include "tests/devices/crash_damage.h"
#include "tests/devices/crash_run.h"
#include "tests/devices/file_crash.h"
#include "tests/devices/journal_ring.h"
#include "tests/devices/mutants.h"
#include "tests/devices/superblock_damage.h"
#include "tests/simulation/every_sequence.h"
#include "tests/simulation/random_programs.h"

namespace chimera::devices::testing {
namespace {

/// Programs of different kinds under a crash test.
enum class Work { small, large, long_copies };

std::string crash(Work work, std::uint64_t seeds) {
  CrashCounts counts;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const std::string problem = run_crash_test(seed,
                                               {.steps = 200,
                                                .choice = {.boundary_percent = 20},
                                                .large_percent = work == Work::large ? 60u : 0u,
                                                .long_copy_percent = work == Work::long_copies ? 40u : 0u},
                                               counts);
    if (!problem.empty()) return problem;
  }
  return {};
}

std::string crash_files() {
  std::size_t images = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    if (const std::string problem = run_file_crash_test(seed, images); !problem.empty()) return problem;
  }
  return {};
}

std::string damage() {
  DamageCounts counts;
  for (std::uint64_t seed = 1; seed <= 80; ++seed) {
    if (const std::string problem = run_damage_test(seed, counts); !problem.empty()) return problem;
  }
  return {};
}

/// A little of what ./dev simulate does.
std::string simulate() {
  CrashCounts counts;
  for (std::uint64_t seed = 1; counts.images < 60'000; ++seed) {
    std::string problem = run_crash_programs(seed, simulation::programs_of(seed), counts);
    if (!problem.empty()) return problem;
  }
  return {};
}

std::string run_each(std::uint64_t step) {
  CrashCounts counts;
  const auto ignore = [](std::uint64_t) {};
  return simulation::run_sequences(0, simulation::sequence_count(), step, ignore, counts);
}
std::string run_some_sequences() { return run_each(97); }
std::string run_more_sequences() { return run_each(7); }

const Mutant mutants[] = {
    {"blocks are not compared with their checksums", safeguards::blocks_are_verified, damage},
    {"damaged superblocks count", safeguards::superblocks_are_verified, run_superblock_test},
    {"the published superblock is overwritten", safeguards::superblocks_alternate,
     [] { return crash(Work::small, 8); }},
    {"the published free-space map is overwritten", safeguards::map_homes_alternate,
     [] { return crash(Work::small, 8); }},
    {"the superblock is written before the first flush", safeguards::blocks_are_flushed_first,
     [] { return crash(Work::small, 8); }},
    {"a checkpoint counts before its last flush", safeguards::superblocks_are_flushed,
     [] { return crash(Work::small, 8); }},
    {"freed blocks are used again before the checkpoint is published", safeguards::freed_blocks_are_held,
     [] { return crash(Work::large, 12); }},
    {"blocks are discarded that a crash brings back", safeguards::discards_wait_for_publication,
     [] { return crash(Work::small, 8); }},
    {"a discard comes behind what is written to its blocks", safeguards::discarded_blocks_are_held,
     [] { return crash(Work::large, 12); }},
    {"a checkpoint publishes half an instruction", safeguards::pieces_are_hidden,
     [] { return crash(Work::long_copies, 200); }},
    {"a record counts as durable before it is flushed", safeguards::records_are_flushed,
     [] { return crash(Work::small, 8); }},
    {"records that are damaged count", safeguards::records_are_verified, [] { return crash(Work::small, 40); }},
    {"records count without the blocks that they name", safeguards::record_data_is_verified,
     [] { return crash(Work::small, 12); }},
    {"blocks that a record names are changed in place", safeguards::named_blocks_stay,
     [] { return crash(Work::small, 24); }},
    {"a replay allocates what the journal names", safeguards::named_blocks_are_claimed,
     [] { return crash(Work::small, 12); }},
    {"a checkpoint does not wait for what the journal writes", safeguards::checkpoint_waits_for_journal,
     [] { return crash(Work::large, 24); }},
    {"the journal's tail moves before the checkpoint is published", safeguards::tail_waits_for_publication,
     run_tail_test},
    {"records of an earlier lap count", safeguards::records_are_chained, run_lap_test},
    {"a commit is written to a file before it is durable", safeguards::commits_are_recorded_first, crash_files},
    {"a file is cut before the commit that cuts it is durable", safeguards::commits_are_recorded_first,
     run_file_cut_test},
    {"a commit is given up before its file has been flushed", safeguards::files_are_flushed_first, crash_files},
    {"what was committed behind a cut is given up before that", safeguards::cuts_hold_blocks_back, crash_files},
};

/// Not here: damage, copies that go on in pieces, discards that take long, and what takes a journal that is full.
const Mutant simulated_mutants[] = {
    {"the published superblock is overwritten", safeguards::superblocks_alternate, simulate},
    {"the published free-space map is overwritten", safeguards::map_homes_alternate, simulate},
    {"the superblock is written before the first flush", safeguards::blocks_are_flushed_first, run_some_sequences},
    {"a checkpoint counts before its last flush", safeguards::superblocks_are_flushed, simulate},
    {"freed blocks are used again before the checkpoint is published", safeguards::freed_blocks_are_held,
     run_more_sequences},
    {"blocks are discarded that a crash brings back", safeguards::discards_wait_for_publication, simulate},
    {"a record counts as durable before it is flushed", safeguards::records_are_flushed, run_some_sequences},
    {"records that are damaged count", safeguards::records_are_verified, simulate},
    {"records count without the blocks that they name", safeguards::record_data_is_verified, run_some_sequences},
    {"blocks that a record names are changed in place", safeguards::named_blocks_stay, simulate},
    {"a replay allocates what the journal names", safeguards::named_blocks_are_claimed, simulate},
    {"a checkpoint does not wait for what the journal writes", safeguards::checkpoint_waits_for_journal,
     run_some_sequences},
};

TEST_CASE("the crash test notices when a safeguard is missing") { check_all(mutants); }

TEST_CASE("so does the simulation") { check_all(simulated_mutants); }

TEST_CASE("and finds nothing when all are there") {
  for (const Work work : {Work::small, Work::large, Work::long_copies}) {
    CHECK_FALSE(finds_something([work] { return crash(work, 1); }));
  }
  for (const auto& test : {crash_files, run_file_cut_test, damage, run_superblock_test, run_tail_test, run_lap_test,
                           simulate, run_some_sequences}) {
    CHECK_FALSE(finds_something(test));
  }
}

}  // namespace
}  // namespace chimera::devices::testing
