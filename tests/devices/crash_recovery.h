#pragma once
// What is asked of a store after a crash.

#include <cstdint>
#include <span>
#include <string>

#include "io/disk_image.h"
#include "isa/limits.h"
#include "tests/devices/crash_content.h"
#include "tests/devices/crash_judge.h"

namespace chimera::devices::testing {

class PoolRig;

/// What an image may hold: one of these states, the last one included.
struct Allowed {
  const States& states;
  std::size_t first, last;
};

struct RecoveryOptions {
  std::uint64_t seed;
  std::uint64_t cache_bytes = limits::smallest_cache;
  bool for_writing = false;  ///< opened to be written, as a server would; else to be read
};

// Each returns what is wrong, or an empty string.

/// Opens the store in an image, which has to be whole and hold one of these; with `reworks` it is gone on with.
[[nodiscard]] std::string recover(const io::DiskImage& image, std::span<const Content> allowed, std::uint64_t seed,
                                  bool reworks, CrashCounts& counts);
/// Opens the store in an image and reads all that it holds, which has to be one of the states allowed.
[[nodiscard]] std::string open_and_compare(const io::DiskImage& image, const Allowed& allowed,
                                           const RecoveryOptions& options, Content& found);
/// The books are right as they lie on the disk, at the moment of the crash.
[[nodiscard]] std::string check_image(const io::DiskImage& image, const RecoveryOptions& options);
/// Recovers the store in an image, which holds `content` afterwards and when it is opened again, and so does what
/// crashes meanwhile leave, and crashes in the recovery from those, to this depth.
[[nodiscard]] std::string crash_in_recovery(const io::DiskImage& image, const Content& content, unsigned depth,
                                            const RecoveryOptions& options, CrashCounts& counts);
/// Goes on with the store in an image, and opens what crashes leave of that.
[[nodiscard]] std::string rework(const io::DiskImage& image, const Content& content, const RecoveryOptions& options,
                                 CrashCounts& counts);
/// Deletes all devices: everything else must have come back too.
[[nodiscard]] std::string empty_the_store(PoolRig& rig);

}  // namespace chimera::devices::testing
