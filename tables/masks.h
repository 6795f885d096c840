#pragma once
// Loops over the entries of fixed columns as they stand in their devices: comparisons that fill masks, and sums of
// what a mask leaves. A mask has a byte a row, 0 or 1, so that the compiler makes vector instructions of the loops.

#include <array>
#include <cstddef>
#include <cstdint>

#include "tables/condition.h"
#include "types/integers.h"
#include "types/kind.h"

namespace chimera::tables {

/// ColumnEntries one behind the other, `stride` bytes each. Where a column is nullable the value has a byte in front of
/// it, 0 where it is null.
struct ColumnEntries {
  const std::uint8_t* bytes = nullptr;
  std::size_t stride = 0;
  bool nullable = false;
  bool slots = false;  ///< of a variable column

  [[nodiscard]] const std::uint8_t* values() const { return bytes + (nullable ? 1 : 0); }
};

/// Whether these loops know the kind: integers, floats, bool, datetime and duration.
[[nodiscard]] bool is_scalar(types::Kind kind) noexcept;

/// yes[i] = entry i compares so with the literal, which stands as the entries do, without a null's byte. NaN equals
/// itself and is greater than all else, as in keys. What is null gives anything.
void compare_entries(types::Kind kind, const ColumnEntries& entries, std::size_t count, Comparison comparison,
                     const std::uint8_t* literal, std::uint8_t* yes);

/// there[i] = entry i is not null.
void find_values(const ColumnEntries& entries, std::size_t count, std::uint8_t* there);

/// What has been added up: integers exactly as long as they fit 128 bits.
class Sum {
 public:
  explicit Sum(types::Kind kind) : kind_(kind) {}
  /// Adds entries whose byte in `mask` is 1; none of them may be null.
  void add(const ColumnEntries& entries, std::size_t count, const std::uint8_t* mask);

  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] bool overflown() const { return overflown_; }
  [[nodiscard]] bool is_float() const;
  [[nodiscard]] types::I128 integer() const { return integer_; }
  [[nodiscard]] double real() const { return real_; }

 private:
  template <typename Integer>
  void add_integers(const ColumnEntries& entries, std::size_t count, const std::uint8_t* mask);
  template <typename Float>
  void add_floats(const ColumnEntries& entries, std::size_t count, const std::uint8_t* mask);

  types::Kind kind_;
  std::uint64_t count_ = 0;
  types::I128 integer_ = 0;
  double real_ = 0;
  bool overflown_ = false;
};

/// The least and the greatest of what has been looked at.
class Extremes {
 public:
  explicit Extremes(types::Kind kind) : kind_(kind) {}
  void add(const ColumnEntries& entries, std::size_t count, const std::uint8_t* mask);

  /// Nothing has been looked at.
  [[nodiscard]] bool empty() const { return empty_; }
  /// As they stand in the column, without a null's byte: as many bytes as the kind is wide.
  [[nodiscard]] const std::uint8_t* least() const { return least_.data(); }
  [[nodiscard]] const std::uint8_t* greatest() const { return greatest_.data(); }

 private:
  template <typename T>
  void add_as(const ColumnEntries& entries, std::size_t count, const std::uint8_t* mask);

  types::Kind kind_;
  bool empty_ = true;
  std::array<std::uint8_t, 16> least_{}, greatest_{};
};

}  // namespace chimera::tables
