#pragma once
// The crash test: random programs on a simulated disk; at every boundary of a write or flush a choice of the images
// that a crash may leave; each of them opened, checked, compared with the states that the programs went through,
// worked on, and crashed again.

#include <cstdint>
#include <optional>
#include <string>

#include "devices/layout.h"
#include "devices/open.h"
#include "tests/devices/crash_judge.h"

namespace chimera::devices::testing {

/// The sanitizers make it ten times as slow, so they see one of so many seeds.
#ifdef __SANITIZE_ADDRESS__
inline constexpr std::uint64_t crash_share = 8;
#else
inline constexpr std::uint64_t crash_share = 1;
#endif

struct CrashOptions {
  std::uint64_t store_blocks = smallest_store_blocks;
  FormatOptions format;
  std::size_t steps = 300;  ///< instructions, about
  CrashChoice choice;
  unsigned large_percent = 0;               ///< of the programs begin with a write of some MiB
  unsigned sync_percent = 15;               ///< of the programs are followed by a sync of another session
  unsigned long_copy_percent = 5;           ///< of the programs begin with a copy that goes on in pieces
  unsigned transaction_percent = 0;         ///< of the programs are transactions
  unsigned open_percent = 40;               ///< of these go on when others have had their turns
  unsigned token_percent = 40;              ///< of their commits have a token
  unsigned ask_percent = 2;                 ///< of the moments somebody asks what has become of one
  std::uint64_t largest_count = 60'000;     ///< bytes of the other writes
  std::uint64_t largest_share = 24u << 20;  ///< bytes of the other copies of whole blocks
  std::size_t most_devices = 6;
  /// Of what the store gives back to its disk. Every other seed does, if this is not told.
  std::optional<Discards::Options> discards;
};

/// Returns an empty string, or what went wrong.
[[nodiscard]] std::string run_crash_programs(std::uint64_t seed, const CrashOptions& options, CrashCounts& counts);
/// The same, and how to replay it. The environment variable CRASH_SEED replaces the
/// seed, CRASH_STEPS the number of steps, CRASH_IMAGES the number of images at a boundary.
[[nodiscard]] std::string run_crash_test(std::uint64_t seed, CrashOptions options, CrashCounts& counts);

}  // namespace chimera::devices::testing
