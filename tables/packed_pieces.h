#pragma once
// A column of a fixed width that is compressed, seen as bytes in pieces of one size whatever the width is. A piece is
// plain, or packed: one zstd frame at its beginning, and a hole behind that. Where a row's entry stands in the unpacked
// bytes does not change. docs/table-format.md has the bytes.
//
// Which pieces are packed stands in the metadata plane of the column's device, and is kept in memory for one version of
// the table. What a change does to it is planned, and becomes a part of the change by `emit`, as with trees and heaps.

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "tables/answers.h"
#include "tables/link.h"
#include "tables/script.h"
#include "tables/table_header.h"
#include "tables/version.h"

namespace chimera::tables {

namespace packed {
inline constexpr std::uint64_t piece_size = 64 << 10;  ///< bytes
inline constexpr std::uint64_t block_size = 4096;      ///< of what a frame takes
/// Of a column, at most: its rows are below 2^40, and narrower than 2^13 bytes.
inline constexpr std::uint64_t most_pieces = std::uint64_t{1} << 37;
static_assert(most_pieces == (most_rows << 13) / piece_size);
/// Of the 16 blocks of a piece: with a longer frame too little would be gained.
inline constexpr std::uint8_t most_blocks = 14;
}  // namespace packed

/// Bytes of a column, as they are when all of it is unpacked.
struct ByteRange {
  std::uint64_t offset;
  std::uint64_t size;

  [[nodiscard]] std::uint64_t end() const { return offset + size; }
};

class PackedPieces {
 public:
  /// `column`: its name, for notes. Link and version must outlive this.
  PackedPieces(Link& link, const Version& version, const Uuid& device, std::string column, bool explained)
      : link_(link), version_(version), device_(device), column_(std::move(column)), script_(explained) {}
  PackedPieces(const PackedPieces&) = delete;
  PackedPieces& operator=(const PackedPieces&) = delete;

  [[nodiscard]] const Uuid& device() const { return device_; }

  /// Reads what the pieces from `first` to `end` are, as far as that is not known: for thousands of them at once.
  /// `conflict` if the table has been changed. Where very many are known already, others are no longer known then.
  [[nodiscard]] Result<> learn(std::uint64_t first, std::uint64_t end);
  /// Of a piece that has been learnt last: blocks that its frame takes, as the device says it, or 0: it is plain.
  [[nodiscard]] std::uint8_t blocks(std::uint64_t piece) const;
  /// The same when the change that is being made has happened.
  [[nodiscard]] std::uint8_t planned_blocks(std::uint64_t piece) const;
  /// Of a piece that has been learnt.
  void plan(std::uint64_t piece, std::uint8_t blocks);

  void emit(Script& script) const;
  void keep();
  void abandon() { planned_.clear(); }
  void forget();

 private:
  Link& link_;
  const Version& version_;
  Uuid device_;
  std::string column_;
  std::map<std::uint64_t, std::vector<std::uint8_t>> known_;  ///< run by run
  std::map<std::uint64_t, std::uint8_t> planned_;             ///< by piece, those alone that change
  Script script_;
  Answers answers_;
};

}  // namespace chimera::tables
