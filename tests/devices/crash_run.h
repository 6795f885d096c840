#pragma once
// The crash test: random programs on a simulated disk; at every boundary of a write or flush a choice of the images
// that a crash may leave; each of them opened, checked, compared with the states that the programs went through,
// worked on, and crashed again.

#include <cstdint>
#include <string>

#include "devices/layout.h"

namespace chimera::devices::testing {

struct CrashOptions {
  std::uint64_t store_blocks = smallest_store_blocks;
  std::size_t steps = 300;             ///< instructions, about
  std::size_t images_at_boundary = 6;  ///< if there are more, so many of them
  unsigned boundary_percent = 100;     ///< of the boundaries looked at
  unsigned large_percent = 0;          ///< of the programs begin with a write of some MiB
  unsigned sync_percent = 15;          ///< of the programs are followed by a sync of another session
  unsigned long_copy_percent = 5;      ///< of the programs begin with a copy that goes on in pieces
  unsigned rework_percent = 10;        ///< of the images that are worked on and crashed again
};

struct CrashCounts {
  std::uint64_t instructions = 0;
  std::uint64_t states = 0;  ///< different ones that the programs went through
  std::uint64_t checkpoints = 0;
  std::uint64_t boundaries = 0;
  std::uint64_t images = 0;         ///< opened and compared
  std::uint64_t reworked = 0;       ///< of these, worked on
  std::uint64_t second_images = 0;  ///< crashes inside that
};

/// Returns an empty string, or what went wrong and how to replay it. The environment variable CRASH_SEED replaces the
/// seed, CRASH_STEPS the number of steps, CRASH_IMAGES the number of images at a boundary.
[[nodiscard]] std::string run_crash_test(std::uint64_t seed, CrashOptions options, CrashCounts& counts);

}  // namespace chimera::devices::testing
