#pragma once
// Recorded programs as assembly that a person reads: devices by their names, and in front of lines what they are for.

#include <map>
#include <span>
#include <string>

#include "isa/uuid.h"
#include "tables/script.h"

namespace chimera::cli {

/// One text that assembles to the same programs. `names` are those of the devices.
[[nodiscard]] std::string explanation(std::span<const tables::Script> scripts,
                                      const std::map<Uuid, std::string>& names);

}  // namespace chimera::cli
