#pragma once
// A checksum vouches for what was written, not that it makes sense: whether it does.

#include <cstdint>

#include "devices/layout.h"
#include "devices/space_map.h"

namespace chimera::devices {

[[nodiscard]] bool can_be(const Superblock& superblock);
/// A record of a store of that generation.
[[nodiscard]] bool can_be(const DeviceRecord& record, const SpaceMap& space, std::uint64_t generation);

}  // namespace chimera::devices
