#include "tables/given_rows.h"

#include <fmt/format.h>

#include <utility>

namespace chimera::tables {

Result<const EncodedRows*> GivenRows::encode(const OpenTable& table) {
  if (encoded_ && mark_ == table.shape_mark()) return &*encoded_;
  const TableShape& shape = table.shape();
  std::vector<Uuid> columns = shape.column_devices();
  if (!columns_.empty() && columns != columns_) {
    return std::unexpected(
        Failure{Status::mismatch,
                fmt::format("The columns of {} have been changed meanwhile: they are not those that the rows are for.",
                            shape.name)});
  }
  if (encoded_) rows_ = std::exchange(encoded_, {})->take_rows();
  auto made = EncodedRows::make(shape, std::move(rows_));
  // Rows that are none of these columns may be for others, which this session has not looked at yet. A value that is
  // only too long is for these.
  if (made || made.error().status == Status::too_large) columns_ = std::move(columns);
  if (!made) return std::unexpected(std::move(made.error()));
  encoded_ = std::move(*made);
  mark_ = table.shape_mark();
  return &*encoded_;
}

}  // namespace chimera::tables
