#include "tables/row_reader.h"

#include <fmt/format.h>

#include "tables/compression.h"
#include "types/content.h"

namespace chimera::tables {

using types::Row;
using types::Value;

void RowReader::restart() {
  contents.clear();
  next_content_ = 0;
}

std::span<const std::uint32_t> RowReader::first_places(std::size_t count) {
  while (all_.size() < count) all_.push_back(static_cast<std::uint32_t>(all_.size()));
  return std::span(all_).first(count);
}

Failure RowReader::damaged(std::uint32_t column, const types::Error& error) const {
  return {Status::corrupt,
          fmt::format("{}, column {}: {}.", table_.shape().name, table_.shape().column_name(column), error.text())};
}

void RowReader::want(std::uint32_t column, std::span<const std::uint32_t> picked) {
  const ColumnFile& file = table_.shape().columns[column];
  if (!file.is_variable()) return;
  for (const std::uint32_t i : picked) {
    const types::Slot slot = types::read_slot(entries.entry(column, i));
    if (slot.is_placed()) contents.want(file.heap, slot);
  }
}

std::size_t RowReader::fitting(std::span<const std::uint32_t> picked, std::span<const std::uint32_t> columns) const {
  std::vector<std::uint32_t> variable;
  for (const std::uint32_t column : columns) {
    if (table_.shape().columns[column].is_variable()) variable.push_back(column);
  }
  if (variable.empty()) return picked.size();
  ContentBudget budget;
  for (std::size_t n = 0; n < picked.size(); ++n) {
    std::uint64_t bytes = 0;
    for (const std::uint32_t column : variable) {
      const types::Slot slot = types::read_slot(entries.entry(column, picked[n]));
      if (slot.is_placed()) bytes += ContentBudget::bytes_of(slot);
    }
    if (!budget.take(bytes)) return n;
  }
  return picked.size();
}

Result<> RowReader::decode(std::uint32_t column, std::span<const std::uint32_t> picked, std::span<Row> rows,
                           std::size_t to) {
  const ColumnFile& file = table_.shape().columns[column];
  const types::Type& type = table_.shape().relation.columns[column].type;
  const bool nullable = table_.shape().relation.columns[column].nullable;
  if (!file.is_variable()) return decode_fixed(column, picked, rows, to);
  for (std::size_t n = 0; n < picked.size(); ++n) {
    const types::Slot slot = types::read_slot(entries.entry(column, picked[n]));
    Value& value = rows[n][to];
    if (slot.is_null()) {
      if (!nullable) return std::unexpected(damaged(column, {Status::corrupt, "it is null, and may not be"}));
      value = Value();
      continue;
    }
    const bool placed = slot.is_placed();
    const std::span<const std::uint8_t> content = placed ? contents[next_content_++] : slot.content();
    if (placed && Place(slot.place()).is_compressed()) {
      types::Result<Value> found = value_of_compressed(content, slot.length, type);
      if (!found) return std::unexpected(damaged(column, found.error()));
      value = std::move(*found);
    } else if (const auto wrong = types::read_content(content, type, value)) {
      return std::unexpected(damaged(column, *wrong));
    }
  }
  return {};
}

/// Neighbours are decoded in one loop.
Result<> RowReader::decode_fixed(std::uint32_t column, std::span<const std::uint32_t> picked, std::span<Row> rows,
                                 std::size_t to) {
  const types::FixedColumn& fixed = *table_.shape().columns[column].fixed;
  for (std::size_t n = 0; n < picked.size();) {
    std::size_t count = 1;
    while (n + count < picked.size() && picked[n + count] == picked[n] + count) ++count;
    const auto wrong = fixed.get_column(entries.entry(column, picked[n]), rows.subspan(n, count), to);
    if (wrong) return std::unexpected(damaged(column, *wrong));
    n += count;
  }
  return {};
}

Result<> RowReader::read(std::span<const std::uint64_t> numbers, std::span<const std::uint32_t> columns,
                         std::vector<Row>& rows) {
  if (auto done = entries.read(numbers, columns); !done) return done;
  return decode_picked(first_places(numbers.size()), columns, rows);
}

Result<> RowReader::read_sparse(std::span<const std::uint64_t> numbers, std::span<const std::uint32_t> columns,
                                std::vector<Row>& rows) {
  if (auto done = entries.read(numbers, columns); !done) return done;
  return decode_sparse(numbers.size(), columns, rows);
}

Result<> RowReader::decode_picked(std::span<const std::uint32_t> picked, std::span<const std::uint32_t> columns,
                                  std::vector<Row>& rows) {
  restart();
  for (const std::uint32_t column : columns) want(column, picked);
  if (auto done = contents.read(); !done) return done;
  rows.resize(picked.size());
  for (Row& row : rows) row.resize(columns.size());
  for (std::size_t to = 0; to < columns.size(); ++to) {
    if (auto done = decode(columns[to], picked, rows, to); !done) return done;
  }
  return {};
}

Result<> RowReader::decode_sparse(std::size_t count, std::span<const std::uint32_t> columns, std::vector<Row>& rows) {
  restart();
  const std::span<const std::uint32_t> picked = first_places(count);
  for (const std::uint32_t column : columns) want(column, picked);
  if (auto done = contents.read(); !done) return done;
  rows.assign(count, Row(table_.shape().columns.size()));
  for (const std::uint32_t column : columns) {
    if (auto done = decode(column, picked, rows, column); !done) return done;
  }
  return {};
}

}  // namespace chimera::tables
