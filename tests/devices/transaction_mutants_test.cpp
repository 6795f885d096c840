// The same for what keeps transactions apart and whole (vm/safeguards.h): the model, or the simulation, has to notice
// each of them missing.

#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "devices/safeguards.h"
#include "io/simulated_disk.h"
#include "tests/devices/mutants.h"
#include "tests/devices/pool_rig.h"
#include "tests/simulation/random_programs.h"
#include "tests/vm/model_test.h"
#include "vm/safeguards.h"

namespace chimera::devices::testing {
namespace {

vm::testing::StoreUnderTest on_simulated_disk(std::uint64_t seed) {
  auto loop = std::make_unique<io::SimulatedLoop>(seed);
  auto disk = std::make_shared<io::SimulatedDisk>(*loop, (512u << 20) / block_size);
  REQUIRE(format(*loop, *disk));
  auto store = vm::open_store(*loop, *disk, {.cache_bytes = limits::smallest_cache});
  REQUIRE(store);
  return {std::move(loop), disk, std::move(*store)};
}

std::string compare_with_model() {
  vm::testing::ModelTestOptions options;
  options.memory_only = false;
  options.generator.largest_share = 8 << 20;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    if (std::string problem = run_model_test(on_simulated_disk, seed, 3000, options); !problem.empty()) return problem;
  }
  return {};
}

/// Crashes of programs that consist of transactions for the most part.
std::string crash_transactions() {
  CrashCounts counts;
  for (std::uint64_t seed = 1; counts.images < 60'000; ++seed) {
    CrashOptions options = simulation::programs_of(seed);
    options.transaction_percent = 90;
    options.token_percent = 80;
    options.ask_percent = 20;
    std::string problem = run_crash_programs(seed, options, counts);
    if (!problem.empty()) return problem;
  }
  return {};
}

std::string delete_what_is_open() {
  PoolRig rig;
  const Uuid device = rig.create("d");
  const auto other = rig.machine->connect();
  rig.run_well(Program().begin().delete_device(device));
  REQUIRE(rig.run(*other, Program().open_device("d")).front().ok());
  return rig.run(Program().commit()).front().status == Status::conflict ? "" : "what is open was deleted";
}

/// A transaction goes by what has not become of a token, while another one commits with it.
std::string commit_what_was_asked_for() {
  constexpr Program::Token token = {1};
  PoolRig rig;
  const Uuid device = rig.create("d");
  const auto other = rig.machine->connect();
  rig.run_well(Program().begin().outcome_of_token(token));
  REQUIRE(rig.run(*other, Program().begin().write_byte(device, 0, 1).commit_with_token(token)).back().ok());
  const Status status = rig.run(Program().write_byte(device, 1, 1).commit()).front().status;
  return status == Status::conflict ? "" : "a token was told as unknown that had been committed before";
}

/// Commits of many places each, until there is no more space: what the store keeps back is left.
std::string fill_the_store() {
  constexpr std::uint64_t places = 60;
  PoolRig rig;
  const Uuid device = rig.create("d");
  rig.checkpoint();
  Status last = Status::ok;
  for (std::uint64_t n = 0; last == Status::ok; ++n) {
    Program program = Program().begin();
    for (std::uint64_t place = 0; place < places; ++place) {
      program.write_bytes(device, (place << 24) + n * block_size, pattern(n + place, block_size));
    }
    last = rig.run(program.commit()).back().status;
  }
  if (last != Status::no_space) return "a full store answers something else";
  const std::uint64_t left = rig.space().available();
  return left >= rig.pool().blocks().kept_back() ? "" : "a commit has taken what is kept back";
}

const Mutant transaction_mutants[] = {
    {"who has read what another has changed goes on", vm::safeguards::readers_are_doomed, compare_with_model},
    {"so does who has touched a device that is another now", vm::safeguards::reshaping_dooms, compare_with_model},
    {"so does who has looked up a name that means something else", vm::safeguards::renaming_dooms, compare_with_model},
    {"so does who has asked for a token that is committed now", vm::safeguards::outcomes_doom,
     commit_what_was_asked_for},
    {"a device that somebody has open is deleted by a commit", vm::safeguards::open_devices_stay, delete_what_is_open},
    {"a transaction that is doomed goes on", vm::safeguards::doomed_ones_stop, compare_with_model},
    {"a transaction that is doomed commits", vm::safeguards::doomed_ones_lose, compare_with_model},
    {"a program runs twice with one token", vm::safeguards::tokens_commit_once, compare_with_model},
};

const Mutant simulated_transaction_mutants[] = {
    {"who has read what another has changed goes on", vm::safeguards::readers_are_doomed, crash_transactions},
    {"a commit is performed without a rehearsal", vm::safeguards::commits_are_rehearsed, crash_transactions},
    {"the parts of a commit are rehearsed each by itself", safeguards::rehearsals_add_up, fill_the_store},
    {"a commit is answered before it is durable", vm::safeguards::commits_wait_for_the_medium, crash_transactions},
    {"a token is told as committed before it is durable", vm::safeguards::told_outcomes_are_durable,
     crash_transactions},
    {"a program runs twice with one token", vm::safeguards::tokens_commit_once, crash_transactions},
};

TEST_CASE("the model notices when a safeguard of transactions is missing") { check_all(transaction_mutants); }

TEST_CASE("the simulation of their crashes does") { check_all(simulated_transaction_mutants); }

TEST_CASE("and they find nothing when all are there") {
  for (const auto& test :
       {compare_with_model, crash_transactions, delete_what_is_open, commit_what_was_asked_for, fill_the_store}) {
    CHECK_FALSE(finds_something(test));
  }
}

}  // namespace
}  // namespace chimera::devices::testing
