#pragma once
// What is asked of a store after a crash.

#include <cstdint>
#include <span>
#include <string>

#include "io/disk_image.h"
#include "tests/devices/crash_content.h"
#include "tests/devices/crash_run.h"

namespace chimera::devices {
class SpaceMap;
}

namespace chimera::devices::testing {

class PoolRig;

/// Opens an image: it must be whole and hold one of the allowed contents. With `rework` it is then worked on, and what
/// crashes leave of that is opened too. Returns what is wrong, or an empty string.
[[nodiscard]] std::string recover(const io::DiskImage& image, std::span<const Content> allowed, std::uint64_t seed,
                                  bool rework, CrashCounts& counts);

/// Deletes all devices: everything else must have come back too. Returns what is wrong, or an empty string.
[[nodiscard]] std::string empty_the_store(PoolRig& rig);

}  // namespace chimera::devices::testing
