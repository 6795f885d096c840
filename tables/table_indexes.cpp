// Indexes that come and go.
//
// An index that does not get all of its rows in one transaction is unfinished first: its device has a name of its own,
// and what the relation is to be for its columns; the schema does not know it yet, and nothing is found by it. The rows
// below the header's `entered` are in it, and every change keeps that so. Each piece enters the next rows; the last one
// gives the device its name, and the table its schema.

#include <fmt/format.h>

#include <algorithm>

#include "tables/attempt.h"
#include "tables/create.h"
#include "tables/names.h"
#include "tables/row_reader.h"
#include "tables/row_writes.h"

namespace chimera::tables {
namespace {

/// Bytes of values that are read for a piece, about, and of one value: longer ones are too long for a key of 1,024
/// bytes whatever their type.
constexpr std::uint64_t most_content = 8 << 20;
constexpr std::uint64_t longest_content = 64 << 10;

NewIndex described(const types::Relation& relation, const types::Index& index) {
  NewIndex of{index.name, index.unique, {}};
  for (const std::uint32_t column : index.columns) of.columns.push_back(relation.columns[column].name);
  return of;
}

std::optional<NewIndex> find_index(const types::Relation& relation, std::string_view name) {
  for (const types::Index& index : relation.all_indexes()) {
    if (index.name == name) return described(relation, index);
  }
  return {};
}

Result<types::Relation> relation_with(const TableShape& shape, const NewIndex& index) {
  types::Relation relation = shape.relation;
  if (find_index(relation, index.name)) {
    return std::unexpected(Failure{Status::exists, fmt::format("{} has an index {} already.", shape.name, index.name)});
  }
  if (index.name == "key" || index.name == "rows" || !types::is_identifier(index.name)) {
    return std::unexpected(Failure{Status::bad_text, fmt::format("\"{}\" cannot be an index's name.", index.name)});
  }
  types::Index made{index.name, index.unique, {}};
  for (const std::string& name : index.columns) {
    const auto column = relation.find(name);
    if (!column) {
      return std::unexpected(Failure{Status::not_found, fmt::format("{} has no column {}.", shape.name, name)});
    }
    made.columns.push_back(static_cast<std::uint32_t>(*column));
  }
  if (index.columns.size() == 1 && index.columns[0] == index.name) {
    types::Column& column = relation.columns[made.columns[0]];
    (index.unique ? column.unique : column.indexed) = true;
  } else {
    relation.indexes.push_back(std::move(made));
  }
  if (auto readable = check_readable(relation); !readable) return std::unexpected(std::move(readable.error()));
  return relation;
}

/// Rows that are entered by one transaction.
struct Piece {
  std::uint64_t end = 0;  ///< number behind the last one
  std::vector<std::uint64_t> numbers;
  std::vector<types::Row> rows;  ///< with the index's columns alone
};

/// Adds one index to one table.
class IndexBuild {
 public:
  IndexBuild(Table& table, const NewIndex& index)
      : table_(table), index_(index), most_(table.options().most_rows_entered) {}

  Result<> run() {
    for (;;) {
      const bool was_begun = is_begun_;
      const auto more = table_.retry<bool>([&](OpenTable& table) { return step(table); });
      if (more && !*more) return {};
      if (more) {
        if (!was_begun) table_.take_new_shape();
        continue;
      }
      const Failure& failure = more.error();
      if (failure.status == Status::too_large && failure.instruction != Failure::nowhere && most_ > 1) {
        most_ /= 2;
        continue;
      }
      if (!is_refused_ || !is_begun_) return std::unexpected(failure);
      if (auto dropped = drop_unfinished(); !dropped) {
        return std::unexpected(Failure{failure.status, fmt::format("{} What there is of it could not be dropped: {}",
                                                                   failure.words, dropped.error().words)});
      }
      return std::unexpected(failure);
    }
  }

 private:
  /// Whether there is more to be done.
  Result<bool> step(OpenTable& table) {
    is_refused_ = false;
    const TableShape& shape = table.shape();
    if (shape.wanted) {
      if (find_index(*shape.wanted, shape.indexes.back().name) == index_) return next_piece(table);
      return std::unexpected(
          Failure{Status::denied, fmt::format("The index {} of {} is being added, one at a time: add it again as it "
                                              "was to go on with that, or drop it.",
                                              shape.indexes.back().name, shape.name)});
    }
    if (!is_begun_) return begin(table);
    // Somebody else has entered the last piece, or has dropped it.
    if (find_index(shape.relation, index_.name) == index_) return false;
    return std::unexpected(
        Failure{Status::not_found, fmt::format("The index {} was dropped while it was being added.", index_.name)});
  }

