#pragma once
// What a change writes of rows: entries of columns, contents in heaps, keys in indexes. Everything is planned or
// appended to the change's script; nothing has happened before its commit.

#include <cstdint>
#include <span>
#include <vector>

#include "tables/change.h"
#include "tables/encoded_rows.h"
#include "tables/open_table.h"

namespace chimera::tables {

/// Rows that are to be written: which of the encoded ones, and the numbers that they have in the table. Of the same
/// length; the numbers are different from each other.
struct Placing {
  std::span<const std::uint32_t> places;
  std::span<const std::uint64_t> numbers;

  [[nodiscard]] std::size_t size() const { return places.size(); }
};

/// Writes a column's entries, its long contents into the heap first.
[[nodiscard]] Result<> write_column(OpenTable& table, Change& change, const EncodedRows& rows, const Placing& placing,
                                    std::uint32_t column);

/// Writes one state for all of the rows.
void write_states(OpenTable& table, Change& change, std::span<const std::uint64_t> numbers, std::uint8_t state);

/// Enters the rows' keys into an index. `exists`: one of them is there already; the failure shows it, and its `row` is
/// the place among the encoded ones.
[[nodiscard]] Result<> enter_keys(OpenTable& table, const EncodedRows& rows, const Placing& placing, std::size_t index);

/// Keys of an index with the number of the row that each leads to, to be brought into their order.
class SortedKeys {
 public:
  /// The index's entries have the rows' numbers for values, or none where it is not unique.
  explicit SortedKeys(const IndexFile& index) : has_values_(index.unique) {}

  /// `key` without the row's number; `with_number`: it belongs to the key.
  void add(std::span<const std::uint8_t> key, bool with_number, std::uint64_t row);
  [[nodiscard]] std::size_t size() const { return rows_.size(); }
  /// Sorts them, and gives them to the tree. Valid until something is added.
  [[nodiscard]] std::span<const BTree::Entry> entries();
  /// Which of the added ones stands at this place of `entries`.
  [[nodiscard]] std::uint32_t added(std::size_t entry) const { return order_[entry]; }
  /// After `entries`: the second of two entries that have the same key, if there are such.
  [[nodiscard]] std::optional<std::size_t> first_repeated() const;

 private:
  bool has_values_;
  KeyList keys_;
  std::vector<std::uint64_t> rows_;
  std::vector<std::uint32_t> order_;
  std::vector<BTree::Entry> entries_;
};

}  // namespace chimera::tables
