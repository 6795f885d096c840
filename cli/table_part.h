#pragma once
// Devices that are parts of tables, which are not to be changed one by one.

#include <expected>
#include <string>

#include "cli/ask.h"

namespace chimera::cli {

/// The name of the table that a device of this name is a part of; empty if of none. Errors are whole sentences.
[[nodiscard]] std::expected<std::string, std::string> table_of(Endpoint& endpoint, const std::string& device);

}  // namespace chimera::cli
