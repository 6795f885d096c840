#include "tables/collections/collection.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "tables/attempt.h"
#include "tables/catalogue.h"
#include "tables/change.h"
#include "tables/encoded_rows.h"
#include "tables/insert.h"
#include "tables/remove.h"
#include "tables/row_reader.h"
#include "tables/scan.h"
#include "tables/update.h"
#include "types/key.h"

namespace chimera::tables {
namespace {

using types::Row;
using types::Value;

Result<> plan_rows(OpenTable& table, Change& change, std::vector<Row> rows) {
  std::vector<std::uint32_t> places(rows.size());
  std::iota(places.begin(), places.end(), 0u);
  const auto encoded = EncodedRows::make(table.shape(), std::move(rows));
  if (!encoded) return std::unexpected(encoded.error());
  return plan_insert(table, change, *encoded, places);
}

/// Plans what an edit leaves of a row that is there.
Result<> plan_edited(OpenTable& table, Change& change, std::uint64_t number, const std::optional<Row>& after) {
  const std::uint64_t numbers[] = {number};
  if (!after) return plan_remove(table, change, numbers, WhatIsGone::refused);
  std::vector<Assignment> assignments;
  const std::vector<types::Column>& columns = table.shape().relation.columns;
  for (std::size_t i = 1; i < columns.size(); ++i) assignments.push_back({columns[i].name, (*after)[i]});
  const auto bound = bind_assignments(table.shape(), assignments);
  if (!bound) return std::unexpected(bound.error());
  return plan_update(table, change, numbers, *bound);
}

}  // namespace

types::Relation Collection::relation_of(std::vector<types::Column> columns) {
  types::Relation relation{.name = "collection"};
  relation.columns = std::move(columns);
  relation.key = {0};
  return relation;
}

Result<std::unique_ptr<Table>> Collection::open_or_create(Link& link, const std::string& name,
                                                          const types::Relation& relation) {
  auto opened = Table::open(link, name);
  if (!opened && opened.error().status == Status::not_found) {
    const auto created = Catalogue(link).create_table(name, relation);
    // Somebody else may have made it meanwhile.
    if (!created && created.error().status != Status::exists) return std::unexpected(created.error());
    opened = Table::open(link, name);
  }
  if (!opened) return std::unexpected(std::move(opened.error()));
  const types::Relation& there = opened->relation();
  if (there.columns != relation.columns || there.key != relation.key || there.circular || there.append_by) {
    return std::unexpected(Failure{
        Status::mismatch, fmt::format("{} has other columns than this collection:\n{}", name, types::print(there))});
  }
  return std::make_unique<Table>(std::move(*opened));
}

Result<std::uint64_t> Collection::size() { return table_->count(); }

Result<> Collection::clear() { return table_->truncate(); }

Result<std::optional<Row>> Collection::get(Value key) { return table_->get({std::move(key)}); }

Result<bool> Collection::remove(Value key) { return table_->remove({std::move(key)}); }

Result<> Collection::put(std::vector<Row> rows) { return table_->upsert(std::move(rows)); }

Result<std::optional<Row>> Collection::read(std::uint64_t number) {
  std::vector<std::uint32_t> columns(table_->relation().columns.size());
  std::iota(columns.begin(), columns.end(), 0u);
  const std::uint64_t numbers[] = {number};
  std::vector<Row> rows;
  if (auto done = table_->reader().read(numbers, columns, rows); !done) return std::unexpected(std::move(done.error()));
  return std::optional(std::move(rows.front()));
}

Result<> Collection::edit(Value key, const Edit& change) {
  const auto done = table_->retry<bool>([&](OpenTable& table) -> Result<bool> {
    Row keys{key};
    const auto number = find_row(table, keys);
    if (!number) return std::unexpected(number.error());
    Result<std::optional<Row>> before = std::optional<Row>();
    if (*number) before = read(**number);
    if (!before) return std::unexpected(std::move(before.error()));
    auto after = change(*before);
    if (!after) return std::unexpected(std::move(after.error()));
    if (*after == *before) return true;
    Change made(table_->link(), table_->options().explained);
    Result<> planned = {};
    if (*number) {
      planned = plan_edited(table, made, **number, *after);
    } else {
      std::vector<Row> rows;
      rows.push_back(std::move(**after));
      planned = plan_rows(table, made, std::move(rows));
    }
    if (!planned) return std::unexpected(std::move(planned.error()));
    if (auto committed = made.commit(); !committed) return std::unexpected(std::move(committed.error()));
    return true;
  });
  if (!done) return std::unexpected(done.error());
  return {};
}

Result<std::optional<Row>> Collection::end_of(OpenTable& table, End end, std::uint64_t& number) {
  Entries found;
  BTreeRange all;
  all.backwards = end == End::last;
  if (auto done = table.tree(primary_key).range(all, 1, found); !done) return std::unexpected(std::move(done.error()));
  if (found.empty()) {
    // That may have been found in memory.
    if (auto confirmed = table.confirm(); !confirmed) return std::unexpected(std::move(confirmed.error()));
    return std::optional<Row>();
  }
  const auto row = table.row_of_key(found.value(0));
  if (!row) return std::unexpected(row.error());
  number = *row;
  return read(number);
}

Result<std::optional<Row>> Collection::at_end(End end) {
  return table_->retry<std::optional<Row>>([&](OpenTable& table) {
    std::uint64_t number = 0;
    return end_of(table, end, number);
  });
}

Result<std::optional<Row>> Collection::take_end(End end) {
  return table_->retry<std::optional<Row>>([&](OpenTable& table) -> Result<std::optional<Row>> {
    std::uint64_t number = 0;
    auto row = end_of(table, end, number);
    if (!row || !*row) return row;
    Change change(table_->link(), table_->options().explained);
    const std::uint64_t numbers[] = {number};
    if (auto planned = plan_remove(table, change, numbers, WhatIsGone::refused); !planned) {
      return std::unexpected(std::move(planned.error()));
    }
    if (auto done = change.commit(); !done) return std::unexpected(std::move(done.error()));
    return row;
  });
}

Result<std::size_t> Collection::append_piece(OpenTable& table, const std::vector<Value>& values, std::size_t first,
                                             std::size_t most) {
  Entries last;
  BTreeRange all;
  all.backwards = true;
  if (auto done = table.tree(primary_key).range(all, 1, last); !done) return std::unexpected(std::move(done.error()));
  std::uint64_t place = 0;
  if (!last.empty()) {
    std::span<const std::uint8_t> key = last.key(0);
    const auto number = types::take_key(key, table.shape().relation.columns.front().type, false);
    if (!number) return std::unexpected(Failure{Status::corrupt, number.error().text()});
    place = number->low_bits() + 1;
  }
  std::vector<Row> rows(std::min(most, values.size() - first));
  for (Row& row : rows) row = {Value::of(place++), values[first++]};
  const std::size_t count = rows.size();
  Change change(table_->link(), table_->options().explained);
  if (auto planned = plan_rows(table, change, std::move(rows)); !planned) return std::unexpected(planned.error());
  if (auto done = change.commit(); !done) return std::unexpected(std::move(done.error()));
  return count;
}

Result<> Collection::append(std::vector<Value> values) {
  std::size_t most = piece;
  for (std::size_t done = 0; done < values.size();) {
    const auto some =
        table_->retry<std::size_t>([&](OpenTable& table) { return append_piece(table, values, done, most); });
    if (!some && some.error().status == Status::too_large && most > 1) {
      most /= 2;
      continue;
    }
    if (!some) return std::unexpected(some.error());
    done += *some;
  }
  return {};
}

Result<> Collection::each(End from, const std::function<bool(Row&)>& visit) {
  auto scan = table_->scan({.along = "key", .backwards = from == End::last});
  if (!scan) return std::unexpected(std::move(scan.error()));
  for (std::vector<Row> rows;;) {
    const auto some = scan->next(rows);
    if (!some) return std::unexpected(some.error());
    if (!*some) return {};
    for (Row& row : rows) {
      if (!visit(row)) return {};
    }
  }
}

}  // namespace chimera::tables
