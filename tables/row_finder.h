#pragma once
// Finds the rows that a predicate leaves, chunk by chunk: along an index, along the rows in the order of their numbers,
// or of an append table along a range of time. A chunk is of one moment.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tables/key_range.h"
#include "tables/open_table.h"
#include "tables/predicate.h"
#include "tables/row_reader.h"

namespace chimera::tables {

/// Which way rows are found.
struct FindPlan {
  enum class Way : std::uint8_t {
    rows,     ///< all rows, in the order of their numbers; where rows keep their order, the oldest first
    ordered,  ///< the same of an append table, between two places that are looked for
    index,
  };
  Way way = Way::rows;
  std::size_t index = 0;  ///< among the shape's
  KeyRange range;         ///< of the index's keys, or of those of the column of `append by`
  bool backwards = false;
};

/// The way with the tightest range. `along`: empty for that, "rows", "key" or an index's name for that way; the failure
/// is that there is none such.
[[nodiscard]] Result<FindPlan> plan_find(const TableShape& shape, const Predicate& predicate, std::string_view along,
                                         bool backwards);

/// That the table's columns or indexes are no longer those that something was bound to. Whoever has done nothing yet
/// binds again.
[[nodiscard]] Failure shape_changed(const TableShape& shape);
[[nodiscard]] bool is_shape_changed(const Failure& failure) noexcept;

/// Where a RowFinder stands: what is behind has been found.
struct RowPosition {
  bool is_begun = false;
  bool is_at_end = false;
  std::vector<std::uint8_t> last_key;  ///< of an index
  std::uint64_t next = 0;              ///< forwards the next place in the order of rows, backwards that behind it
  std::uint64_t end = 0;               ///< where the way ends
};

class RowFinder {
 public:
  /// The predicate must outlive it.
  RowFinder(FindPlan plan, const Predicate& predicate) : plan_(std::move(plan)), predicate_(predicate) {}

  /// Put back where a chunk turns out to be of no one moment.
  [[nodiscard]] const RowPosition& position() const { return position_; }
  void put_back(RowPosition position) { position_ = std::move(position); }

  /// The next chunk, of about `most` rows that are looked at, or fewer where the predicate has to read long contents
  /// (ContentBudget). False at the end. Reads the predicate's columns and `also` of all of them; entry i is of row
  /// number(i), and row i is found if found()[i] is 1.
  [[nodiscard]] Result<bool> next(OpenTable& table, RowReader& reader, std::span<const std::uint32_t> also,
                                  std::size_t most);

  [[nodiscard]] std::size_t looked_at() const { return found_.size(); }
  /// Where `next` has failed: the rows, with numbers, that it was to read, behind which it stands; none where their
  /// numbers were not found.
  [[nodiscard]] std::size_t reached() const { return reached_; }
  /// Which of the entries is the n-th on the way: rows that are read backwards come from the end.
  [[nodiscard]] std::size_t on_way(std::size_t n) const {
    return plan_.backwards && is_run_ ? found_.size() - 1 - n : n;
  }
  [[nodiscard]] std::span<const std::uint8_t> found() const { return found_; }
  [[nodiscard]] std::uint64_t number(std::size_t i) const { return is_run_ ? first_ + i : numbers_[i]; }
  /// Of the rows that were found.
  [[nodiscard]] std::vector<std::uint64_t> found_numbers() const;

 private:
  [[nodiscard]] Result<bool> next_of_index(OpenTable& table, RowReader& reader, std::size_t most);
  [[nodiscard]] Result<bool> next_of_rows(OpenTable& table, RowReader& reader, std::size_t most);
  [[nodiscard]] Result<> begin_rows(OpenTable& table);
  [[nodiscard]] std::size_t want_contents(OpenTable& table, RowReader& reader);
  [[nodiscard]] Result<> judge(OpenTable& table, RowReader& reader);

  /// A content that the predicate needs.
  struct Wanted {
    std::uint32_t column;
    std::size_t row, content;
  };

  FindPlan plan_;
  const Predicate& predicate_;
  RowPosition position_;
  std::vector<std::uint32_t> columns_;  ///< that are read
  std::vector<std::uint8_t> found_;
  std::size_t reached_ = 0;
  std::vector<std::uint64_t> numbers_;
  bool is_run_ = false;
  std::uint64_t first_ = 0;
  Entries entries_;
  std::vector<Wanted> wanted_;
  std::vector<std::vector<std::span<const std::uint8_t>>> contents_;
  std::vector<std::vector<std::uint8_t>> decompressed_;
};

/// Of a table that keeps the order of its rows: the first place, of those from `first` to `end`, whose value in the
/// column has a key that is not below `key`; `end` if there is none. A place is a row's number, in a circular table
/// modulo its size. Few programs.
[[nodiscard]] Result<std::uint64_t> find_in_order(OpenTable& table, std::uint32_t column,
                                                  std::span<const std::uint8_t> key, std::uint64_t first,
                                                  std::uint64_t end);

}  // namespace chimera::tables
