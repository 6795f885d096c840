#pragma once
// Making a damaged store one that opens: devices/salvage.h, and what its journal still says.

#include <expected>
#include <string>

#include "devices/open.h"
#include "devices/salvage.h"

namespace chimera::vm {

/// Gives up what `losses` lists (of `find_losses` on this disk) and leaves a store in order, with nothing to replay. An
/// error is a sentence; what has not been given up by then is as it was.
[[nodiscard]] std::expected<void, std::string> salvage(io::Loop& loop, io::Disk& disk, devices::Losses losses,
                                                       std::uint64_t cache_bytes);

}  // namespace chimera::vm
