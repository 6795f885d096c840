#include "tables/remove.h"

#include <fmt/format.h>

#include <algorithm>

#include "tables/contents.h"
#include "tables/row_numbers.h"
#include "tables/row_reader.h"
#include "tables/row_writes.h"

namespace chimera::tables {
namespace {

/// Columns whose entries are needed: those of keys, whose values are, and those with contents that go too.
std::vector<std::uint32_t> columns_to_read(const TableShape& shape) {
  std::vector<std::uint32_t> columns;
  for (std::uint32_t column = 0; column < shape.columns.size(); ++column) {
    const bool in_key = std::ranges::any_of(shape.indexes, [&](const IndexFile& i) { return i.covers(column); });
    if (in_key || shape.columns[column].is_variable()) columns.push_back(column);
  }
  return columns;
}

Failure locked(const TableShape& shape, std::uint64_t row, WhatIsGone gone) {
  const std::string_view why =
      gone == WhatIsGone::passed_over ? " and the oldest: there is no room for another row until it is unlocked" : "";
  return {Status::denied, fmt::format("Row {} of {} is locked{}.", row, shape.name, why)};
}

/// The numbers under which there is a row that may go, each once.
Result<std::vector<std::uint64_t>> rows_that_are_there(OpenTable& table, std::span<const std::uint64_t> rows,
                                                       WhatIsGone gone) {
  std::vector<std::uint64_t> sorted(rows.begin(), rows.end());
  std::ranges::sort(sorted);
  EntryReader reader(table);
  if (auto done = reader.read(sorted, {}, true); !done) return std::unexpected(std::move(done.error()));
  std::vector<std::uint64_t> there;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const std::uint8_t state = reader.states()[i];
    if ((state & row_state::active) == 0) {
      if (gone == WhatIsGone::passed_over) continue;
      return std::unexpected(
          Failure{Status::not_found, fmt::format("{} has no row {}.", table.shape().name, sorted[i])});
    }
    if ((state & row_state::locked) != 0) return std::unexpected(locked(table.shape(), sorted[i], gone));
    there.push_back(sorted[i]);
  }
  return there;
}

}  // namespace

std::vector<std::uint32_t> key_columns(const TableShape& shape) {
  std::vector<std::uint32_t> columns;
  for (std::uint32_t column = 0; column < shape.columns.size(); ++column) {
    if (std::ranges::any_of(shape.indexes, [&](const IndexFile& i) { return i.covers(column); })) {
      columns.push_back(column);
    }
  }
  return columns;
}

Result<> remove_keys(OpenTable& table, std::size_t index, std::span<const types::Row> rows,
                     std::span<const std::uint64_t> numbers) {
  const IndexFile& of = table.shape().indexes[index];
  SortedKeys keys(of);
  std::vector<std::size_t> added;
  std::vector<std::uint8_t> key;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!table.is_entered(of, numbers[i])) continue;
    added.push_back(i);
    key.clear();
    if (auto done = append_index_key(table.shape(), of, rows[i], key); !done) return done;
    keys.add(key, has_row_number(of, rows[i]), numbers[i]);
  }
  const std::span<const BTree::Entry> entries = keys.entries();
  if (keys.first_repeated()) {
    return std::unexpected(
        Failure{Status::corrupt, fmt::format("{}: two rows have the same key in {}.", table.shape().name, of.name)});
  }
  Result<> done = table.tree(index).erase(entries);
  if (done || done.error().status != Status::not_found) return done;
  const std::size_t row = added[keys.added(done.error().instruction)];
  return std::unexpected(Failure{Status::corrupt, fmt::format("{}: {} is not in the index {}.", table.shape().name,
                                                              shown_key(table.shape(), of, rows[row]), of.name)});
}

Result<> remove_contents(OpenTable& table, const EntryReader& entries, std::uint32_t column,
                         std::span<const std::uint32_t> picked) {
  const ColumnFile& file = table.shape().columns[column];
  if (!file.is_variable()) return {};
  for (const std::uint32_t i : picked) {
    const types::Slot slot = types::read_slot(entries.entry(column, i));
    if (!slot.is_placed()) continue;
    if (auto done = table.heap(file.heap).erase(heap_value(slot)); !done) return done;
  }
  return {};
}

Result<> plan_remove(OpenTable& table, Change& change, std::span<const std::uint64_t> rows, WhatIsGone gone) {
  change.join(table);
  const auto there = rows_that_are_there(table, rows, gone);
  if (!there) return std::unexpected(there.error());
  if (there->empty()) return {};
  const std::vector<std::uint32_t> in_keys = key_columns(table.shape());
  const std::vector<std::uint32_t> to_read = columns_to_read(table.shape());
  RowReader reader(table);
  if (auto done = reader.entries.read(*there, to_read); !done) return done;
  std::vector<types::Row> values;
  if (auto done = reader.decode_sparse(there->size(), in_keys, values); !done) return done;
  for (std::size_t index = 0; index < table.shape().indexes.size(); ++index) {
    if (auto done = remove_keys(table, index, values, *there); !done) return done;
  }
  std::vector<std::uint32_t> all(there->size());
  for (std::uint32_t i = 0; i < all.size(); ++i) all[i] = i;
  for (const std::uint32_t column : to_read) {
    if (auto done = remove_contents(table, reader.entries, column, all); !done) return done;
  }
  write_states(table, change, *there, 0);
  give_back_row_numbers(table, change, *there);
  return {};
}

Result<> plan_truncate(OpenTable& table, Change& change) {
  change.join(table);
  const TableShape& shape = table.shape();
  change.script.note([] { return std::string("every column is empty"); });
  Program program;
  for (std::uint32_t column = 0; column < shape.columns.size(); ++column) {
    program.write_length(shape.columns[column].device, 0);
    if (table.packed(column) != nullptr) program.clear_metadata(shape.columns[column].device, 0, packed::most_pieces);
  }
  program.write_length(shape.free, 0);
  program.clear_metadata(shape.header, 0, most_rows);
  change.script.add(program);
  for (const IndexFile& index : shape.indexes) {
    change.script.note([&] { return "index " + index.name + ": an empty tree"; });
    change.script.add(Program().write_length(index.device, 0));
    BTree::create(change.script, index.device, shape.tree_shape(index));
  }
  for (const Uuid& heap : shape.heaps) {
    change.script.note([] { return std::string("an empty heap"); });
    change.script.add(Program().write_length(heap, 0));
    Heap::create(change.script, heap);
  }
  TableHeader& planned = table.planned();
  planned.tail = planned.live = planned.free = planned.position = 0;
  table.let_rows_go();
  table.forget_when_kept();
  return {};
}

}  // namespace chimera::tables
