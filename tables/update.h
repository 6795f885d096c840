#pragma once
// Rows that change.

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "tables/change.h"
#include "tables/encoded_rows.h"
#include "tables/open_table.h"
#include "tables/row_writes.h"
#include "tables/table.h"

namespace chimera::tables {

/// The columns that are assigned, by their places in the relation, with values of their types.
using BoundAssignments = std::vector<std::pair<std::uint32_t, types::Value>>;

/// Looks the columns up. `not_found`: there is none of that name; `bad_text`: a value does not fit, or a column is
/// assigned twice; `denied`: it is the one that keeps the rows in order.
[[nodiscard]] Result<BoundAssignments> bind_assignments(const TableShape& shape,
                                                        std::span<const Assignment> assignments);

/// Plans new values for the rows of these numbers, which ascend. `denied`: one is locked.
[[nodiscard]] Result<> plan_update(OpenTable& table, Change& change, std::span<const std::uint64_t> numbers,
                                   const BoundAssignments& assignments);

/// The same with a value of its own for each row in one column.
[[nodiscard]] Result<> plan_put(OpenTable& table, Change& change, std::span<const std::uint64_t> numbers,
                                std::uint32_t column, std::span<const types::Value> values);

/// Plans `count` of the rows, from `first` on: those whose primary key is there take the place of what is there, the
/// others are new. No key is there twice among them.
[[nodiscard]] Result<> plan_upsert(OpenTable& table, Change& change, const EncodedRows& rows,
                                   std::span<const std::uint32_t> places);

}  // namespace chimera::tables
