#pragma once
// Reading many rows, a chunk at a time.

#include <cstdint>
#include <memory>
#include <vector>

#include "isa/uuid.h"
#include "tables/chunk_size.h"
#include "tables/table.h"

namespace chimera::tables {

class Moment;
class Predicate;
class RowFinder;
struct RowPosition;

/// Refers to its table, which must stay where it is. Each chunk is of one moment; what others change between two chunks
/// is seen or not, and no row comes twice that keeps its key, or its number where the way is along the rows. With
/// `snapshot` all of them are of the moment at which it was begun; its clones are deleted at the end, or with it.
class Scan {
 public:
  Scan(Scan&& other) noexcept;
  Scan& operator=(Scan&& other) noexcept;
  ~Scan();

  /// Puts the next rows in the place of what `rows` held, in its memory as far as that goes. False at the end: what
  /// `rows` holds then means nothing. Where a row cannot be read, all those on the way before it are given first; then
  /// it is passed over (ScanOptions::unreadable), or the failure says which it is, and asking again fails again.
  [[nodiscard]] Result<bool> next(std::vector<types::Row>& rows);
  /// Places in the table's relation, as it is now, of the columns that rows have. All rows will be of these columns:
  /// where somebody changes the table before the first are read, so that they would be of others, `next` answers
  /// `mismatch`. Otherwise they would be of what the table has then.
  [[nodiscard]] const std::vector<std::uint32_t>& columns() {
    is_bound_to_columns_ = true;
    return columns_;
  }
  /// Their numbers in the table.
  [[nodiscard]] const std::vector<std::uint64_t>& numbers() const { return numbers_; }

 private:
  friend class Table;
  Scan(Table& table, ScanOptions options);
  [[nodiscard]] Result<> bind(const OpenTable& table);
  [[nodiscard]] Result<bool> chunk(OpenTable& table, std::vector<types::Row>& rows);
  [[nodiscard]] std::size_t pick();
  [[nodiscard]] Result<> narrow(const RowPosition& before, const Failure& why);
  [[nodiscard]] Result<> pass_unreadable(const Failure& why);

  std::unique_ptr<Moment> moment_;  ///< none: it reads what there is
  Table* table_;
  ScanOptions options_;
  std::uint64_t left_;
  std::uint64_t mark_ = 0;  ///< of the columns and indexes that it is bound to
  std::unique_ptr<Predicate> predicate_;
  std::unique_ptr<RowFinder> finder_;
  std::vector<std::uint32_t> columns_;
  std::vector<Uuid> devices_;  ///< the columns'
  bool is_bound_to_columns_ = false;
  std::vector<std::uint64_t> numbers_;
  std::vector<std::uint32_t> picked_;
  ChunkSize size_;
};

}  // namespace chimera::tables
