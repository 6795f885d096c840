#pragma once
// Reads rows, or some columns of them, as values.

#include <cstdint>
#include <span>
#include <vector>

#include "tables/contents.h"
#include "tables/entry_reader.h"
#include "tables/open_table.h"
#include "types/value.h"

namespace chimera::tables {

/// Used again and again it allocates nothing but what the values need.
class RowReader {
 public:
  explicit RowReader(OpenTable& table) : entries(table), contents(table), table_(table) {}

  // All of them put their rows in the place of what `rows` held, in its memory as far as that goes.

  /// A row for each number, with a value for each of these columns, in that order.
  [[nodiscard]] Result<> read(std::span<const std::uint64_t> numbers, std::span<const std::uint32_t> columns,
                              std::vector<types::Row>& rows);
  /// A whole row for each number, in which only these columns have values; the others are null.
  [[nodiscard]] Result<> read_sparse(std::span<const std::uint64_t> numbers, std::span<const std::uint32_t> columns,
                                     std::vector<types::Row>& rows);
  /// Whole rows, in which only these columns have values; the others are null. What else `entries` has read of
  /// the same rows stays there.
  [[nodiscard]] Result<> decode_sparse(std::size_t count, std::span<const std::uint32_t> columns,
                                       std::vector<types::Row>& rows);
  /// The places 0, 1, 2, … of so many entries.
  [[nodiscard]] std::span<const std::uint32_t> first_places(std::size_t count);
  /// A row for each picked entry of what `entries` has read, with a value for each of these columns.
  [[nodiscard]] Result<> decode_picked(std::span<const std::uint32_t> picked, std::span<const std::uint32_t> columns,
                                       std::vector<types::Row>& rows);
  /// Of what `entries` has read: rows[first + i][to] of entry picked[i] of a column.
  [[nodiscard]] Result<> decode(std::uint32_t column, std::span<const std::uint32_t> picked, std::span<types::Row> rows,
                                std::size_t to);
  /// Asks for the long contents of picked entries; `contents.read` reads them before `decode`.
  void want(std::uint32_t column, std::span<const std::uint32_t> picked);

  /// Of what `entries` has read: how many of the picked entries, from the first on, have contents in these columns that
  /// fit a chunk (ContentBudget).
  [[nodiscard]] std::size_t fitting(std::span<const std::uint32_t> picked,
                                    std::span<const std::uint32_t> columns) const;

  EntryReader entries;
  ContentReader contents;

 private:
  void restart();
  [[nodiscard]] Result<> decode_fixed(std::uint32_t column, std::span<const std::uint32_t> picked,
                                      std::span<types::Row> rows, std::size_t to);
  [[nodiscard]] Failure damaged(std::uint32_t column, const types::Error& error) const;

  OpenTable& table_;
  std::size_t next_content_ = 0;
  std::vector<std::uint32_t> all_;  ///< 0, 1, 2, …
};

}  // namespace chimera::tables
