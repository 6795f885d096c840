#pragma once
// Which numbers new rows get: those on the stack of free ones first, then the next at the end; where rows keep their
// order, always the next.

#include <cstdint>
#include <span>
#include <vector>

#include "tables/change.h"
#include "tables/open_table.h"

namespace chimera::tables {

/// Rows that follow each other in the table and in what is written.
struct RowRun {
  std::uint64_t row;  ///< the first one's number
  std::size_t first;  ///< its place in what is written
  std::size_t count;
};

/// Numbers for `count` new rows (at most the table's size, where it is circular), planned in the header. They ascend,
/// but for a circular table's jump to its beginning.
[[nodiscard]] Result<std::vector<std::uint64_t>> take_row_numbers(OpenTable& table, std::size_t count);

/// Writes numbers onto the stack of free ones, where the table uses numbers again, and counts the rows as gone.
void give_back_row_numbers(OpenTable& table, Change& change, std::span<const std::uint64_t> rows);

/// Neighbours together.
[[nodiscard]] std::vector<RowRun> runs_of(std::span<const std::uint64_t> rows);

}  // namespace chimera::tables
