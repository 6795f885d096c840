#pragma once
// What is kept in memory of a table that is open: its shape, its header, and the trees and heaps with what they have
// read, all of one version of the table. What somebody else has changed since is found out by the version, and then all
// of it is read again.

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tables/answers.h"
#include "tables/btree.h"
#include "tables/heap.h"
#include "tables/link.h"
#include "tables/packed_pieces.h"
#include "tables/script.h"
#include "tables/table_header.h"
#include "tables/table_shape.h"
#include "tables/version.h"

namespace chimera::tables {

/// Does not move: trees and heaps refer to its version.
class OpenTable {
 public:
  OpenTable(Link& link, bool explained, std::unique_ptr<TableShape> shape, const TableHeader& header);
  OpenTable(const OpenTable&) = delete;
  OpenTable& operator=(const OpenTable&) = delete;

  [[nodiscard]] const TableShape& shape() const { return *shape_; }
  /// What has been committed.
  [[nodiscard]] const TableHeader& header() const { return header_; }
  /// Tells shapes apart, also those of two tables that have had this name one after the other.
  [[nodiscard]] std::uint64_t shape_mark() const { return load<std::uint64_t>(shape_->header.data) ^ header_.shape; }
  /// The same for what is bound to columns and indexes: compressing a column changes the shape, and nothing of that.
  [[nodiscard]] std::uint64_t reading_mark() const { return reading_mark_; }
  /// This is the same table as `before` was, with the same columns and indexes, so it has the same reading mark.
  void go_on_from(const OpenTable& before) { reading_mark_ = before.reading_mark_; }
  /// What the change that is being made will leave.
  [[nodiscard]] TableHeader& planned() { return planned_; }
  /// The change that is being made is one of columns, indexes or names.
  void change_shape() { planned_.shape = planned_version(); }
  /// Rows go with the change that is being made, so that their numbers may be used again.
  void let_rows_go() { planned_.gone = static_cast<std::uint32_t>(planned_version()); }
  [[nodiscard]] const Version& version() const { return version_; }
  [[nodiscard]] BTree& tree(std::size_t index) { return trees_[index]; }
  [[nodiscard]] Heap& heap(std::size_t number) { return heaps_[number]; }
  /// Of a column that may have packed pieces: which they are. Null of all others.
  [[nodiscard]] PackedPieces* packed(std::uint32_t column) { return packed_.empty() ? nullptr : packed_[column].get(); }
  [[nodiscard]] bool may_have_packed_pieces() const { return !packed_.empty(); }
  [[nodiscard]] Link& link() { return link_; }
  [[nodiscard]] bool is_explained() const { return explained_; }

  /// Appends what is planned in trees, heaps and header, which gets the next version.
  void emit(Script& script);
  /// What is kept in memory will hold no longer when the change has been committed.
  void forget_when_kept() { forgets_ = true; }
  /// It has been committed.
  void keep();
  /// It does not happen.
  void abandon();
  /// The table was changed by somebody else, and has this header now.
  void renew(const TableHeader& header);

  /// Whether an index has an entry for the row of this number, if that is there: an unfinished one has some only.
  [[nodiscard]] bool is_entered(const IndexFile& index, std::uint64_t row) const {
    return !index.is_unfinished || row < header_.entered;
  }
  /// The number that stands with a primary key: `value` is one of that tree's, whose nodes are looked at for their
  /// widths as they are read, so it has 8 bytes. `corrupt` if no row can have that number.
  [[nodiscard]] Result<std::uint64_t> row_of_key(std::span<const std::uint8_t> value) const;

  /// `conflict` if somebody has changed the table since what is in memory was read: for answers that were found there
  /// without asking.
  [[nodiscard]] Result<> confirm();

  /// No change that it takes part in is committed or sent.
  bool is_read_only = false;
  /// For scripts that read, and for short answers; used again and again.
  Script script;
  Answers answers;
  /// The value of the column of `append by` in the last row, if somebody has read it at this version.
  std::optional<types::Value> last_in_order;
  std::optional<types::Value> planned_last_in_order;
  /// The change that is being made has put numbers onto the stack of free ones, which cannot be read before its commit.
  bool has_given_back = false;

 private:
  void make_packed();
  std::uint64_t planned_version();

  Link& link_;
  bool explained_;
  std::unique_ptr<TableShape> shape_;
  Version version_;
  TableHeader header_, planned_;
  std::uint64_t reading_mark_;
  bool forgets_ = false;
  std::deque<BTree> trees_;
  std::deque<Heap> heaps_;
  std::vector<std::unique_ptr<PackedPieces>> packed_;  ///< by column; empty where none may have packed pieces
};

/// Reads the shape and header of a table; `not_found` if there is no table of that name.
[[nodiscard]] Result<std::unique_ptr<OpenTable>> open_table(Link& link, bool explained, const std::string& name);

/// Reads the header of an open one.
[[nodiscard]] Result<TableHeader> read_header(OpenTable& table);

}  // namespace chimera::tables
