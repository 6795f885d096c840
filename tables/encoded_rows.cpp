#include "tables/encoded_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "types/check.h"
#include "types/content.h"
#include "types/json.h"
#include "types/key.h"
#include "types/slot.h"

namespace chimera::tables {
namespace {

using types::Row;
using types::Value;

/// Whether a look at the kinds is enough to see that the value is one of the type: for most values it is.
bool plainly_fits(const Value& value, const types::Type& type) {
  return value.kind() == type.kind && types::kind_width(type.kind) != 0;
}

Failure in_row(std::size_t row, Failure failure) {
  failure.words = fmt::format("Row {}: {}", row, failure.words);
  failure.row = row;
  return failure;
}

Result<> conform_row(const TableShape& shape, std::span<const std::uint32_t> which, Row& row) {
  const std::vector<types::Column>& columns = shape.relation.columns;
  if (row.size() != columns.size()) {
    return std::unexpected(Failure{Status::bad_text, fmt::format("There are {} values, and {} has {} columns.",
                                                                 row.size(), shape.name, columns.size())});
  }
  for (const std::uint32_t i : which) {
    if (plainly_fits(row[i], columns[i].type)) continue;
    if (auto fits = conform_value(columns[i], row[i]); !fits) return fits;
  }
  return {};
}

void encode_fixed(const ColumnFile& file, std::uint32_t column, std::span<const Row> rows, EncodedColumn& to) {
  to.entries.resize(rows.size() * file.width);
  file.fixed->put_column(rows, column, to.entries.data());
}

/// Contents that are made here stand in `scratch`.
void encode_variable(const types::Type& type, std::uint32_t column, std::span<const Row> rows, EncodedColumn& to,
                     std::vector<std::uint8_t>& scratch) {
  to.entries.resize(rows.size() * types::slot_size);
  const bool plain = types::is_plain(type);
  struct Made {
    std::size_t long_content, begin, size;
  };
  std::vector<Made> made;  // views of scratch are taken when it no longer grows
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Value& value = rows[i][column];
    std::uint8_t* const slot = &to.entries[i * types::slot_size];
    if (value.is_null() && !type.holds_any()) {
      types::put_null_slot(slot);
      continue;
    }
    const std::size_t begin = scratch.size();
    const std::span<const std::uint8_t> content = types::content_of(value, type, scratch);
    if (content.size() <= types::most_in_slot) {
      types::put_inside_slot(slot, content);
      continue;
    }
    if (!plain) made.push_back({to.longs.size(), begin, content.size()});
    to.longs.push_back({static_cast<std::uint32_t>(i), content});
  }
  for (const Made& of : made) to.longs[of.long_content].content = std::span(scratch).subspan(of.begin, of.size);
}

Result<> encode_keys(const TableShape& shape, const IndexFile& index, std::span<const Row> rows, KeyList& keys) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (auto appended = append_index_key(shape, index, rows[i], keys.open()); !appended) {
      return std::unexpected(in_row(i, std::move(appended.error())));
    }
    keys.close();
  }
  return {};
}

}  // namespace

std::size_t bytes_of_value(const TableShape& shape, std::uint32_t column, const types::Value& value) {
  const ColumnFile& file = shape.columns[column];
  if (!file.is_variable() || value.is_null()) return file.width;
  std::vector<std::uint8_t> scratch;
  return file.width + types::content_of(value, shape.relation.columns[column].type, scratch).size();
}

Result<> conform_value(const types::Column& column, Value& value) {
  if (plainly_fits(value, column.type)) return {};
  if (const auto wrong = types::conform(value, column.type, column.nullable)) {
    return std::unexpected(Failure{wrong->status, fmt::format("Column {}: {}.", column.name, wrong->text())});
  }
  return {};
}

Result<> append_index_key(const TableShape& shape, const IndexFile& index, const Row& row,
                          std::vector<std::uint8_t>& to) {
  const std::size_t begin = to.size();
  for (const std::uint32_t column : index.columns) {
    const types::Column& of = shape.relation.columns[column];
    types::append_key(row[column], of.type, of.nullable, to);
  }
  if (const auto wrong = types::check_key_size(to.size() - begin)) {
    std::string names;
    for (const std::uint32_t column : index.columns) names += (names.empty() ? "" : ", ") + shape.column_name(column);
    return std::unexpected(Failure{wrong->status, fmt::format("The key of {}: {}.", names, wrong->text())});
  }
  return {};
}

bool has_row_number(const IndexFile& index, const Row& row) {
  if (!index.unique) return true;
  return index.nullable && std::ranges::any_of(index.columns, [&](std::uint32_t c) { return row[c].is_null(); });
}

std::string shown_key(const TableShape& shape, const IndexFile& index, const Row& row) {
  std::string text = "(";
  for (const std::uint32_t column : index.columns) {
    if (text.size() > 1) text += ", ";
    text += shape.column_name(column) + " = ";
    types::append_json(row[column], shape.relation.columns[column].type, text);
  }
  return text + ")";
}

Result<EncodedRows> EncodedRows::make(const TableShape& shape, std::vector<Row>&& rows) {
  std::vector<std::uint32_t> columns(shape.columns.size());
  std::iota(columns.begin(), columns.end(), 0u);
  std::vector<std::size_t> indexes(shape.indexes.size());
  std::iota(indexes.begin(), indexes.end(), std::size_t{0});
  return make(shape, std::move(rows), columns, indexes);
}

Result<EncodedRows> EncodedRows::make(const TableShape& shape, std::vector<Row>&& rows,
                                      std::span<const std::uint32_t> columns, std::span<const std::size_t> indexes) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (auto fits = conform_row(shape, columns, rows[i]); !fits) {
      return std::unexpected(in_row(i, std::move(fits.error())));
    }
  }
  EncodedRows encoded;
  encoded.rows_ = std::move(rows);
  encoded.columns_.resize(shape.columns.size());
  encoded.scratch_.resize(shape.columns.size());
  for (const std::uint32_t column : columns) {
    const ColumnFile& file = shape.columns[column];
    EncodedColumn& to = encoded.columns_[column];
    if (file.is_variable()) {
      encode_variable(shape.relation.columns[column].type, column, encoded.rows_, to, encoded.scratch_[column]);
    } else {
      encode_fixed(file, column, encoded.rows_, to);
    }
  }
  encoded.keys_.resize(shape.indexes.size());
  for (const std::size_t index : indexes) {
    if (auto done = encode_keys(shape, shape.indexes[index], encoded.rows_, encoded.keys_[index]); !done) {
      rows = std::move(encoded.rows_);
      return std::unexpected(std::move(done.error()));
    }
  }
  return encoded;
}

}  // namespace chimera::tables
