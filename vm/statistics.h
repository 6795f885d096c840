#pragma once
// What a machine has done since it began. Belongs to the machine, is counted by its sessions, costs them next to
// nothing: small reads are counted for a whole run of them, and a clock is looked at only by those that wait.

#include <array>
#include <cstdint>

#include "io/clock.h"
#include "io/histogram.h"
#include "isa/opcodes.h"
#include "isa/status.h"

namespace chimera::vm {

struct Statistics {
  std::array<std::uint64_t, operation_count> instructions{};  ///< that have ended, by operation
  std::array<std::uint64_t, status_count> failures{};         ///< answers by status; nothing counts successes
  std::uint64_t short_reads = 0;                              ///< of the instructions: those that the fast path has run
  std::uint64_t found_blocks = 0;                             ///< by those; of most of them one is counted
  std::uint64_t consumed_bytes = 0;                           ///< of streams
  std::uint64_t answer_bytes = 0;                             ///< that have been taken
  std::uint64_t reruns = 0;                                   ///< transactions run again, unseen

  /// Of instructions that could not end in their first run, from that on. docs/operating.md says what is measured.
  io::Histogram waiting_writes, waiting_others;
  /// Of flushes and commits that have become durable, from the first run of their instruction on.
  io::Histogram flushes;

  std::uint64_t began_ns = io::monotonic_ns();

  [[nodiscard]] std::uint64_t& instructions_of(Operation operation) {
    return instructions[static_cast<std::size_t>(operation)];
  }
  [[nodiscard]] std::uint64_t& failures_of(Status status) { return failures[static_cast<std::size_t>(status)]; }
};

}  // namespace chimera::vm
