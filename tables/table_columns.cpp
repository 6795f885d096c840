// Columns that come, go and change their names.

#include <fmt/format.h>

#include <algorithm>

#include "tables/answers.h"
#include "tables/attempt.h"
#include "tables/create.h"
#include "tables/encoded_rows.h"
#include "tables/filling.h"
#include "tables/names.h"
#include "tables/remove.h"
#include "tables/row_finder.h"
#include "tables/row_numbers.h"
#include "types/content.h"

namespace chimera::tables {
namespace {

Failure denied(std::string words) { return {Status::denied, std::move(words)}; }

Result<std::uint32_t> column_named(const TableShape& shape, std::string_view name) {
  const auto column = shape.relation.find(name);
  if (column) return static_cast<std::uint32_t>(*column);
  return std::unexpected(Failure{Status::not_found, fmt::format("{} has no column {}.", shape.name, name)});
}

/// The entry of a row that was there before the column.
Result<std::vector<std::uint8_t>> first_entry(const types::Column& column, const ColumnFile& file, bool has_rows) {
  std::vector<std::uint8_t> entry(file.width);
  const types::Value value = column.default_value.value_or(types::Value());
  if (value.is_null() && !column.nullable && !column.type.holds_any()) {
    if (!has_rows) return entry;
    return std::unexpected(
        denied(fmt::format("There are rows: column {} has to be nullable or have a default.", column.name)));
  }
  if (!file.is_variable()) {
    file.fixed->put(value, entry.data());
    return entry;
  }
  if (value.is_null() && !column.type.holds_any()) {
    types::put_null_slot(entry.data());
    return entry;
  }
  std::vector<std::uint8_t> scratch;
  const std::span<const std::uint8_t> content = types::content_of(value, column.type, scratch);
  if (content.size() > types::most_in_slot && has_rows) {
    return std::unexpected(
        denied(fmt::format("There are rows: the default of column {} has to fit {} bytes. Add it without, "
                           "update the rows, and put up with nulls.",
                           column.name, types::most_in_slot)));
  }
  if (content.size() <= types::most_in_slot) types::put_inside_slot(entry.data(), content);
  return entry;
}

/// Bytes that one transaction fills a new column with.
constexpr std::uint64_t most_filled = 32 << 20;

void forget_indexes(types::Relation& relation, std::uint32_t column) {
  std::erase_if(relation.indexes, [&](const types::Index& index) {
    return std::ranges::find(index.columns, column) != index.columns.end();
  });
}

/// Columns behind the one that goes move up by one.
void forget_column(types::Relation& relation, std::uint32_t column) {
  forget_indexes(relation, column);
  const auto move_up = [column](std::uint32_t& place) { place -= place > column ? 1 : 0; };
  for (types::Index& index : relation.indexes) std::ranges::for_each(index.columns, move_up);
  std::ranges::for_each(relation.key, move_up);
  if (relation.append_by) move_up(*relation.append_by);
  relation.columns.erase(relation.columns.begin() + column);
}

/// Writes nulls into the slots of some rows, and frees what they lead to. Nothing else looks at them any more.
Result<> plan_empty(OpenTable& table, Change& change, RowReader& reader, std::uint32_t column,
                    std::span<const std::uint64_t> numbers) {
  change.join(table);
  const std::uint32_t columns[] = {column};
  if (auto done = reader.entries.read(numbers, columns); !done) return done;
  std::vector<std::uint32_t> placed;
  std::vector<std::uint64_t> rows;
  for (std::uint32_t i = 0; i < numbers.size(); ++i) {
    if (!types::read_slot(reader.entries.entry(column, i)).is_placed()) continue;
    placed.push_back(i);
    rows.push_back(numbers[i]);
  }
  if (auto done = remove_contents(table, reader.entries, column, placed); !done) return done;
  for (const RowRun& run : runs_of(rows)) {
    std::vector<std::uint8_t> nulls(run.count * types::slot_size);
    for (std::size_t i = 0; i < run.count; ++i) types::put_null_slot(&nulls[i * types::slot_size]);
    change.script.note([&] {
      return fmt::format("column {}, rows {} to {}: nothing", table.shape().column_name(column), run.row,
                         run.row + run.count - 1);
    });
    change.script.write_bytes(table.shape().columns[column].device, run.row * types::slot_size, nulls);
  }
  return {};
}

/// `busy`: somebody has put long values into it since it was emptied.
Result<> check_empty(OpenTable& table, std::uint32_t column) {
  const ColumnFile& file = table.shape().columns[column];
  if (!file.is_variable() || table.shape().relation.columns[column].external) return {};
  const Predicate everything;
  RowFinder finder(FindPlan{}, everything);
  RowReader reader(table);
  const std::uint32_t columns[] = {column};
  constexpr std::size_t most_at_once = 16384;
  for (;;) {
    const auto some = finder.next(table, reader, columns, most_at_once);
    if (!some) return std::unexpected(some.error());
    if (!*some) return {};
    for (std::uint32_t i = 0; i < finder.looked_at(); ++i) {
      if (finder.found()[i] == 0 || !types::read_slot(reader.entries.entry(column, i)).is_placed()) continue;
      return std::unexpected(Failure{Status::busy, "The column is being written to."});
    }
  }
}

/// `denied`: an index is being added, and is not the one of this name.
Result<> check_no_unfinished(const TableShape& shape, std::string_view dropped_index = {}) {
  if (!shape.wanted || shape.indexes.back().name == dropped_index) return {};
  return std::unexpected(
      denied(fmt::format("The index {} of {} is being added: add it again to go on with that, or "
                         "drop it. Until then columns and indexes stay as they are.",
                         shape.indexes.back().name, shape.name)));
}

/// What has to be so whenever values of a column go: that nothing depends on them.
Result<> check_released(const TableShape& shape, std::uint32_t column) {
  if (auto may = check_no_unfinished(shape); !may) return may;
  const auto covers = [column](const IndexFile& index) { return index.covers(column); };
  if (std::ranges::none_of(shape.indexes, covers)) return {};
  return std::unexpected(Failure{Status::busy, "The column has been given an index."});
}

}  // namespace

/// One transaction in which the relation becomes another; devices that both have keep their places. `plan` does the
/// rest, and is given the new shape with all UUIDs that are known.
Result<> Table::change_shape(const std::function<Result<types::Relation>(const OpenTable&)>& make,
                             const std::function<Result<>(OpenTable&, Change&, TableShape&)>& plan,
                             std::string_view dropped_index) {
  const auto done = retry<bool>([&](OpenTable& table) -> Result<bool> {
    if (auto may = check_no_unfinished(table.shape(), dropped_index); !may) {
      return std::unexpected(std::move(may.error()));
    }
    auto relation = make(table);
    if (!relation) return std::unexpected(std::move(relation.error()));
    if (auto readable = check_readable(*relation); !readable) return std::unexpected(std::move(readable.error()));
    TableShape shape(std::move(*relation));
    shape.name = name_;
    Change change(*link_, options_.explained);
    change.join(table);
    if (auto planned = plan(table, change, shape); !planned) return std::unexpected(std::move(planned.error()));
    change.script.note([&] { return "the schema of " + name_; });
    change.script.add(Program().write_columns(table.shape().header, types::print(shape.relation)));
    table.change_shape();
    table.planned().format = TableHeader::format_of(shape.declares_packed_columns());
    if (auto committed = change.commit(); !committed) return std::unexpected(std::move(committed.error()));
    return true;
  });
  if (!done) return std::unexpected(done.error());
  take_new_shape();
  return {};
}

/// It has been changed, whether it can be looked at now or not: what is kept is old, and the next operation sees that.
void Table::take_new_shape() {
  for (unsigned tries = 1; !options_.explained && tries <= options_.most_tries; ++tries) {
    const Result<> opened = reopen();
    if (opened || !is_lost_race(opened.error())) return;
  }
}

Result<> Table::add_column(const types::Column& column) {
  const auto make = [&](const OpenTable& table) -> Result<types::Relation> {
    types::Relation relation = table.shape().relation;
    if (relation.find(column.name)) {
      return std::unexpected(Failure{Status::exists, fmt::format("{} has a column {} already.", name_, column.name)});
    }
    if (!types::is_identifier(column.name)) {
      return std::unexpected(Failure{Status::bad_text, fmt::format("\"{}\" is no identifier.", column.name)});
    }
    if (column.indexed || column.unique) {
      return std::unexpected(Failure{Status::unsupported, "A column that is added has no index."});
    }
    relation.columns.push_back(column);
    return relation;
  };
  Filling filling(*link_, name_);
  return change_shape(make, [&](OpenTable& table, Change& change, TableShape& shape) -> Result<> {
    const auto place = static_cast<std::uint32_t>(shape.columns.size() - 1);
    const ColumnFile& file = shape.columns[place];
    const auto entry = first_entry(column, file, table.header().live > 0);
    if (!entry) return std::unexpected(entry.error());
    const std::uint64_t rows = table.header().tail;
    const auto was_filled = filling.is_there();
    if (!was_filled) return std::unexpected(was_filled.error());
    const bool is_zeros = std::ranges::all_of(*entry, [](std::uint8_t b) { return b == 0; });
    const bool is_long = !is_zeros && (rows - std::min(rows, filling.rows())) * entry->size() > most_filled;
    if (is_long && !options_.explained) {
      if (auto done = filling.fill(*entry, rows); !done) return done;
    }
    const bool is_filled = filling.rows() > 0;
    const Uuid device = is_filled ? filling.device() : make_uuid();
    change.script.note([&] { return "column " + column.name; });
    if (is_filled) {
      change.script.add(Program().rename_device(device, column_device(name_, column.name)));
    } else {
      change.script.add(Program().create_device(column_device(name_, column.name), {}, {}, device));
    }
    // What is only shown is a piece of it.
    const std::uint64_t end = is_long && options_.explained ? most_filled / entry->size() : rows;
    plan_fill(change.script, device, *entry, filling.rows(), end);
    // Its heap, where no column had needed one.
    if (shape.heaps.size() > table.shape().heaps.size()) {
      plan_heap(change, make_uuid(), column.external ? external_device(name_, column.name) : heap_device(name_));
    }
    return {};
  });
}

Result<> Table::drop_column(std::string_view name) {
  for (unsigned tries = 1;; ++tries) {
    auto done = with_names([&] { return drop_column_once(name); });
    if (done || done.error().status != Status::busy || tries >= options_.most_tries) return done;
  }
}

Result<> Table::rename_column(std::string_view from, std::string to) {
  const auto make = [&](const OpenTable& table) -> Result<types::Relation> {
    const auto column = column_named(table.shape(), from);
    if (!column) return std::unexpected(column.error());
    types::Relation relation = table.shape().relation;
    if (!types::is_identifier(to)) {
      return std::unexpected(Failure{Status::bad_text, fmt::format("\"{}\" is no identifier.", to)});
    }
    if (relation.find(to)) {
      return std::unexpected(Failure{Status::exists, fmt::format("{} has a column {} already.", name_, to)});
    }
    const bool is_indexed = relation.columns[*column].indexed || relation.columns[*column].unique;
    const auto has_name = [&](const types::Index& index) { return index.name == to; };
    if (is_indexed && std::ranges::any_of(relation.all_indexes(), has_name)) {
      return std::unexpected(Failure{
          Status::exists,
          fmt::format("{} has an index {} already, and the one of column {} would get that name.", name_, to, from)});
    }
    relation.columns[*column].name = to;
    return relation;
  };
  return change_shape(make, [&](OpenTable& table, Change& change, TableShape& shape) -> Result<> {
    change.script.note([&] { return fmt::format("column {} becomes {}", from, to); });
    // Both shapes have the same devices in the same order.
    const auto before = table.shape().devices(), after = std::as_const(shape).devices();
    for (std::size_t i = 0; i < before.size(); ++i) {
      if (before[i].first == after[i].first) continue;
      change.script.add(Program().rename_device(before[i].second, after[i].first));
    }
    return {};
  });
}

Result<> Table::drop_column_once(std::string_view name) {
  // What its values take of the heap that others use is given back first.
  const auto place = column_named(open_->shape(), name);
  if (!place) return std::unexpected(place.error());
  const types::Relation& of = open_->shape().relation;
  if (std::ranges::find(of.key, *place) != of.key.end()) {
    return std::unexpected(denied(fmt::format("Column {} is part of the key of {}.", name, name_)));
  }
  if (of.append_by == *place) {
    return std::unexpected(denied(fmt::format("Column {} keeps the rows of {} in their order.", name, name_)));
  }
  if (of.columns.size() == 1)
    return std::unexpected(denied(fmt::format("Column {} is the only one of {}.", name, name_)));
  // What is only shown is not released, nor emptied.
  if (!options_.explained) {
    if (auto released = release_column(name); !released) return released;
  }
  const auto empty = empty_column(name);
  if (!empty) return empty;
  const auto make = [&](const OpenTable& table) -> Result<types::Relation> {
    const auto column = column_named(table.shape(), name);
    if (!column) return std::unexpected(column.error());
    types::Relation relation = table.shape().relation;
    forget_column(relation, *column);
    return relation;
  };
  return change_shape(make, [&](OpenTable& table, Change& change, TableShape& shape) -> Result<> {
    const std::uint32_t column = *column_named(table.shape(), name);
    // Of what is only shown nothing has been emptied.
    if (auto clean = check_empty(table, column); !clean && !options_.explained) return clean;
    change.script.note([&] { return fmt::format("column {} goes, and its indexes", name); });
    plan_less_devices(change, table.shape(), shape);
    return {};
  });
}

/// Nothing depends on the column's values any more, before the first of them goes: it may be null, and is in no index.
Result<> Table::release_column(std::string_view name) {
  const auto make = [&](const OpenTable& table) -> Result<types::Relation> {
    const auto column = column_named(table.shape(), name);
    if (!column) return std::unexpected(column.error());
    types::Relation relation = table.shape().relation;
    forget_indexes(relation, *column);
    types::Column& of = relation.columns[*column];
    of.indexed = of.unique = false;
    // An entry of a fixed width would get another one, and is not emptied.
    of.nullable = of.nullable || table.shape().columns[*column].is_variable();
    return relation;
  };
  const auto wanted = make(*open_);
  if (!wanted) return std::unexpected(wanted.error());
  if (*wanted == open_->shape().relation) return {};
  return change_shape(make, [&](OpenTable& table, Change& change, TableShape& shape) -> Result<> {
    change.script.note([&] { return fmt::format("the indexes of column {} go", name); });
    plan_less_devices(change, table.shape(), shape);
    return {};
  });
}

Result<> Table::empty_column(std::string_view name) {
  const Predicate everything;
  RowFinder finder(FindPlan{}, everything);
  constexpr std::size_t most_at_once = 2048;
  for (;;) {
    const RowPosition before = finder.position();
    const auto some = retry<bool>([&](OpenTable& table) -> Result<bool> {
      const auto column = column_named(table.shape(), name);
      if (!column) return std::unexpected(column.error());
      if (auto free = check_released(table.shape(), *column); !free && !options_.explained) {
        return std::unexpected(std::move(free.error()));
      }
      const ColumnFile& file = table.shape().columns[*column];
      // A heap of its own goes as a whole.
      if (!file.is_variable() || table.shape().relation.columns[*column].external) return false;
      finder.put_back(before);
      const auto found = finder.next(table, *reader_, {}, most_at_once);
      if (!found || !*found) return found;
      const std::vector<std::uint64_t> numbers = finder.found_numbers();
      if (numbers.empty()) return true;
      Change change(*link_, options_.explained);
      if (auto done = plan_empty(table, change, *reader_, *column, numbers); !done) {
        return std::unexpected(std::move(done.error()));
      }
      if (auto done = change.commit(); !done) return std::unexpected(std::move(done.error()));
      return true;
    });
    if (!some) return std::unexpected(some.error());
    if (!*some) return {};
  }
}

}  // namespace chimera::tables
