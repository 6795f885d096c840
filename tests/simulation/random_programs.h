#pragma once
// Random programs whose images are cheap to open: small stores, small writes.

#include <cstdint>

#include "tests/devices/crash_run.h"

namespace chimera::simulation {

/// The seed decides over the journal, the devices, how often something is made durable, and how many transactions there
/// are.
[[nodiscard]] devices::testing::CrashOptions programs_of(std::uint64_t seed);

}  // namespace chimera::simulation
