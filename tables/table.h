#pragma once
// A table: rows of one relation, with its primary key and its indexes, on devices of a store.
//
//     using chimera::types::Value;
//     auto table = Table::open(link, "shop/main/orders");
//     table->insert(rows);                                          // all of them or none, up to a batch
//     auto row = table->get({Value::of<std::int64_t>(5)});
//     auto scan = table->scan({.where = "price > 10", .limit = 100});
//     while (*scan->next(rows)) …
//
// Every operation is a program, or several chained by checks of the table's version. Where somebody else has changed
// the table meanwhile it is compiled again, a bounded number of times; `conflict` says that it was in vain.

#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tables/link.h"
#include "types/schema.h"
#include "types/value.h"

namespace chimera::tables {

class Change;
class OpenTable;
class RowReader;
struct TableShape;
struct UnreadableRow;

struct TableOptions {
  /// Somebody wants to read the scripts' notes.
  bool explained = false;
  /// How often an operation is tried.
  unsigned most_tries = 100;
  /// Rows that one transaction enters into an index that is added.
  std::uint64_t most_rows_entered = 32768;
  /// Bytes that one transaction puts of a value that comes piece by piece, 16 at least. What a BlobWriter takes of
  /// memory, in itself, in the table and in the link, is at most 40 times as much: pieces that are under way, each here
  /// and on its way, in buffers that grow by doubling, the next one, and a script of it.
  std::size_t blob_piece_bytes = 4 << 20;
};

/// New value of a column.
struct Assignment {
  std::string column;
  types::Value value;
};

/// Called for each row that cannot be read, or for which a condition cannot be told; what is done to many goes on
/// behind it. None: such a row ends it. With it no index is used that is not asked for by its name.
using OnUnreadable = std::function<Result<>(const UnreadableRow&)>;

struct ScanOptions {
  std::vector<std::string> columns = {};  ///< in the order in which they are wanted; empty: all
  std::string where = {};                 ///< a condition, docs/tables.md; empty: all rows
  /// The order of the rows: "rows", by their numbers; "key" or the name of an index, by that. Empty: whichever is the
  /// shortest way.
  std::string along = {};
  bool backwards = false;
  /// All rows are of the moment at which the scan is begun (moment.h); without, those of each chunk are of one.
  bool snapshot = false;
  std::uint64_t limit = std::numeric_limits<std::uint64_t>::max();
  OnUnreadable unreadable = {};
};

/// Of the values of a column that are not null, in the rows that were looked for.
struct Aggregate {
  std::uint64_t rows = 0;    ///< rows that were found
  std::uint64_t values = 0;  ///< of them those with a value in the column
  types::Value sum;          ///< i128 of integers and durations, f64 of floats; null of others, and where there is none
  types::Value least, greatest;  ///< null where there is none
};

/// An index that is to be. Of one column alone, and with its name, it is the column's own: `indexed` or `unique`.
struct NewIndex {
  std::string name;
  bool unique = false;
  std::vector<std::string> columns;

  [[nodiscard]] bool operator==(const NewIndex&) const = default;
};

class Scan;

/// One thread at a time. The link must outlive it. A failure's `row` is the place of the row at fault among those
/// given.
class Table {
 public:
  /// `NAMESPACE/DATABASE/TABLE`; `not_found` if there is none.
  [[nodiscard]] static Result<Table> open(Link& link, std::string name, const TableOptions& options = {});
  Table(Table&&) noexcept;
  Table& operator=(Table&&) noexcept;
  ~Table();

  /// As it was when it was last looked at, which each operation does.
  [[nodiscard]] const types::Relation& relation() const;
  [[nodiscard]] const std::string& name() const { return name_; }

  /// Rows in it.
  [[nodiscard]] Result<std::uint64_t> count();

