#include "tables/packed_writes.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "tables/compression.h"
#include "tables/piece_reader.h"

namespace chimera::tables {
namespace {

/// Packed pieces of a column that one change makes plain, at most: 16 MiB.
constexpr std::size_t most_made_plain = 256;

std::uint64_t blocks_of(std::uint64_t bytes) { return (bytes + packed::block_size - 1) / packed::block_size; }

ByteRange bytes_of_run(const RowRun& run, std::uint32_t width) { return {run.row * width, run.count * width}; }

/// The pieces that lie in a range as a whole: from `first` to `end`.
struct WholePieces {
  explicit WholePieces(const ByteRange& range)
      : first((range.offset + packed::piece_size - 1) / packed::piece_size),
        end(std::max(range.end() / packed::piece_size, first)) {}
  [[nodiscard]] bool contain(std::uint64_t piece) const { return piece >= first && piece < end; }

  std::uint64_t first, end;
};

}  // namespace

std::optional<std::vector<std::uint8_t>> pack(std::span<const std::uint8_t> bytes) {
  std::vector<std::uint8_t> frame;
  if (std::ranges::all_of(bytes, [](std::uint8_t b) { return b == 0; })) return frame;
  if (!compress(bytes, frame) || blocks_of(frame.size()) > packed::most_blocks) return {};
  return frame;
}

void plan_packed(Script& script, PackedPieces& pieces, std::uint64_t piece, std::span<const std::uint8_t> frame) {
  const ByteRange range = bytes_of_piece(piece);
  script.add(Program().clear_extents(pieces.device(), range.offset, range.size));
  if (!frame.empty()) script.write_bytes(pieces.device(), range.offset, frame);
  pieces.plan(piece, static_cast<std::uint8_t>(blocks_of(frame.size())));
}

Result<> plan_plain(OpenTable& table, Change& change, std::uint32_t column, std::span<const std::uint64_t> pieces) {
  if (pieces.empty()) return {};
  std::vector<ByteRange> ranges;
  for (const std::uint64_t piece : pieces) ranges.push_back(bytes_of_piece(piece));
  std::vector<std::uint8_t> bytes;
  PieceReader reader(table);
  if (auto done = reader.read(column, ranges, bytes); !done) return done;
  PackedPieces& packed = *table.packed(column);
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    change.script.note([&] {
      return fmt::format("column {}, {}: no longer packed", table.shape().column_name(column),
                         words_of_rows(table.shape(), column, ranges[i]));
    });
    change.script.write_bytes(packed.device(), ranges[i].offset,
                              std::span(bytes).subspan(i * packed::piece_size, packed::piece_size));
    packed.plan(pieces[i], 0);
  }
  return {};
}

Result<> plan_plain_under(OpenTable& table, Change& change, std::uint32_t column, std::span<const RowRun> runs) {
  PackedPieces& packed = *table.packed(column);
  const std::uint32_t width = table.shape().columns[column].width;
  std::vector<std::uint64_t> touched;
  for (const RowRun& run : runs) {
    const ByteRange range = bytes_of_run(run, width);
    const std::uint64_t first = range.offset / packed::piece_size, last = (range.end() - 1) / packed::piece_size;
    if (auto done = packed.learn(first, last + 1); !done) return done;
    const WholePieces whole(range);
    for (const std::uint64_t piece : {first, last}) {
      if (!whole.contain(piece) && packed.planned_blocks(piece) != 0) touched.push_back(piece);
    }
  }
  std::ranges::sort(touched);
  const auto twice = std::ranges::unique(touched);
  touched.erase(twice.begin(), twice.end());
  if (touched.size() > most_made_plain) {
    // As if the machine had said so of the change: then whoever makes it does with fewer rows.
    return std::unexpected(Failure{Status::too_large,
                                   fmt::format("The rows lie in {} packed pieces of column {}: too many at once.",
                                               touched.size(), table.shape().column_name(column)),
                                   change.script.size()});
  }
  return plan_plain(table, change, column, touched);
}

void write_entries(OpenTable& table, Change& change, std::uint32_t column, std::uint64_t offset,
                   std::span<const std::uint8_t> bytes) {
  PackedPieces& packed = *table.packed(column);
  const ByteRange range{offset, bytes.size()};
  const std::uint64_t reached = table.header().tail * table.shape().columns[column].width;
  const WholePieces whole(range);
  std::uint64_t written = offset;  ///< as far as it is planned
  const auto write_up_to = [&](std::uint64_t end) {
    if (end <= written) return;
    change.script.write_bytes(packed.device(), written, bytes.subspan(written - offset, end - written));
    written = end;
  };
  for (std::uint64_t piece = whole.first; piece < whole.end; ++piece) {
    const ByteRange of = bytes_of_piece(piece);
    const auto frame = pack(bytes.subspan(of.offset - offset, of.size));
    if (!frame) {
      packed.plan(piece, 0);
      continue;
    }
    write_up_to(of.offset);
    // Where the column gets longer the device does, although the piece ends with a hole.
    if (of.end() > reached)
      change.script.write_bytes(packed.device(), of.end() - 1, bytes.subspan(of.end() - 1 - offset, 1));
    plan_packed(change.script, packed, piece, *frame);
    written = of.end();
  }
  write_up_to(range.end());
}

}  // namespace chimera::tables
