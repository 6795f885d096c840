#pragma once
// Reads bytes of a column that has packed pieces, as they are when they are unpacked.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tables/open_table.h"
#include "tables/packed_pieces.h"

namespace chimera::tables {

/// Pieces that lie below the table's tail as a whole: no others are packed.
[[nodiscard]] std::uint64_t whole_pieces(const OpenTable& table, std::uint32_t column);
[[nodiscard]] inline ByteRange bytes_of_piece(std::uint64_t piece) {
  return {piece * packed::piece_size, packed::piece_size};
}
/// "rows 5 to 8": those whose entries have some of these bytes of a column.
[[nodiscard]] std::string words_of_rows(const TableShape& shape, std::uint32_t column, const ByteRange& bytes);
/// `corrupt`, with the table's name, the column and the rows.
[[nodiscard]] Failure damaged_piece(const TableShape& shape, std::uint32_t column, std::uint64_t piece,
                                    std::string_view why);

/// Used again and again it allocates little.
class PieceReader {
 public:
  explicit PieceReader(OpenTable& table) : table_(table) {}

  // Ranges ascend and do not overlap, and lie below the table's tail. All of it is of the version that the table is
  // kept in memory at; `conflict` if that is no longer the device's.

  /// Whether some of the bytes lie in packed pieces, of a column that may have some.
  [[nodiscard]] Result<bool> are_packed(std::uint32_t column, std::span<const ByteRange> ranges);
  /// Reads all ranges of such a column, one behind the other, into the place of what `to` held. A piece is read once,
  /// however many ranges lie in it, and few at a time however many these are. `corrupt`: what should be a packed piece
  /// is none.
  [[nodiscard]] Result<> read(std::uint32_t column, std::span<const ByteRange> ranges, std::vector<std::uint8_t>& to);

 private:
  /// Bytes that are wanted of one piece, or of several that are plain.
  struct Part {
    std::uint64_t piece;
    std::uint8_t blocks;  ///< 0: it is plain
    ByteRange bytes;      ///< of the column
    std::size_t to;       ///< where they go
  };
  [[nodiscard]] Result<> plan(std::uint32_t column, std::span<const ByteRange> ranges);
  [[nodiscard]] Result<std::size_t> read_some(std::uint32_t column, std::size_t first, std::span<std::uint8_t> to);
  [[nodiscard]] Result<> unpack(std::uint32_t column, const Part& part, bool is_same_piece,
                                std::span<const std::uint8_t> frame, std::uint8_t* to);

  OpenTable& table_;
  std::vector<Part> parts_;
  std::vector<std::uint8_t> piece_;  ///< the one that was unpacked last, if it was not wanted as a whole
  Answers answers_;
};

}  // namespace chimera::tables
