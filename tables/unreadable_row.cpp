#include "tables/unreadable_row.h"

#include <fmt/format.h>

#include <algorithm>

#include "tables/encoded_rows.h"
#include "tables/open_table.h"
#include "tables/row_reader.h"

namespace chimera::tables {
namespace {

/// The reason without the table's name and the column's, which are said already.
std::string without_place(const std::string& words, const std::string& place) {
  return words.starts_with(place) ? words.substr(place.size()) : words;
}

std::string words_of(const TableShape& shape, const UnreadableRow& row, std::string_view name) {
  types::Row key(shape.columns.size());
  for (std::size_t i = 0; i < row.readable.size(); ++i) key[row.readable[i]] = row.values[i];
  const auto& key_columns = shape.relation.key;
  const auto is_readable = [&](std::uint32_t column) {
    return std::ranges::find(row.readable, column) != row.readable.end();
  };
  std::string words = fmt::format("{}, row {}", name, row.number);
  if (!key_columns.empty() && std::ranges::all_of(key_columns, is_readable)) {
    words += fmt::format(" {}", shown_key(shape, shape.indexes[primary_key], key));
  }
  if (!row.problem.empty()) words += fmt::format(": {}", row.problem);
  bool is_sentence = !row.problem.empty();
  for (const UnreadableRow::Problem& problem : row.problems) {
    const std::string column = shape.column_name(problem.column);
    words += is_sentence ? fmt::format(" Column {}: {}", column, problem.words)
                         : fmt::format(", column {}: {}", column, problem.words);
    is_sentence = true;
  }
  return words;
}

}  // namespace

bool is_of_its_place(const Failure& failure) noexcept {
  switch (failure.status) {
    case Status::corrupt: return true;
    // The device ends before a place that something leads to, or the disk does not give a block.
    case Status::out_of_range:
    case Status::io_error: return failure.instruction != Failure::nowhere;
    case Status::too_large: return failure.instruction == Failure::nowhere;
    default: return false;
  }
}

Failure named(Failure failure, const std::string& table) {
  if (!failure.words.contains(table)) failure.words = fmt::format("{}: {}", table, failure.words);
  return failure;
}

Result<std::optional<UnreadableRow>> look_at_unreadable(OpenTable& table, RowReader& reader, std::uint64_t number,
                                                        std::vector<std::uint32_t> columns, const Failure& failure,
                                                        std::string_view name) {
  const TableShape& shape = table.shape();
  const std::uint64_t numbers[] = {number};
  UnreadableRow row;
  row.relation = &shape.relation;
  row.number = number;
  if (auto read = reader.entries.read(numbers, {}, true); !read) {
    if (!is_of_its_place(read.error())) return std::unexpected(std::move(read.error()));
    row.problem = fmt::format("Whether it is there cannot be read. {}", read.error().words);
  } else if ((reader.entries.states()[0] & row_state::active) == 0) {
    return std::nullopt;
  }
  columns.insert(columns.end(), shape.relation.key.begin(), shape.relation.key.end());
  std::ranges::sort(columns);
  const auto twice = std::ranges::unique(columns);
  columns.erase(twice.begin(), twice.end());
  std::vector<types::Row> rows;
  for (const std::uint32_t column : columns) {
    const std::uint32_t one[] = {column};
    if (auto read = reader.read(numbers, one, rows); read) {
      row.readable.push_back(column);
      row.values.push_back(std::move(rows[0][0]));
    } else if (is_of_its_place(read.error())) {
      const std::string place = fmt::format("{}, column {}: ", shape.name, shape.column_name(column));
      row.problems.push_back({column, without_place(read.error().words, place)});
    } else {
      return std::unexpected(std::move(read.error()));
    }
  }
  if (row.problems.empty() && row.problem.empty()) row.problem = failure.words;
  row.words = words_of(shape, row, name);
  return row;
}

}  // namespace chimera::tables
