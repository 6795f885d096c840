// The machine on devices in memory against the model: as they are, and where they make it wait.

#include <doctest/doctest.h>

#include <algorithm>
#include <array>

#include "tests/vm/conversation.h"
#include "tests/vm/model_test.h"
#include "tests/vm/reluctant.h"

namespace chimera::vm::testing {
namespace {

StoreUnderTest on_memory(std::uint64_t) {
  return {std::make_unique<QuietLoop>(), nullptr, std::make_unique<devices::Store>()};
}

StoreUnderTest on_reluctant_memory(std::uint64_t seed) {
  auto loop = std::make_unique<ReluctantLoop>(seed);
  devices::MemoryOptions options;
  options.make = [&loop = *loop](const Uuid& uuid, std::string name, devices::MemoryBudget& budget) {
    return std::make_unique<ReluctantDevice>(uuid, std::move(name), budget, loop);
  };
  auto store = std::make_unique<devices::Store>(std::move(options));
  return {std::move(loop), nullptr, std::move(store)};
}

/// The statuses that random programs on a healthy store can meet.
constexpr auto reachable = std::to_array<Status>(
    {Status::no_current_device, Status::not_found, Status::exists, Status::out_of_range, Status::misaligned,
     Status::mismatch, Status::aborted, Status::busy, Status::too_large, Status::denied, Status::unsupported,
     Status::read_only, Status::bad_text, Status::out_of_sequence, Status::no_cursor, Status::conflict});

TEST_CASE("random programs agree with the model on devices in memory") {
  Coverage coverage;
  ModelTestOptions options;
  options.coverage = &coverage;
  for (std::uint64_t seed = 1; seed <= 6; ++seed) CHECK_EQ(run_model_test(on_memory, seed, 6000, options), "");

  // They are worth something only if they reach everything.
  for (const Row& row : rows) {
    if (row.operation == Operation::extension || row.operation == Operation::journal_record) continue;
    CAPTURE(row.mnemonic);
    CHECK_GT(coverage[std::pair(row.operation, Status::ok)], 10);
  }
  for (const Status status : reachable) {
    CAPTURE(status_text(status));
    CHECK(std::ranges::any_of(coverage, [status](const auto& entry) { return entry.first.second == status; }));
  }
}

TEST_CASE("random programs agree with the model where every step may wait") {
  for (std::uint64_t seed = 101; seed <= 106; ++seed) CHECK_EQ(run_model_test(on_reluctant_memory, seed, 6000), "");
}

TEST_CASE("sessions that run at the same time do not disturb each other") {
  ModelTestOptions options;
  options.sessions = 5;
  options.at_once = true;
  for (std::uint64_t seed = 201; seed <= 204; ++seed)
    CHECK_EQ(run_model_test(on_reluctant_memory, seed, 6000, options), "");
}

}  // namespace
}  // namespace chimera::vm::testing
