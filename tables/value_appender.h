#pragma once
// A long value that gets longer, by any number of bytes, without reading what is there. What is added comes piece by
// piece, several of which are under way at a time, in their order: at every moment, also after a crash, a number of
// bytes from the front of what was added is there.
//
//     ValueAppender appender(table, {Value::of<std::int64_t>(5)}, "log");
//     while (…) appender.add(bytes);
//     appender.settle();

#include <cstdint>
#include <optional>
#include <string>

#include "tables/link.h"
#include "tables/pieces_under_way.h"
#include "tables/table.h"
#include "tables/value_place.h"
#include "types/value.h"

namespace chimera::tables {

/// One thread at a time. The table must outlive it, and nothing else may be done with it before it has settled.
class ValueAppender {
 public:
  /// Of a string, blob or function column, in the row with that key.
  ValueAppender(Table& table, types::Row key, std::string column)
      : table_(&table), key_(std::move(key)), column_(std::move(column)) {}
  ValueAppender(const ValueAppender&) = delete;
  ValueAppender& operator=(const ValueAppender&) = delete;
  /// Waits for what is under way, whatever becomes of it.
  ~ValueAppender();

  /// Adds to the end, as Table::append_value does, whose failures these are, with one difference: what is too large for
  /// a transaction of the store is halved, not of a function. A failure may be of what was added before; the last then.
  [[nodiscard]] Result<> add(PiecesUnderWay::Bytes bytes);
  /// Waits until all of it is there, durable.
  [[nodiscard]] Result<> settle();
  /// Bytes, from the front of what was added, that are known to be there.
  [[nodiscard]] std::uint64_t written() const { return pieces_ ? pieces_->written() : written_as_whole_; }

 private:
  [[nodiscard]] Result<ValuePlace> place_in(OpenTable& open);
  [[nodiscard]] Result<> plan(OpenTable& open, Change& change, const PiecesUnderWay::Piece& piece);
  [[nodiscard]] PiecesUnderWay::Plan plan();

  Table* table_;
  types::Row key_;
  std::string column_;
  std::optional<PiecesUnderWay> pieces_;
  std::uint64_t written_as_whole_ = 0;  ///< bytes of a function, of which no pieces are under way
  std::optional<ValuePlace> planned_;   ///< what the last piece leaves
  std::optional<ValuePlace> known_;     ///< where the value is at a version, which may still be under way
  std::uint64_t known_at_ = 0;
};

}  // namespace chimera::tables
