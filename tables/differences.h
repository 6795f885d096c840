#pragma once
// The smallest writes that turn what a device has into what it is to have.

#include <cstdint>
#include <span>

#include "tables/script.h"

namespace chimera::tables {

/// Writes those bytes of `after` that differ from `before` (as many), which stands at `offset`. Gaps that are shorter
/// than what another instruction takes are written along.
void write_differences(Script& script, const Uuid& device, std::uint64_t offset, std::span<const std::uint8_t> before,
                       std::span<const std::uint8_t> after);

}  // namespace chimera::tables
