#pragma once
// A value of any size that comes piece by piece, in bounded memory. It stands in its row when `finish` has succeeded,
// and until then nobody sees anything of it.
//
//     auto writer = BlobWriter::begin(table, {Value::of<std::int64_t>(5)}, "picture");
//     while (…) writer->add(bytes);
//     writer->finish();
//
// What has come is put in the heap piece by piece (blob_stage.h, TableOptions::blob_piece_bytes); the last piece comes
// with the change of the row.

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tables/blob_stage.h"
#include "tables/encoded_rows.h"
#include "tables/link.h"
#include "tables/table.h"
#include "tables/value_place.h"
#include "types/value.h"

namespace chimera::tables {

/// One thread at a time. The table must outlive it, and may be used between its calls.
class BlobWriter {
 public:
  enum class Rows : std::uint8_t {
    that_are_there,
    new_too,  ///< `finish` makes a row of that key where there is none, with the defaults of its other columns
  };

  /// For a column of blobs or strings of the row with that key. `not_found`: there is no such row or column;
  /// `unsupported`: it is of another type; `denied`: the row is locked, or the column is part of an index. Where the
  /// row will be new: another column has to have a value, and has no default.
  [[nodiscard]] static Result<BlobWriter> begin(Table& table, types::Row key, std::string column,
                                                Rows rows = Rows::that_are_there);

  /// Adds to the end. `too_large`: the column's type does not hold so much, or 16 such values are being put in the same
  /// heap; `bad_text`: it is no UTF-8, and has to be. After a failure, which may be of what was added before, the value
  /// is to be given up, as it is unless it is finished.
  [[nodiscard]] Result<> add(std::span<const std::uint8_t> bytes);
  /// Puts the value in its row, in the place of what is there. The last that is called.
  [[nodiscard]] Result<> finish();

 private:
  BlobWriter(Table& table, types::Row key, std::string column, Rows rows);
  [[nodiscard]] Result<> write_kept();
  [[nodiscard]] Result<> check_kept(std::size_t count);
  [[nodiscard]] Result<std::optional<ValuePlace>> find_place(OpenTable& open);
  [[nodiscard]] Result<bool> enter_in_row(OpenTable& open);
  [[nodiscard]] Result<> enter_in_old_row(OpenTable& open, Change& change, const ValuePlace& at);
  [[nodiscard]] Result<EncodedRows> make_new_row(const OpenTable& open, std::uint32_t column) const;
  [[nodiscard]] Result<> enter_in_new_row(OpenTable& open, Change& change);
  [[nodiscard]] Result<std::array<std::uint8_t, types::slot_size>> plan_slot(Heap& heap);

  Table* table_;
  types::Row key_;
  std::string column_;
  Rows rows_;
  types::Type type_;
  BlobStage stage_;
  std::vector<std::uint8_t> kept_;   ///< what has not been written yet
  std::vector<std::uint8_t> front_;  ///< its first bytes, which stand in the slot
};

}  // namespace chimera::tables
