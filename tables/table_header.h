#pragma once
// What stands at the beginning of a table's own device: how many rows there are, and the version that every change
// makes a new one of. docs/table-format.md has the bytes.

#include <array>
#include <cstdint>
#include <expected>
#include <span>
#include <string>

namespace chimera::tables {

/// A row's state: its byte in the metadata plane of the table's device, at the offset that is its number.
namespace row_state {
inline constexpr std::uint8_t active = 0x80;  ///< there is a row
inline constexpr std::uint8_t compressed = 0x40;
inline constexpr std::uint8_t encrypted = 0x20;
inline constexpr std::uint8_t locked = 0x10;  ///< update and delete refuse it
inline constexpr std::uint8_t replicated = 0x08;
}  // namespace row_state

/// Rows of one table, at most: those of all columns stay below a device's greatest length.
inline constexpr std::uint64_t most_rows = std::uint64_t{1} << 40;

struct TableHeader {
  static constexpr std::size_t size = 64;            ///< bytes
  static constexpr std::size_t version_offset = 16;  ///< of the version, 8 bytes
  static constexpr std::size_t shape_offset = 24;    ///< of the shape, 8 bytes
  static constexpr std::size_t gone_offset = 12;     ///< of `gone`, 4 bytes
  /// Of the number of rows that an index that is being added has, 8 bytes: behind the header, and only there while one
  /// is.
  static constexpr std::size_t entered_offset = size;
  static constexpr std::size_t size_with_entered = size + 8;
  static constexpr std::size_t format_offset = 8;  ///< of the format, 4 bytes
  /// Columns of a fixed width may have packed pieces, where they are `compressed` (packed_pieces.h). Of the first
  /// format none have, whatever the schema says.
  static constexpr std::uint32_t first_format = 1, format_with_packed = 2;
  [[nodiscard]] static constexpr std::uint32_t format_of(bool declares_packed_columns) {
    return declares_packed_columns ? format_with_packed : first_format;
  }
  using Bytes = std::array<std::uint8_t, size>;

  std::uint32_t format = first_format;
  std::uint64_t version = 1;   ///< another one with every change of anything in the table
  std::uint64_t shape = 1;     ///< the version at which columns, indexes or names changed last
  std::uint32_t gone = 0;      ///< the low half of the version at which rows went last; 0 where none ever have
  std::uint64_t tail = 0;      ///< rows that have ever been there: the number of the next new one
  std::uint64_t live = 0;      ///< rows that are there
  std::uint64_t free = 0;      ///< row numbers on the stack of free ones
  std::uint64_t position = 0;  ///< of a circular table: rows ever inserted; the next goes to this, modulo its size
  std::uint64_t entered = 0;   ///< rows below this number are in the index that is being added; not part of the bytes

  [[nodiscard]] Bytes bytes() const;
  /// What stands in `bytes`, of which there are `size`, if it can be a header. The error is a whole sentence.
  [[nodiscard]] static std::expected<TableHeader, std::string> parse(std::span<const std::uint8_t> bytes);
  friend bool operator==(const TableHeader&, const TableHeader&) = default;
};

}  // namespace chimera::tables
