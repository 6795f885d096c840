#pragma once
// What a change does to the pieces of a column that may have packed ones: they are packed, or plain again. Whoever
// writes to some bytes of a packed piece makes it plain in the same change; whoever writes all of one may pack it.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "tables/change.h"
#include "tables/packed_pieces.h"
#include "tables/row_numbers.h"

namespace chimera::tables {

/// The bytes of a whole piece as a frame; no bytes where all of them are zeros, which a hole is enough for. Nothing:
/// too little would be gained.
[[nodiscard]] std::optional<std::vector<std::uint8_t>> pack(std::span<const std::uint8_t> bytes);

/// Plans that a piece is packed, as `pack` has made it; where that is a hole, it is plain. The device reaches to the
/// piece's end.
void plan_packed(Script& script, PackedPieces& pieces, std::uint64_t piece, std::span<const std::uint8_t> frame);

/// Plans that these pieces, which are packed and ascend, are plain again. The table has joined the change.
[[nodiscard]] Result<> plan_plain(OpenTable& table, Change& change, std::uint32_t column,
                                  std::span<const std::uint64_t> pieces);

/// Plans that each packed piece is plain in which entries of these rows stand, but for those that get all of their
/// bytes by one of the runs. `too_large`: these are more than one change should take.
[[nodiscard]] Result<> plan_plain_under(OpenTable& table, Change& change, std::uint32_t column,
                                        std::span<const RowRun> runs);

/// Plans bytes of entries behind `plan_plain_under`: pieces that are whole among them are packed. A change writes no
/// row twice.
void write_entries(OpenTable& table, Change& change, std::uint32_t column, std::uint64_t offset,
                   std::span<const std::uint8_t> bytes);

}  // namespace chimera::tables