  /// Inserts rows, each with a value for each column. All of them or none where they are at most `most_batch_rows` and
  /// `most_batch_bytes`, and fit a transaction; otherwise in pieces, in their order. `inserted`, if given, is how many
  /// there are now, also after a failure. `exists`: a key is there already. `mismatch`: somebody has dropped or added
  /// a column since; rows that were not inserted yet are not for the columns that there are now.
  [[nodiscard]] Result<> insert(std::vector<types::Row> rows, std::uint64_t* inserted = nullptr);
  /// Inserts rows, or puts them in the place of those with the same primary key: in their order, in pieces of 2,048
  /// rows or fewer, each all at once or not at all. `put`, if given, is how many of them are there now, also after a
  /// failure.
  [[nodiscard]] Result<> upsert(std::vector<types::Row> rows, std::uint64_t* put = nullptr);
  /// The row with that primary key, whose columns' values are given in the key's order.
  [[nodiscard]] Result<std::optional<types::Row>> get(types::Row key);
  /// Changes columns of the row with that key. False if there is none. `denied`: it is locked.
  [[nodiscard]] Result<bool> update(types::Row key, std::vector<Assignment> assignments);
  /// Changes columns of all rows for which the condition is true; how many. Where one cannot be changed since something
  /// is damaged that has to be read for that, those on the way before it are; `unreadable` is called for it, or the
  /// failure says which it is and how many have been changed.
  [[nodiscard]] Result<std::uint64_t> update_where(std::string_view where, std::vector<Assignment> assignments,
                                                   const OnUnreadable& unreadable = {});
  /// Deletes the row with that key. False if there is none. `denied`: it is locked.
  [[nodiscard]] Result<bool> remove(types::Row key);
  /// Deletes all rows for which the condition is true (empty: all); how many. As above.
  [[nodiscard]] Result<std::uint64_t> remove_where(std::string_view where, const OnUnreadable& unreadable = {});
  /// Sets and clears bits of the row's state (row_state, but `active`). False if there is none.
  [[nodiscard]] Result<bool> mark(types::Row key, std::uint8_t set, std::uint8_t clear);
  /// Deletes everything in one step.
  [[nodiscard]] Result<> truncate();

  [[nodiscard]] Result<Scan> scan(const ScanOptions& options);
  /// Of a column, or of rows alone where it is empty, in the rows for which the condition is true (empty: all).
  [[nodiscard]] Result<Aggregate> aggregate(std::string_view column, std::string_view where);

  // Long values, a part at a time: of a string, blob or function column, in the row with that primary key. `not_found`:
  // there is no such row or column.

  /// Bytes of the value; nothing if it is null.
  [[nodiscard]] Result<std::optional<std::uint64_t>> value_size(types::Row key, std::string_view column);
  /// Reads a range, up to the value's end; a null has no bytes. At most `most_value_bytes` at a time.
  [[nodiscard]] Result<std::vector<std::uint8_t>> read_value(types::Row key, std::string_view column,
                                                             std::uint64_t offset, std::uint64_t count);
  /// The SHA-256 of a range that begins within the value, up to its end, where the machine can tell it (`read digest`):
  /// of bytes that stand side by side on the device. None: they do not, or are compressed, or stand in the row.
  using Digest = std::array<std::uint8_t, 32>;
  [[nodiscard]] Result<std::optional<Digest>> value_digest(types::Row key, std::string_view column,
                                                           std::uint64_t offset, std::uint64_t count);
  /// Adds to the end, without reading what is there; a null is taken for an empty value. At most `most_value_bytes` at
  /// a time; of a string whole characters, of a function whole instructions (`bad_text`). `denied`: the row is locked,
  /// or the column is part of an index.
  [[nodiscard]] Result<> append_value(types::Row key, std::string_view column, std::span<const std::uint8_t> bytes);
  /// Overwrites a range, which lies within the value; of a string whole characters (`bad_text`), of a function nothing
  /// (`unsupported`). As above.
  [[nodiscard]] Result<> write_value(types::Row key, std::string_view column, std::uint64_t offset,
                                     std::span<const std::uint8_t> bytes);
  static constexpr std::uint64_t most_value_bytes = 16 << 20;

  // The shape. Each is one transaction, but for what has to be written or freed of every row before it.

  /// Behind all others. Rows that are there get its default, or null; `denied` if it has neither and there are rows.
  [[nodiscard]] Result<> add_column(const types::Column& column);
  /// With its values, and the indexes that it is part of. `denied`: it is part of the key, or keeps the rows in order.
  /// Interrupted it leaves a column whose values are null in part: drop it again.
  [[nodiscard]] Result<> drop_column(std::string_view column);
  [[nodiscard]] Result<> rename_column(std::string_view from, std::string to);

