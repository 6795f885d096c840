#pragma once
// Rows that go.

#include <cstdint>
#include <span>
#include <vector>

#include "tables/change.h"
#include "tables/entry_reader.h"
#include "tables/open_table.h"

namespace chimera::tables {

/// What becomes of a number under which there is no row.
enum class WhatIsGone : std::uint8_t { refused, passed_over };

/// Plans that the rows of these numbers go, with their keys and long contents. `denied`: one is locked. Those that are
/// gone are passed over where the oldest rows of a circular table give way.
[[nodiscard]] Result<> plan_remove(OpenTable& table, Change& change, std::span<const std::uint64_t> rows,
                                   WhatIsGone gone);

// The parts of it, for who changes rows.

/// Columns that are part of some index.
[[nodiscard]] std::vector<std::uint32_t> key_columns(const TableShape& shape);
/// Plans that the keys of rows go from an index: rows[i], of which the key's columns are looked at, has numbers[i].
[[nodiscard]] Result<> remove_keys(OpenTable& table, std::size_t index, std::span<const types::Row> rows,
                                   std::span<const std::uint64_t> numbers);
/// Plans that the long contents go that picked entries of a column lead to.
[[nodiscard]] Result<> remove_contents(OpenTable& table, const EntryReader& entries, std::uint32_t column,
                                       std::span<const std::uint32_t> picked);

/// Plans that everything goes, in one step whatever the size.
[[nodiscard]] Result<> plan_truncate(OpenTable& table, Change& change);

}  // namespace chimera::tables
