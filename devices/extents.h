#pragma once
// Extents that are put together piece by piece, up to the number that an answer may have.

#include <cstdint>
#include <vector>

#include "devices/device.h"
#include "isa/limits.h"

namespace chimera::devices {

/// One more piece, behind the others, in the last extent if that has the same flags. False if it does not fit.
[[nodiscard]] inline bool add_extent(std::vector<Extent>& extents, std::uint64_t length, std::uint32_t flags) {
  if (!extents.empty() && extents.back().flags == flags) {
    extents.back().length += length;
    return true;
  }
  if (extents.size() == limits::most_extents) return false;
  extents.push_back({length, flags});
  return true;
}

/// Extents of a part of `count` bytes. False if they do not cover it, or do not fit.
[[nodiscard]] inline bool add_extents(std::vector<Extent>& extents, const std::vector<Extent>& part,
                                      std::uint64_t count) {
  for (const Extent& extent : part) {
    if (!add_extent(extents, extent.length, extent.flags)) return false;
    count -= extent.length;
  }
  return count == 0;
}

}  // namespace chimera::devices