  /// A new tree with the first rows; if these are all it is whole.
  Result<bool> begin(OpenTable& table) {
    auto relation = relation_with(table.shape(), index_);
    if (!relation) return std::unexpected(std::move(relation.error()));
    TableShape after(std::move(*relation));
    IndexFile& file = *std::ranges::find(after.indexes, index_.name, &IndexFile::name);
    file.device = make_uuid();
    const auto piece = read_piece(table, file, 0);
    if (!piece) return std::unexpected(piece.error());
    const bool is_whole = piece->end == table.header().tail;
    const std::string& name = table.shape().name;
    const std::string device = is_whole ? index_device(name, file.name) : unfinished_device(name, file.name);
    BTree tree(table_.link(), table.version(), file.device, device);
    tree.begin_empty(after.tree_shape(file));
    if (auto done = enter(table, file, tree, *piece); !done) return std::unexpected(std::move(done.error()));
    Change change(table_.link(), table_.options().explained);
    change.join(table);
    change.script.note([&] { return fmt::format("index {} with the rows below {}", file.name, piece->end); });
    const std::string columns = is_whole ? std::string() : types::print(after.relation);
    change.script.add(Program().create_device(device, columns, {}, file.device));
    BTree::create(change.script, file.device, after.tree_shape(file));
    tree.emit(change.script);
    if (is_whole) {
      write_schema(table, change, after.relation);
    } else {
      table.planned().entered = piece->end;
    }
    table.change_shape();
    if (auto done = change.commit(); !done) return std::unexpected(std::move(done.error()));
    is_begun_ = true;
    device_ = file.device;
    return !is_whole && !table_.options().explained;
  }

  Result<bool> next_piece(OpenTable& table) {
    const TableShape& shape = table.shape();
    const std::size_t place = shape.indexes.size() - 1;
    const IndexFile& file = shape.indexes[place];
    is_begun_ = true;
    device_ = file.device;
    const auto piece = read_piece(table, file, std::min(table.header().entered, table.header().tail));
    if (!piece) return std::unexpected(piece.error());
    Change change(table_.link(), table_.options().explained);
    change.join(table);
    if (auto done = enter(table, file, table.tree(place), *piece); !done) {
      return std::unexpected(std::move(done.error()));
    }
    const bool is_whole = piece->end == table.header().tail;
    table.planned().entered = is_whole ? 0 : piece->end;
    if (is_whole) {
      change.script.note([&] { return fmt::format("index {} is whole", file.name); });
      change.script.add(Program().rename_device(file.device, index_device(shape.name, file.name)));
      change.script.add(Program().write_columns(file.device, {}));
      write_schema(table, change, *shape.wanted);
      table.change_shape();
    }
    if (auto done = change.commit(); !done) return std::unexpected(std::move(done.error()));
    return !is_whole && !table_.options().explained;
  }

  /// The device that was refused, unless it is gone, or somebody has removed what was wrong and made it whole.
  Result<> drop_unfinished() {
    const auto done = table_.retry<bool>([&](OpenTable& table) -> Result<bool> {
      const TableShape& shape = table.shape();
      if (!shape.wanted || shape.indexes.back().device != device_) return true;
      Change change(table_.link(), table_.options().explained);
      change.join(table);
      change.script.note([&] { return fmt::format("index {} goes", index_.name); });
      change.script.add(Program().delete_device_by_force(device_));
      table.planned().entered = 0;
      table.change_shape();
      if (auto committed = change.commit(); !committed) return std::unexpected(std::move(committed.error()));
      return true;
    });
    if (!done) return std::unexpected(done.error());
    table_.take_new_shape();
    return {};
  }

  static void write_schema(OpenTable& table, Change& change, const types::Relation& relation) {
    change.script.note([&] { return "the schema of " + table.shape().name; });
    change.script.add(Program().write_columns(table.shape().header, types::print(relation)));
  }

  Result<Piece> read_piece(OpenTable& table, const IndexFile& file, std::uint64_t first) {
    Piece piece;
    piece.end = std::min(table.header().tail, first + most_);
    if (first == piece.end) return piece;
    RowReader& reader = table_.reader();
    if (auto done = reader.entries.read_run(first, static_cast<std::size_t>(piece.end - first), {}, true); !done) {
      return std::unexpected(std::move(done.error()));
    }
    for (std::uint64_t row = first; row < piece.end; ++row) {
      if ((reader.entries.states()[row - first] & row_state::active) != 0) piece.numbers.push_back(row);
    }
    if (piece.numbers.empty()) return piece;
    if (auto done = reader.entries.read(piece.numbers, file.columns); !done) {
      return std::unexpected(std::move(done.error()));
    }
    if (auto done = bound_contents(table, file, piece); !done) return std::unexpected(std::move(done.error()));
    if (auto done = reader.decode_sparse(piece.numbers.size(), file.columns, piece.rows); !done) {
      return std::unexpected(std::move(done.error()));
    }
    return piece;
  }

