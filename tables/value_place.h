#pragma once
// Where a value of a row stands: for what works on parts of long values.

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "tables/change.h"
#include "tables/heap.h"
#include "tables/link.h"
#include "tables/open_table.h"
#include "tables/row_reader.h"
#include "types/slot.h"
#include "types/value.h"

namespace chimera::tables {

/// Where a value is: its row, its slot.
struct ValuePlace {
  std::uint64_t row = 0;
  std::uint32_t column = 0;
  std::array<std::uint8_t, types::slot_size> slot{};
  std::uint8_t state = 0;

  [[nodiscard]] types::Slot read() const { return types::read_slot(slot.data()); }
};

/// The place of a column of strings, blobs or functions. `not_found`, `unsupported`: as `find_value`.
[[nodiscard]] Result<std::uint32_t> find_plain_column(const TableShape& shape, std::string_view name);
/// Reads the slot of a string, blob or function column in the row with that key. `not_found`: there is no such row or
/// column; `unsupported`: the column is of another type.
[[nodiscard]] Result<ValuePlace> find_value(OpenTable& table, RowReader& reader, types::Row& key,
                                            std::string_view column);
/// The same; none: there is no such row.
[[nodiscard]] Result<std::optional<ValuePlace>> find_value_if_there(OpenTable& table, RowReader& reader,
                                                                    types::Row& key, std::string_view column);
/// `bad_text`: they are not whole characters of a string, or whole instructions of a function.
[[nodiscard]] Result<> check_content(const TableShape& shape, std::uint32_t column,
                                     std::span<const std::uint8_t> bytes);
/// What a placed slot leads to, also where it is too long for the slot to tell.
[[nodiscard]] Result<HeapValue> value_of(OpenTable& table, const ValuePlace& at);
/// All of a compressed value.
[[nodiscard]] Result<std::vector<std::uint8_t>> read_compressed(OpenTable& table, const ValuePlace& at);
/// `denied`: the row is locked, or the column is part of an index.
[[nodiscard]] Result<> check_writable(const TableShape& shape, const ValuePlace& at);
/// Plans the value with `bytes` at its end, of which there is one at least. What it is then.
/// `too_large`: the column does not hold so many.
[[nodiscard]] Result<ValuePlace> plan_append(OpenTable& table, Change& change, const ValuePlace& at,
                                             std::span<const std::uint8_t> bytes);
/// Plans another slot in its place.
void write_slot(OpenTable& table, Change& change, const ValuePlace& at, std::span<const std::uint8_t> slot);

}  // namespace chimera::tables
