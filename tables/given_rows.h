#pragma once
// Rows that somebody has given for the columns of a table, while they are tried, and tried again.

#include <cstdint>
#include <optional>
#include <vector>

#include "isa/uuid.h"
#include "tables/encoded_rows.h"
#include "tables/open_table.h"

namespace chimera::tables {

class GivenRows {
 public:
  explicit GivenRows(std::vector<types::Row> rows) : rows_(std::move(rows)) {}

  /// As they will stand in the table as it is now; valid up to the next call. `mismatch`: it no longer has the columns
  /// that they were first encoded for. Values are told by their places, and would get into others.
  [[nodiscard]] Result<const EncodedRows*> encode(const OpenTable& table);

 private:
  std::vector<types::Row> rows_;  ///< as long as they are not encoded
  std::optional<EncodedRows> encoded_;
  std::uint64_t mark_ = 0;     ///< of the shape that they are encoded for
  std::vector<Uuid> columns_;  ///< that they are for; empty: that is not known yet
};

}  // namespace chimera::tables
