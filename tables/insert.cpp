#include "tables/insert.h"

#include <fmt/format.h>

#include <algorithm>

#include "tables/entry_reader.h"
#include "tables/remove.h"
#include "tables/row_numbers.h"
#include "tables/row_writes.h"
#include "types/order.h"
#include "types/text.h"

namespace chimera::tables {
namespace {

using types::Value;

/// The number of the row that was inserted last, in a table that keeps their order.
std::optional<std::uint64_t> newest_row(const OpenTable& table) {
  const TableHeader& header = table.header();
  const std::uint64_t ever = table.shape().relation.circular ? header.position : header.tail;
  if (ever == 0) return {};
  return table.shape().relation.circular ? (ever - 1) % *table.shape().relation.circular : ever - 1;
}

/// The value that new rows must not be before; nothing if there is no row.
Result<std::optional<Value>> last_in_order(OpenTable& table, std::uint32_t column) {
  if (table.planned_last_in_order) return table.planned_last_in_order;
  const std::optional<std::uint64_t> row = newest_row(table);
  if (!row) return std::optional<Value>();
  EntryReader reader(table);
  const std::uint32_t columns[] = {column};
  if (auto done = reader.read_run(*row, 1, columns); !done) return std::unexpected(std::move(done.error()));
  types::Result<Value> value = table.shape().columns[column].fixed->get(reader.entry(column, 0));
  if (!value) {
    return std::unexpected(
        Failure{Status::corrupt, fmt::format("{}, column {}: {}.", table.shape().name,
                                             table.shape().column_name(column), value.error().text())});
  }
  table.last_in_order = *value;
  return std::optional<Value>(std::move(*value));
}

Result<> check_order(OpenTable& table, const EncodedRows& rows, std::span<const std::uint32_t> places) {
  if (!table.shape().relation.append_by) return {};
  const std::uint32_t column = *table.shape().relation.append_by;
  const types::Type& type = table.shape().relation.columns[column].type;
  auto last = last_in_order(table, column);
  if (!last) return std::unexpected(std::move(last.error()));
  for (const std::uint32_t i : places) {
    const Value& value = rows.rows()[i][column];
    if (*last && types::compare(value, **last, type) < 0) {
      Failure failure{Status::bad_text,
                      fmt::format("Row {}: {} {} is before the last row's {}: {} is appended to in the order of {}.", i,
                                  table.shape().column_name(column), types::to_text(value, type),
                                  types::to_text(**last, type), table.shape().name, table.shape().column_name(column))};
      failure.row = i;
      return std::unexpected(std::move(failure));
    }
    *last = value;
  }
  table.planned_last_in_order = *last;
  return {};
}

/// The oldest rows of a circular table, whose numbers the new ones get.
Result<> make_way(OpenTable& table, Change& change, std::size_t count) {
  const auto& size = table.shape().relation.circular;
  if (!size || table.planned().position + count <= *size) return {};
  std::vector<std::uint64_t> gone;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t position = table.planned().position + i;
    if (position >= *size) gone.push_back(position % *size);
  }
  return plan_remove(table, change, gone, WhatIsGone::passed_over);
}

}  // namespace

Result<> plan_insert(OpenTable& table, Change& change, const EncodedRows& rows, std::span<const std::uint32_t> places) {
  change.join(table);
  if (auto ordered = check_order(table, rows, places); !ordered) return ordered;
  if (auto done = make_way(table, change, places.size()); !done) return done;
  const auto numbers = take_row_numbers(table, places.size());
  if (!numbers) return std::unexpected(numbers.error());
  const Placing placing{places, *numbers};
  for (std::size_t index = 0; index < table.shape().indexes.size(); ++index) {
    if (auto done = enter_keys(table, rows, placing, index); !done) return done;
  }
  for (std::uint32_t column = 0; column < table.shape().columns.size(); ++column) {
    if (auto done = write_column(table, change, rows, placing, column); !done) return done;
  }
  write_states(table, change, *numbers, row_state::active);
  return {};
}

}  // namespace chimera::tables
