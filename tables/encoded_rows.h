#pragma once
// Rows as they will stand in a table's columns and indexes, made before anything is sent: what is wrong with a value is
// found here, and nothing has happened.

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tables/link.h"
#include "tables/table_shape.h"
#include "types/value.h"

namespace chimera::tables {

/// A content that is too long for its slot.
struct LongContent {
  std::uint32_t row;  ///< among those that are encoded
  std::span<const std::uint8_t> content;
};

struct EncodedColumn {
  std::vector<std::uint8_t> entries;  ///< of all rows; slots of long contents are still zeros
  std::vector<LongContent> longs;     ///< in the order of the rows
};

/// Keys one behind the other.
class KeyList {
 public:
  [[nodiscard]] std::size_t size() const { return ends_.size(); }
  [[nodiscard]] std::span<const std::uint8_t> operator[](std::size_t i) const {
    const std::size_t begin = i == 0 ? 0 : ends_[i - 1];
    return std::span(bytes_).subspan(begin, ends_[i] - begin);
  }
  /// The bytes to append the next key to; `close` ends it.
  [[nodiscard]] std::vector<std::uint8_t>& open() { return bytes_; }
  void close() { ends_.push_back(bytes_.size()); }
  void clear() {
    bytes_.clear();
    ends_.clear();
  }

 private:
  std::vector<std::uint8_t> bytes_;
  std::vector<std::size_t> ends_;
};

/// Owns the rows, whose contents it points to.
class EncodedRows {
 public:
  EncodedRows(EncodedRows&&) = default;
  EncodedRows& operator=(EncodedRows&&) = default;
  /// Each row has a value for each column, in the relation's order. Values are brought into the columns' types where
  /// nothing is lost. A failure names row, column and value; its `row` is the row's
  /// place, and `rows` still has all of them.
  [[nodiscard]] static Result<EncodedRows> make(const TableShape& shape, std::vector<types::Row>&& rows);
  /// Only these columns, and the keys of these indexes, whose columns' values are all there.
  [[nodiscard]] static Result<EncodedRows> make(const TableShape& shape, std::vector<types::Row>&& rows,
                                                std::span<const std::uint32_t> columns,
                                                std::span<const std::size_t> indexes);

  [[nodiscard]] std::size_t size() const { return rows_.size(); }
  [[nodiscard]] const std::vector<types::Row>& rows() const { return rows_; }
  /// Gives the rows back; nothing else may be asked of it afterwards.
  [[nodiscard]] std::vector<types::Row> take_rows() { return std::move(rows_); }
  [[nodiscard]] const EncodedColumn& column(std::uint32_t column) const { return columns_[column]; }
  /// Another entry, of the column's width, for a row's value, which is in no index.
  void set_entry(std::size_t row, std::uint32_t column, std::span<const std::uint8_t> entry) {
    std::ranges::copy(entry, columns_[column].entries.begin() + static_cast<std::ptrdiff_t>(row * entry.size()));
  }
  /// Keys of an index, without the number of the row that some of them end with.
  [[nodiscard]] const KeyList& keys(std::size_t index) const { return keys_[index]; }

 private:
  EncodedRows() = default;

  std::vector<types::Row> rows_;
  std::vector<EncodedColumn> columns_;
  std::vector<KeyList> keys_;
  std::vector<std::vector<std::uint8_t>> scratch_;  ///< contents that are not the values' own bytes
};

/// Brings a value into a column's type. The failure names column and value.
[[nodiscard]] Result<> conform_value(const types::Column& column, types::Value& value);

/// Bytes that a value which fits its column takes, of the column and of a heap.
[[nodiscard]] std::size_t bytes_of_value(const TableShape& shape, std::uint32_t column, const types::Value& value);
/// So many are about what one transaction writes of values that may be long, unless one alone is longer.
inline constexpr std::size_t most_value_bytes_at_once = 8 << 20;

/// Appends an index's key of a row, without the row's number. The failure names the columns.
[[nodiscard]] Result<> append_index_key(const TableShape& shape, const IndexFile& index, const types::Row& row,
                                        std::vector<std::uint8_t>& to);

/// Whether the row's number stands at the end of its key: the index is not unique, or the row has a null in it.
[[nodiscard]] bool has_row_number(const IndexFile& index, const types::Row& row);

/// "(id 5, name "x")", for errors.
[[nodiscard]] std::string shown_key(const TableShape& shape, const IndexFile& index, const types::Row& row);

}  // namespace chimera::tables
