#include "tables/catalogue_rows.h"

#include <fmt/format.h>

#include <numeric>

#include "tables/attempt.h"
#include "tables/encoded_rows.h"
#include "tables/insert.h"
#include "tables/key_range.h"
#include "tables/names.h"
#include "tables/remove.h"
#include "tables/row_reader.h"
#include "types/key.h"

namespace chimera::tables {

using types::Row;
using types::Value;

namespace {

Failure bad_name(std::string words) { return {Status::bad_text, std::move(words)}; }

Result<> plan_row(OpenTable& table, Change& change, Row row) {
  std::vector<Row> rows;
  rows.push_back(std::move(row));
  const auto encoded = EncodedRows::make(table.shape(), std::move(rows));
  if (!encoded) return std::unexpected(encoded.error());
  const std::uint32_t places[] = {0};
  return plan_insert(table, change, *encoded, places);
}

}  // namespace

std::string joined(const Row& row, std::size_t parts) {
  std::string text;
  for (std::size_t i = 0; i < parts; ++i) text += (i == 0 ? "" : "/") + row[i].as_bytes();
  return text;
}

Result<> check_not_its_own(std::string_view name, bool is_new) {
  if (is_new ? !name.starts_with("chimera/catalogue/") : !is_catalogues_own(name)) return {};
  return std::unexpected(
      Failure{Status::denied, fmt::format("{}: chimera/catalogue is for the catalogue's own tables.", name)});
}

Result<Row> parts_of(std::string_view name, std::size_t count) {
  Row parts;
  for (std::string_view rest = name;;) {
    const std::string_view part = rest.substr(0, rest.find('/'));
    if (!is_name_part(part)) {
      return std::unexpected(bad_name(fmt::format("\"{}\" in \"{}\" is no identifier.", part, name)));
    }
    parts.push_back(Value::string(std::string(part)));
    if (part.size() == rest.size()) break;
    rest.remove_prefix(part.size() + 1);
  }
  if (parts.size() == count) return parts;
  return std::unexpected(
      bad_name(fmt::format("\"{}\" has {} parts, and {} were expected.", name, parts.size(), count)));
}

bool is_damaged_table(const Failure& failure) noexcept {
  return failure.status == Status::corrupt || failure.status == Status::not_found || failure.status == Status::bad_text;
}

Result<bool> is_there(OpenTable& table, Row key) {
  const auto row = find_row(table, key);
  if (!row) return std::unexpected(row.error());
  return row->has_value();
}

Result<> plan_entry(OpenTable& table, Change& change, const Row& key, std::int64_t created) {
  const auto there = is_there(table, key);
  if (!there) return std::unexpected(there.error());
  if (*there) {
    change.join(table);
    return {};
  }
  Row row = key;
  row.push_back(Value::datetime(created));
  return plan_row(table, change, std::move(row));
}

Result<> plan_removal(OpenTable& table, Change& change, Row key, std::string_view what) {
  const std::string name = joined(key, key.size());
  const auto row = find_row(table, key);
  if (!row) return std::unexpected(row.error());
  if (!*row) return std::unexpected(Failure{Status::not_found, fmt::format("There is no {} {}.", what, name)});
  const std::uint64_t numbers[] = {**row};
  return plan_remove(table, change, numbers, WhatIsGone::refused);
}

Row front_of(const Row& row, std::size_t count) {
  return {row.begin(), row.begin() + static_cast<std::ptrdiff_t>(count)};
}

Result<std::vector<std::uint64_t>> rows_below(OpenTable& table, const Row& parts, std::size_t most) {
  std::vector<std::uint8_t> prefix;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const types::Column& column = table.shape().relation.columns[i];
    types::append_key(parts[i], column.type, column.nullable, prefix);
  }
  const KeyRange range = keys_with_prefix(std::move(prefix));
  BTree::Range within;
  within.low = range.low;
  if (range.high) within.high = *range.high;
  Entries found;
  if (auto done = table.tree(primary_key).range(within, most, found); !done) {
    return std::unexpected(std::move(done.error()));
  }
  const IndexFile& key = table.shape().indexes[primary_key];
  std::vector<std::uint64_t> numbers;
  for (std::size_t i = 0; i < found.size(); ++i) {
    numbers.push_back(key.row_of(found.key(i), found.value(i)).value_or(most_rows));
  }
  return numbers;
}

Result<std::vector<std::string>> names_of(OpenTable& table, std::span<const std::uint64_t> numbers, std::size_t parts) {
  std::vector<std::uint32_t> columns(parts);
  std::iota(columns.begin(), columns.end(), 0);
  std::vector<Row> rows;
  std::vector<std::string> names;
  if (numbers.empty()) return names;
  if (auto done = RowReader(table).read(numbers, columns, rows); !done) return std::unexpected(std::move(done.error()));
  for (const Row& row : rows) names.push_back(joined(row, parts));
  return names;
}

}  // namespace chimera::tables
