#include "tables/piece_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cstring>

#include "tables/compression.h"

namespace chimera::tables {
namespace {

/// Bytes that one program reads, about: what is read of many packed pieces takes no more memory than this beside what
/// is wanted of them.
constexpr std::uint64_t most_at_once = 4 << 20;

}  // namespace

std::uint64_t whole_pieces(const OpenTable& table, std::uint32_t column) {
  return table.header().tail * table.shape().columns[column].width / packed::piece_size;
}

std::string words_of_rows(const TableShape& shape, std::uint32_t column, const ByteRange& bytes) {
  const std::uint32_t width = shape.columns[column].width;
  return fmt::format("rows {} to {}", bytes.offset / width, (bytes.end() - 1) / width);
}

Failure damaged_piece(const TableShape& shape, std::uint32_t column, std::uint64_t piece, std::string_view why) {
  return {Status::corrupt,
          fmt::format("{}, column {}: the packed piece of {} is damaged: {}.", shape.name, shape.column_name(column),
                      words_of_rows(shape, column, bytes_of_piece(piece)), why)};
}

Result<bool> PieceReader::are_packed(std::uint32_t column, std::span<const ByteRange> ranges) {
  PackedPieces& pieces = *table_.packed(column);
  for (const ByteRange& range : ranges) {
    if (range.size == 0) continue;
    const std::uint64_t first = range.offset / packed::piece_size, last = (range.end() - 1) / packed::piece_size;
    if (auto done = pieces.learn(first, last + 1); !done) return std::unexpected(std::move(done.error()));
    for (std::uint64_t piece = first; piece <= last; ++piece) {
      if (pieces.blocks(piece) != 0) return true;
    }
  }
  return false;
}

/// Cuts the ranges where pieces begin, but not between plain ones.
Result<> PieceReader::plan(std::uint32_t column, std::span<const ByteRange> ranges) {
  PackedPieces& pieces = *table_.packed(column);
  const std::uint64_t whole = whole_pieces(table_, column);
  parts_.clear();
  std::size_t to = 0;
  for (const ByteRange& range : ranges) {
    bool goes_on = false;
    for (std::uint64_t at = range.offset; at < range.end();) {
      const std::uint64_t piece = at / packed::piece_size;
      const std::uint64_t size = std::min(range.end(), (piece + 1) * packed::piece_size) - at;
      if (auto done = pieces.learn(piece, piece + 1); !done) return done;
      const std::uint8_t blocks = pieces.blocks(piece);
      if (blocks > packed::most_blocks || (blocks != 0 && piece >= whole)) {
        return std::unexpected(damaged_piece(table_.shape(), column, piece, "what is said of it cannot be"));
      }
      if (blocks == 0 && goes_on) {
        parts_.back().bytes.size += size;
      } else {
        parts_.push_back({piece, blocks, {at, size}, to});
      }
      goes_on = blocks == 0;
      to += size;
      at += size;
    }
  }
  return {};
}

Result<> PieceReader::read(std::uint32_t column, std::span<const ByteRange> ranges, std::vector<std::uint8_t>& to) {
  if (auto done = plan(column, ranges); !done) return done;
  to.resize(parts_.empty() ? 0 : parts_.back().to + parts_.back().bytes.size);
  for (std::size_t first = 0; first < parts_.size();) {
    const auto end = read_some(column, first, to);
    if (!end) return std::unexpected(end.error());
    first = *end;
  }
  return {};
}

/// The parts from `first` on; behind which it ends.
Result<std::size_t> PieceReader::read_some(std::uint32_t column, std::size_t first, std::span<std::uint8_t> to) {
  const Uuid& device = table_.packed(column)->device();
  Script& script = table_.script;
  Reading reading(script, table_.version());
  std::size_t end = first;
  const auto is_same_piece = [&](std::size_t i) {
    return i > first && parts_[i].blocks != 0 && parts_[i - 1].piece == parts_[i].piece;
  };
  for (std::uint64_t bytes = 0; end < parts_.size(); ++end) {
    const Part& part = parts_[end];
    if (is_same_piece(end)) continue;
    if (bytes >= most_at_once) break;
    const bool is_packed = part.blocks != 0;
    const ByteRange asked =
        is_packed ? ByteRange{bytes_of_piece(part.piece).offset, part.blocks * packed::block_size} : part.bytes;
    script.note([&] {
      const ByteRange held = is_packed ? bytes_of_piece(part.piece) : part.bytes;
      return fmt::format("column {}, {}{}", table_.shape().column_name(column),
                         words_of_rows(table_.shape(), column, held), is_packed ? ": a packed piece" : "");
    });
    script.read_bytes(device, asked.offset, static_cast<std::uint32_t>(asked.size));
    bytes += asked.size;
  }
  if (auto done = reading.run(table_.link(), answers_); !done) return std::unexpected(std::move(done.error()));
  std::size_t answer = 0;  // in front of them stands a check
  for (std::size_t i = first; i < end; ++i) {
    const Part& part = parts_[i];
    const bool is_same = is_same_piece(i);
    if (!is_same) ++answer;
    const Answers::Bytes bytes = answers_.bytes(answer);
    if (part.blocks == 0) {
      std::memcpy(&to[part.to], bytes.data(), bytes.size());
    } else if (auto done = unpack(column, part, is_same, bytes, &to[part.to]); !done) {
      return std::unexpected(std::move(done.error()));
    }
  }
  return end;
}

Result<> PieceReader::unpack(std::uint32_t column, const Part& part, bool is_same_piece,
                             std::span<const std::uint8_t> frame, std::uint8_t* to) {
  const bool is_whole = part.bytes.size == packed::piece_size;
  if (!is_same_piece) {
    piece_.resize(packed::piece_size);
    const std::span<std::uint8_t> into = is_whole ? std::span(to, packed::piece_size) : std::span(piece_);
    if (!decompress_into(frame, into)) {
      return std::unexpected(damaged_piece(table_.shape(), column, part.piece, "it cannot be unpacked"));
    }
  }
  if (!is_whole) std::memcpy(to, &piece_[part.bytes.offset % packed::piece_size], part.bytes.size);
  return {};
}

}  // namespace chimera::tables
