#include "tables/update.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "tables/insert.h"
#include "tables/remove.h"
#include "tables/row_reader.h"

namespace chimera::tables {
namespace {

using types::Row;

/// What has to be known of rows before they change: the values in the keys that go, and the slots of contents that go.
struct Before {
  std::vector<std::uint32_t> in_keys;  ///< columns
  std::vector<std::uint32_t> to_read;  ///< columns
};

Before what_to_read(const TableShape& shape, std::span<const std::uint32_t> changed,
                    std::span<const std::size_t> indexes) {
  Before before;
  for (std::uint32_t column = 0; column < shape.columns.size(); ++column) {
    const bool in_key = std::ranges::any_of(indexes, [&](std::size_t i) { return shape.indexes[i].covers(column); });
    const bool is_changed = std::ranges::find(changed, column) != changed.end();
    if (in_key) before.in_keys.push_back(column);
    if (in_key || (is_changed && shape.columns[column].is_variable())) before.to_read.push_back(column);
  }
  return before;
}

Result<> check_states(const TableShape& shape, std::span<const std::uint8_t> states,
                      std::span<const std::uint64_t> numbers) {
  for (std::size_t i = 0; i < states.size(); ++i) {
    if ((states[i] & row_state::active) == 0) {
      return std::unexpected(Failure{
          Status::corrupt, fmt::format("{}: an index leads to row {}, which is not there.", shape.name, numbers[i])});
    }
    if ((states[i] & row_state::locked) != 0) {
      return std::unexpected(Failure{Status::denied, fmt::format("Row {} of {} is locked.", numbers[i], shape.name)});
    }
  }
  return {};
}

/// Plans that the keys and contents go that are replaced. `old`: the values in the keys.
Result<> plan_old_goes(OpenTable& table, std::span<const std::uint64_t> numbers, std::span<const std::uint32_t> changed,
                       std::span<const std::size_t> indexes, std::vector<Row>& old) {
  const Before before = what_to_read(table.shape(), changed, indexes);
  RowReader reader(table);
  if (auto done = reader.entries.read(numbers, before.to_read, true); !done) return done;
  if (auto done = check_states(table.shape(), reader.entries.states(), numbers); !done) return done;
  if (auto done = reader.decode_sparse(numbers.size(), before.in_keys, old); !done) return done;
  for (const std::size_t index : indexes) {
    if (auto done = remove_keys(table, index, old, numbers); !done) return done;
  }
  std::vector<std::uint32_t> all(numbers.size());
  std::iota(all.begin(), all.end(), 0u);
  for (const std::uint32_t column : changed) {
    if (auto done = remove_contents(table, reader.entries, column, all); !done) return done;
  }
  return {};
}

Result<> plan_new_comes(OpenTable& table, Change& change, const EncodedRows& rows, const Placing& placing,
                        std::span<const std::uint32_t> changed, std::span<const std::size_t> indexes) {
  for (const std::size_t index : indexes) {
    if (auto done = enter_keys(table, rows, placing, index); !done) return done;
  }
  for (const std::uint32_t column : changed) {
    if (auto done = write_column(table, change, rows, placing, column); !done) return done;
  }
  return {};
}

}  // namespace

Result<BoundAssignments> bind_assignments(const TableShape& shape, std::span<const Assignment> assignments) {
  BoundAssignments bound;
  for (const Assignment& assignment : assignments) {
    const auto column = shape.relation.find(assignment.column);
    if (!column) {
      return std::unexpected(
          Failure{Status::not_found, fmt::format("{} has no column {}.", shape.name, assignment.column)});
    }
    const auto place = static_cast<std::uint32_t>(*column);
    if (std::ranges::any_of(bound, [&](const auto& other) { return other.first == place; })) {
      return std::unexpected(Failure{Status::bad_text, fmt::format("Column {} is assigned twice.", assignment.column)});
    }
    if (shape.relation.append_by == place) {
      return std::unexpected(Failure{Status::denied, fmt::format("Column {} keeps the rows of {} in their order and "
                                                                 "cannot be changed.",
                                                                 assignment.column, shape.name)});
    }
    types::Value value = assignment.value;
    if (auto fits = conform_value(shape.relation.columns[place], value); !fits) {
      return std::unexpected(std::move(fits.error()));
    }
    bound.emplace_back(place, std::move(value));
  }
  return bound;
}

namespace {

/// `assign` gives rows, of which the values in keys are there, their new values in the changed columns.
template <typename Assign>
Result<> plan_assign(OpenTable& table, Change& change, std::span<const std::uint64_t> numbers,
                     std::span<const std::uint32_t> changed, Assign assign) {
  change.join(table);
  const TableShape& shape = table.shape();
  std::vector<std::size_t> indexes;
  for (std::size_t index = 0; index < shape.indexes.size(); ++index) {
    const auto& covered = shape.indexes[index];
    if (std::ranges::any_of(changed, [&](std::uint32_t c) { return covered.covers(c); })) indexes.push_back(index);
  }
  std::vector<Row> rows;
  if (auto done = plan_old_goes(table, numbers, changed, indexes, rows); !done) return done;
  for (std::size_t i = 0; i < rows.size(); ++i) assign(i, rows[i]);
  const auto encoded = EncodedRows::make(shape, std::move(rows), changed, indexes);
  if (!encoded) return std::unexpected(encoded.error());
  std::vector<std::uint32_t> places(numbers.size());
  std::iota(places.begin(), places.end(), 0u);
  return plan_new_comes(table, change, *encoded, {places, numbers}, changed, indexes);
}

}  // namespace

Result<> plan_update(OpenTable& table, Change& change, std::span<const std::uint64_t> numbers,
                     const BoundAssignments& assignments) {
  std::vector<std::uint32_t> changed;
  for (const auto& assignment : assignments) changed.push_back(assignment.first);
  return plan_assign(table, change, numbers, changed, [&](std::size_t, Row& row) {
    for (const auto& [column, value] : assignments) row[column] = value;
  });
}

Result<> plan_put(OpenTable& table, Change& change, std::span<const std::uint64_t> numbers, std::uint32_t column,
                  std::span<const types::Value> values) {
  const std::uint32_t changed[] = {column};
  return plan_assign(table, change, numbers, changed, [&](std::size_t i, Row& row) { row[column] = values[i]; });
}

namespace {

struct Found {
  std::vector<std::uint32_t> there, new_ones;  ///< places among the encoded rows
  std::vector<std::uint64_t> numbers;          ///< of those that are there
};

/// Which of the rows are there already; these in the order of their numbers.
Result<Found> find_existing(OpenTable& table, const EncodedRows& rows, std::span<const std::uint32_t> places) {
  SortedKeys keys(table.shape().indexes[primary_key]);
  for (const std::uint32_t place : places) keys.add(rows.keys(primary_key)[place], false, place);
  const std::span<const BTree::Entry> sorted = keys.entries();
  BTree& tree = table.tree(primary_key);
  if (auto done = tree.load(sorted); !done) return std::unexpected(std::move(done.error()));
  std::vector<std::pair<std::uint64_t, std::uint32_t>> there;
  Found found;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const std::uint32_t place = places[keys.added(i)];
    const auto row = tree.find(sorted[i].key);
    if (!row) return std::unexpected(row.error());
    if (*row) {
      const auto number = table.row_of_key(**row);
      if (!number) return std::unexpected(number.error());
      there.emplace_back(*number, place);
    } else {
      found.new_ones.push_back(place);
    }
  }
  std::ranges::sort(found.new_ones);
  std::ranges::sort(there);
  for (const auto& [number, place] : there) {
    found.numbers.push_back(number);
    found.there.push_back(place);
  }
  return found;
}

}  // namespace

Result<> plan_upsert(OpenTable& table, Change& change, const EncodedRows& rows, std::span<const std::uint32_t> places) {
  change.join(table);
  const TableShape& shape = table.shape();
  const auto found = find_existing(table, rows, places);
  if (!found) return std::unexpected(found.error());
  std::vector<std::uint32_t> columns(shape.columns.size());
  std::iota(columns.begin(), columns.end(), 0u);
  std::vector<std::size_t> indexes(shape.indexes.size() - 1);  // the primary key stays as it is
  std::iota(indexes.begin(), indexes.end(), primary_key + 1);
  std::vector<Row> old;
  if (!found->there.empty()) {
    if (auto done = plan_old_goes(table, found->numbers, columns, indexes, old); !done) return done;
  }
  if (!found->new_ones.empty()) {
    if (auto done = plan_insert(table, change, rows, found->new_ones); !done) return done;
  }
  if (found->there.empty()) return {};
  return plan_new_comes(table, change, rows, {found->there, found->numbers}, columns, indexes);
}

}  // namespace chimera::tables
