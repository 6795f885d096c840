#pragma once
// New rows.

#include "tables/change.h"
#include "tables/encoded_rows.h"
#include "tables/open_table.h"

namespace chimera::tables {

/// Plans the rows at these places as new ones. In a circular table, which has room for as many, the oldest give way.
/// `exists`: a key is there already, see row_writes.h; `bad_text`: the order of an append table is broken.
[[nodiscard]] Result<> plan_insert(OpenTable& table, Change& change, const EncodedRows& rows,
                                   std::span<const std::uint32_t> places);

}  // namespace chimera::tables
