#pragma once
// What the journal's ring is to withstand: laps over laps of small commits, and a checkpoint that takes its time.

#include <string>

namespace chimera::devices::testing {

/// Small commits until the ring has wrapped several times, with crashes in between. Returns what is wrong, or an empty
/// string.
[[nodiscard]] std::string run_lap_test();

/// Commits beside a checkpoint whose superblock is long in coming, until they wait for room, and a crash then. Returns
/// what is wrong, or an empty string.
[[nodiscard]] std::string run_tail_test();

}  // namespace chimera::devices::testing
