#pragma once
// Reads entries of columns as they stand in their devices, of any rows in any order: neighbours by one instruction, all
// of them by one program. What stands in packed pieces is read by programs of its own, and is what it is unpacked.

#include <cstdint>
#include <span>
#include <vector>

#include "tables/masks.h"
#include "tables/open_table.h"
#include "tables/piece_reader.h"

namespace chimera::tables {

/// Used again and again it allocates nothing.
class EntryReader {
 public:
  explicit EntryReader(OpenTable& table)
      : table_(table),
        columns_(table.shape().columns.size()),
        unpacked_(table.may_have_packed_pieces() ? columns_.size() : 0),
        pieces_(table) {}

  /// Reads these columns of these rows, which lie below the table's tail; `with_states`: their states too. `conflict`
  /// if the table has been changed.
  [[nodiscard]] Result<> read(std::span<const std::uint64_t> rows, std::span<const std::uint32_t> columns,
                              bool with_states = false);
  /// The same of `count` rows that follow each other.
  [[nodiscard]] Result<> read_run(std::uint64_t first, std::size_t count, std::span<const std::uint32_t> columns,
                                  bool with_states = false);

  // Views that hold until the next read.

  /// Of a column that has been read: entry i is that of rows[i].
  [[nodiscard]] ColumnEntries entries(std::uint32_t column) const;
  [[nodiscard]] const std::uint8_t* entry(std::uint32_t column, std::size_t i) const {
    return columns_[column] + i * table_.shape().columns[column].width;
  }
  [[nodiscard]] std::span<const std::uint8_t> states() const { return {states_, count_}; }

 private:
  struct Span {
    std::uint64_t first;
    std::size_t count;
  };
  void plan(std::span<const std::uint64_t> rows);
  [[nodiscard]] Result<> find_packed(std::span<const std::uint32_t> columns);
  [[nodiscard]] Result<> read_packed(std::span<const std::uint32_t> columns);
  [[nodiscard]] std::span<const ByteRange> ranges_of(std::uint32_t column);
  [[nodiscard]] Result<> run(std::span<const std::uint32_t> columns, bool with_states);
  [[nodiscard]] bool is_packed(std::uint32_t column) const { return !unpacked_.empty() && unpacked_[column].is_read; }
  void ask(std::span<const std::uint32_t> columns, bool with_states);
  void gather(std::span<const std::uint64_t> rows, std::span<const std::uint32_t> columns, bool with_states);
  template <typename BytesOf>
  [[nodiscard]] const std::uint8_t* gather_one(std::span<const std::uint64_t> rows, std::size_t width,
                                               std::vector<std::uint8_t>& into, const BytesOf& bytes_of);

  OpenTable& table_;
  std::size_t count_ = 0;
  std::vector<Span> spans_;           ///< ascending, apart
  std::vector<std::uint32_t> order_;  ///< places in `rows`, by row
  std::vector<const std::uint8_t*> columns_;
  const std::uint8_t* states_ = nullptr;
  std::vector<std::vector<std::uint8_t>> gathered_;  ///< what does not lie in the answers as it is wanted
  std::vector<std::uint8_t> gathered_states_;
  /// Of a column with packed pieces among what is read: all of the spans, one behind the other.
  struct Unpacked {
    bool is_read = false;
    std::vector<std::uint8_t> bytes;
  };
  std::vector<Unpacked> unpacked_;  ///< by column; empty where none may have packed pieces
  std::vector<ByteRange> ranges_;
  PieceReader pieces_;
  Answers answers_;
};

}  // namespace chimera::tables
