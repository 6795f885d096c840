#pragma once
// Whether the packed pieces of a column are whole.

#include <cstdint>
#include <functional>
#include <string>

#include "tables/open_table.h"

namespace chimera::tables {

/// Looks at what is said of each piece of a column of a fixed width, and unpacks those that are packed. Damage is told,
/// in words without the table's name, and does not end it. True: all entries of rows can be read.
[[nodiscard]] Result<bool> check_pieces(OpenTable& table, std::uint32_t column,
                                        const std::function<void(const std::string&)>& tell);

}  // namespace chimera::tables
