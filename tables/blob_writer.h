#pragma once
// A value of any size that comes piece by piece, in bounded memory. It stands in its row when `finish` has succeeded,
// and until then nobody sees anything of it.
//
//     auto writer = BlobWriter::begin(table, {Value::of<std::int64_t>(5)}, "picture");
//     while (…) writer->add(bytes);
//     writer->finish();
//
// What has come is put in the heap in transactions of some MiB, as a stage (heap.h). The stage's owner is a device in
// memory that this session has open. Whoever ends, however that happens, is found to be gone by the next who begins,
// who erases what he has left.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "isa/uuid.h"
#include "tables/link.h"
#include "tables/table.h"
#include "types/value.h"

namespace chimera::tables {

/// One thread at a time. The table must outlive it, and may be used between its calls.
class BlobWriter {
 public:
  /// Bytes that are kept before they are written; all that it takes of memory is a few times as much.
  static constexpr std::size_t most_kept = 4 << 20;

  /// For a blob column of the row with that key. `not_found`: there is no such row or column; `unsupported`: it is no
  /// blob; `denied`: the row is locked, or the column is part of an index; `too_large`: 16 such values are being put in
  /// the same heap.
  [[nodiscard]] static Result<BlobWriter> begin(Table& table, types::Row key, std::string column);
  BlobWriter(BlobWriter&& other) noexcept;
  BlobWriter& operator=(BlobWriter&&) = delete;
  /// Gives the value up unless it is finished.
  ~BlobWriter();

  /// Adds to the end. `too_large`: the column's type does not hold so much. After a failure the value is to be given
  /// up.
  [[nodiscard]] Result<> add(std::span<const std::uint8_t> bytes);
  /// Puts the value in its row, in the place of what is there. The last that is called.
  [[nodiscard]] Result<> finish();

 private:
  BlobWriter(Table& table, types::Row key, std::string column);
  [[nodiscard]] Result<> own();
  [[nodiscard]] Result<> begin_stage();
  [[nodiscard]] Result<> write_kept();
  [[nodiscard]] Result<> enter_in_row();
  [[nodiscard]] Result<bool> is_gone(const Uuid& owner) const;
  void give_up();

  Table* table_;  ///< null: there is nothing to be given up
  types::Row key_;
  std::string column_;
  Uuid owner_{};
  std::vector<std::uint8_t> kept_;   ///< what has not been written yet
  std::vector<std::uint8_t> front_;  ///< its first bytes, which stand in the slot
  std::uint64_t size_ = 0;           ///< bytes, those that are kept included
  bool has_stage_ = false;
};

}  // namespace chimera::tables
