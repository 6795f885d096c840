#pragma once
// Values of a fixed width, as a column's device holds them: an array of entries. docs/table-format.md has the bytes.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "types/error.h"
#include "types/type.h"
#include "types/value.h"

namespace chimera::types {

/// Bytes of a value of this type, where each has as many: numbers, bool, times, pointers, enums without payloads,
/// arrays of a given size and structures of these, up to limits::most_fixed_width. Nothing for the others, which are
/// variable and stand in slots.
[[nodiscard]] std::optional<std::uint32_t> fixed_width(const Type& type);

/// How the values of one column are written. Refers to its type, which must outlive it and not move.
class FixedColumn {
 public:
  /// The type has a fixed width.
  FixedColumn(const Type& type, bool nullable);

  /// Bytes of an entry: one more than the type's where the column is nullable.
  [[nodiscard]] std::uint32_t width() const { return width_; }
  [[nodiscard]] bool nullable() const { return nullable_; }

  /// Writes `width()` bytes. The value passes `check`. Null is zeros.
  void put(const Value& value, std::uint8_t* to) const;
  /// Reads `width()` bytes. corrupt: no value has these bytes.
  [[nodiscard]] Result<Value> get(const std::uint8_t* from) const;

  /// Entry i from rows[i][column], one behind the other; for numbers a loop without a branch on the kind.
  void put_column(std::span<const Row> rows, std::size_t column, std::uint8_t* to) const;
  /// rows[i][column] from entry i. Rows are long enough already. Stops at the first entry that is corrupt, whose number
  /// is in the error's path ("[3]").
  [[nodiscard]] std::optional<Error> get_column(const std::uint8_t* from, std::span<Row> rows,
                                                std::size_t column) const;

 private:
  const Type& type_;
  bool nullable_;
  std::uint32_t width_;
};

}  // namespace chimera::types
