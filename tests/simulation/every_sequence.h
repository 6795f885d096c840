#pragma once
// Every sequence of one, two and three writing instructions, with crashes at every boundary of the writes and flushes
// that they lead to. Those of one and two as transactions too.

#include <cstdint>
#include <functional>
#include <string>

#include "tests/devices/crash_judge.h"

namespace chimera::simulation {

/// How many there are; they are numbered from 0.
[[nodiscard]] std::uint64_t sequence_count();
/// "write byte, clone, delete".
[[nodiscard]] std::string sequence_in_words(std::uint64_t number);

/// Runs those from `first` to before `last` whose number leaves no rest when divided by `step`. `before` is told each
/// number. Returns what is wrong with the last one that it was told, or an empty string.
[[nodiscard]] std::string run_sequences(std::uint64_t first, std::uint64_t last, std::uint64_t step,
                                        const std::function<void(std::uint64_t number)>& before,
                                        devices::testing::CrashCounts& counts);

}  // namespace chimera::simulation