  /// Fewer rows where their values are long.
  Result<> bound_contents(OpenTable& table, const IndexFile& file, Piece& piece) {
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < piece.numbers.size(); ++i) {
      if (bytes > most_content) {
        piece.end = piece.numbers[i];
        piece.numbers.resize(i);
        return {};
      }
      for (const std::uint32_t column : file.columns) {
        if (!table.shape().columns[column].is_variable()) continue;
        const types::Slot slot = types::read_slot(table_.reader().entries.entry(column, i));
        if (!slot.is_placed()) continue;
        bytes += slot.length;
        if (slot.length <= longest_content) continue;
        return refuse(Status::too_large,
                      fmt::format("{}, column {}: a value of {} bytes is too long for a key.",
                                  row_words(table, piece.numbers[i]), table.shape().column_name(column), slot.length));
      }
    }
    return {};
  }

  Result<> enter(OpenTable& table, const IndexFile& file, BTree& tree, const Piece& piece) {
    SortedKeys keys(file);
    std::vector<std::uint8_t> key;
    for (std::size_t i = 0; i < piece.rows.size(); ++i) {
      key.clear();
      if (auto fits = append_index_key(table.shape(), file, piece.rows[i], key); !fits) {
        return refuse(fits.error().status, row_words(table, piece.numbers[i]) + ": " + fits.error().words);
      }
      keys.add(key, has_row_number(file, piece.rows[i]), piece.numbers[i]);
    }
    const std::span<const BTree::Entry> entries = keys.entries();
    if (const auto second = keys.first_repeated()) {
      const std::uint32_t one = keys.added(*second - 1), other = keys.added(*second);
      return refuse_two(table, file, piece.rows[one], piece.numbers[one], piece.numbers[other]);
    }
    Result<> done = tree.insert(entries);
    if (done || done.error().status != Status::exists) return done;
    const std::size_t at = done.error().instruction;
    const std::uint32_t other = keys.added(at);
    tree.abandon();
    const auto found = tree.find(entries[at].key);
    if (!found) return std::unexpected(found.error());
    const auto row = *found ? file.row_of(entries[at].key, **found) : std::optional<std::uint64_t>();
    return refuse_two(table, file, piece.rows[other], row.value_or(piece.numbers[other]), piece.numbers[other]);
  }

  std::unexpected<Failure> refuse_two(OpenTable& table, const IndexFile& file, const types::Row& row, std::uint64_t one,
                                      std::uint64_t other) {
    return refuse(Status::exists,
                  fmt::format("{} is there twice in {}, so the index {} cannot be unique: in {} and in {}.",
                              shown_key(table.shape(), file, row), table.shape().name, file.name, row_words(table, one),
                              row_words(table, other)));
  }

  /// What is wrong is with the rows: nothing is to stay of the index.
  std::unexpected<Failure> refuse(Status status, std::string words) {
    is_refused_ = true;
    return std::unexpected(Failure{status, std::move(words)});
  }

  /// The row by its primary key, or by its number.
  std::string row_words(OpenTable& table, std::uint64_t number) {
    const TableShape& shape = table.shape();
    std::vector<types::Row> rows;
    if (!shape.has_key) return fmt::format("row {}", number);
    const std::uint64_t numbers[] = {number};
    RowReader reader(table);
    if (!reader.read_sparse(numbers, shape.indexes[primary_key].columns, rows)) return fmt::format("row {}", number);
    return "row " + shown_key(shape, shape.indexes[primary_key], rows[0]);
  }

  Table& table_;
  const NewIndex& index_;
  std::uint64_t most_;
  bool is_begun_ = false;
  Uuid device_{};  ///< the unfinished one that was worked on last
  bool is_refused_ = false;
};

}  // namespace

Result<> Table::add_index(const NewIndex& index) {
  Result<> done = IndexBuild(*this, index).run();
  if (done) take_new_shape();
  return done;
}

Result<> Table::drop_index(std::string_view name) {
  const auto make = [&](const OpenTable& table) -> Result<types::Relation> {
    types::Relation relation = table.shape().relation;
    const bool is_unfinished = table.shape().wanted && table.shape().indexes.back().name == name;
    if (is_unfinished) return relation;
    if (table.shape().has_key && name == "key") {
      return std::unexpected(
          Failure{Status::denied, fmt::format("The primary key of {} stays as long as the table does.", name_)});
    }
    if (!find_index(relation, name)) {
      return std::unexpected(Failure{Status::not_found, fmt::format("{} has no index {}.", name_, name)});
    }
    std::erase_if(relation.indexes, [&](const types::Index& index) { return index.name == name; });
    for (types::Column& column : relation.columns) {
      if (column.name == name) column.indexed = column.unique = false;
    }
    return relation;
  };
  return change_shape(
      make,
      [&](OpenTable& table, Change& change, TableShape& shape) -> Result<> {
        change.script.note([&] { return fmt::format("index {} goes", name); });
        plan_less_devices(change, table.shape(), shape);
        table.planned().entered = 0;
        return {};
      },
      name);
}

}  // namespace chimera::tables