  /// Adds an index, and enters the rows that are there piece by piece while others go on. Interrupted it leaves an
  /// index that is not used for anything, and that others keep up to date as far as it has come: add it again to go on
  /// with it, or drop it; columns and indexes stay as they are meanwhile (`denied`). `exists`: there is an index of
  /// that name, or two rows have the same values in a unique one; they are told, and nothing is left of the index then.
  [[nodiscard]] Result<> add_index(const NewIndex& index);
  /// Also one that is half added. `denied`: it is the primary key.
  [[nodiscard]] Result<> drop_index(std::string_view index);

  /// Gives every row another value of a column, in the order of the rows (`ScanOptions::along` "rows"), piece by piece
  /// while others read. `next` is called for one value after the other, of which there are `count`. Nothing has
  /// happened where that is not the number of rows (`out_of_range`), or the column is part of the key, of a unique
  /// index, or keeps the rows in order (`denied`). Otherwise a failure leaves the new values in the rows from the front
  /// that its words count: a value does not fit, a row is locked, or rows have come or gone meanwhile (`busy`), also
  /// where as many have come as have gone, or the column has been dropped, also where another has got its name: no row
  /// gets the value that is for another. A column that is renamed gets its values. A piece, which is one
  /// transaction, has 8,192 values at most, or 8 MiB and one value.
  [[nodiscard]] Result<> put_column(std::string_view column, std::uint64_t count,
                                    const std::function<Result<types::Value>()>& next);

  /// Keeps a column compressed from now on, or no longer, and rewrites what is there, piece by piece, while others go
  /// on: of a variable column the long values, one by one; of one of a fixed width pieces of 64 KiB. Interrupted it
  /// leaves some of each kind, which all can be read: do it again. `busy`: somebody else has done the opposite
  /// meanwhile.
  [[nodiscard]] Result<> compress_column(std::string_view column, bool compressed);

  static constexpr std::size_t most_batch_rows = 65536;
  static constexpr std::size_t most_batch_bytes = 8 << 20;

  // For what else is made of tables; a program cannot use it.

  /// Looks at the columns and indexes anew, behind a change of them that has happened; where that cannot be, the next
  /// operation does.
  void take_new_shape();
  /// Does `attempt` with what is open, again from its start where it has lost a race.
  template <typename Value>
  [[nodiscard]] Result<Value> retry(const std::function<Result<Value>(OpenTable&)>& attempt);
  /// After a failed attempt: whether it is worth another, with what is new. `tries`: attempts so far, this one
  /// included.
  [[nodiscard]] Result<> prepare_again(const Failure& failure, unsigned tries);
  [[nodiscard]] OpenTable& opened() { return *open_; }
  [[nodiscard]] RowReader& reader() { return *reader_; }
  [[nodiscard]] Link& link() { return *link_; }
  [[nodiscard]] const TableOptions& options() const { return options_; }

 private:
  Table(Link& link, std::string name, const TableOptions& options);
  [[nodiscard]] Result<> reopen();
  /// Does what is bound to columns by their names, again where these have been changed before it has done anything.
  template <typename Attempt>
  [[nodiscard]] auto with_names(Attempt attempt, const bool* has_begun = nullptr) -> decltype(attempt());
  /// Whether what was kept of the columns is old; it is new then, unless a race for it was lost.
  [[nodiscard]] bool has_new_shape();
  [[nodiscard]] Result<std::uint64_t> update_where_once(std::string_view where, std::span<const Assignment> assignments,
                                                        const OnUnreadable& unreadable, bool& has_begun);
  [[nodiscard]] Result<std::uint64_t> remove_where_once(std::string_view where, const OnUnreadable& unreadable,
                                                        bool& has_begun);
  [[nodiscard]] Result<> change_shape(const std::function<Result<types::Relation>(const OpenTable&)>& make,
                                      const std::function<Result<>(OpenTable&, Change&, TableShape&)>& plan,
                                      std::string_view dropped_index = {});
  [[nodiscard]] Result<> drop_column_once(std::string_view column);
  [[nodiscard]] Result<> release_column(std::string_view name);
  [[nodiscard]] Result<> empty_column(std::string_view column);
  [[nodiscard]] Result<> rewrite_values(std::string_view column, bool compressed);
  [[nodiscard]] Result<> pack_column(std::string_view column);
  [[nodiscard]] Result<> unpack_column(std::string_view column);
  [[nodiscard]] Result<Aggregate> aggregate_once(std::string_view column, std::string_view where);

  Link* link_;
  std::string name_;
  TableOptions options_;
  std::unique_ptr<OpenTable> open_;
  std::unique_ptr<RowReader> reader_;
};

}  // namespace chimera::tables
