#pragma once
// What maps, sets, lists, queues and counters share: a table with a primary key, and a few operations on it of which
// each happens at one moment, whoever else works on the same collection.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tables/link.h"
#include "tables/table.h"
#include "types/schema.h"
#include "types/value.h"

namespace chimera::tables {

enum class End : std::uint8_t { first, last };  ///< in the order of keys

/// One thread at a time; the link must outlive it. Others may have the same collection open, by their own links.
class Collection {
 public:
  [[nodiscard]] Result<std::uint64_t> size();
  /// Empties it in one step.
  [[nodiscard]] Result<> clear();
  /// The table, `NAMESPACE/DATABASE/TABLE`, which is one like others.
  [[nodiscard]] const std::string& name() const { return table_->name(); }

 protected:
  explicit Collection(std::unique_ptr<Table> table) : table_(std::move(table)) {}

  /// The table of that name, which is made if it is not there. `mismatch`: it is there and has other columns.
  [[nodiscard]] static Result<std::unique_ptr<Table>> open_or_create(Link& link, const std::string& name,
                                                                     const types::Relation& relation);
  /// Of these columns, the first of which is the key.
  [[nodiscard]] static types::Relation relation_of(std::vector<types::Column> columns);

  [[nodiscard]] Result<std::optional<types::Row>> get(types::Value key);
  [[nodiscard]] Result<bool> remove(types::Value key);
  /// Rows that take the place of those with their keys.
  [[nodiscard]] Result<> put(std::vector<types::Row> rows);

  /// Given the row of a key, or nothing; answers what is to be there, or nothing, or a failure. It may be asked several
  /// times, and the last answer counts.
  using Edit = std::function<Result<std::optional<types::Row>>(const std::optional<types::Row>&)>;
  [[nodiscard]] Result<> edit(types::Value key, const Edit& change);

  /// The row at one end, if there is any; `take` removes it as well.
  [[nodiscard]] Result<std::optional<types::Row>> at_end(End end);
  [[nodiscard]] Result<std::optional<types::Row>> take_end(End end);
  static constexpr std::size_t piece = 1024;
  /// Appends values to a collection whose key is a u64: each gets the number behind the last. In pieces of `piece`
  /// values, each of which is there at one moment.
  [[nodiscard]] Result<> append(std::vector<types::Value> values);

  /// Shows rows in the order of their keys until `visit` answers false. What others change meanwhile is seen or not.
  [[nodiscard]] Result<> each(End from, const std::function<bool(types::Row&)>& visit);

 private:
  [[nodiscard]] Result<std::optional<types::Row>> end_of(OpenTable& table, End end, std::uint64_t& number);
  [[nodiscard]] Result<std::optional<types::Row>> read(std::uint64_t number);
  [[nodiscard]] Result<std::size_t> append_piece(OpenTable& table, const std::vector<types::Value>& values,
                                                 std::size_t first, std::size_t most);

  std::unique_ptr<Table> table_;  ///< scans refer to it, so it does not move
};

}  // namespace chimera::tables
