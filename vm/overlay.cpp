#include "vm/overlay.h"

#include <cstring>
#include <iterator>
#include <utility>

namespace chimera::vm {

void Overlay::count(std::uint64_t first, const Piece& piece, bool in) {
  if (piece.bytes.empty()) return;
  const std::uint64_t blocks = piece.last / limits::block_size - first / limits::block_size + 1;
  const std::uint64_t bytes = piece.bytes.size();
  blocks_ = in ? blocks_ + blocks : blocks_ - blocks;
  bytes_ = in ? bytes_ + bytes : bytes_ - bytes;
}

void Overlay::put(std::uint64_t first, Piece piece) {
  count(first, piece, true);
  pieces_.emplace(first, std::move(piece));
}

/// Nothing is left in the range; pieces that reach out of it keep the rest.
void Overlay::cut(std::uint64_t first, std::uint64_t last) {
  auto at = pieces_.upper_bound(first);
  if (at != pieces_.begin() && std::prev(at)->second.last >= first) --at;
  while (at != pieces_.end() && at->first <= last) {
    const std::uint64_t begin = at->first;
    Piece piece = std::move(at->second);
    count(begin, piece, false);
    at = pieces_.erase(at);
    if (piece.last > last) {
      Piece behind{piece.last, {}};
      if (!piece.bytes.empty()) {
        behind.bytes.assign(piece.bytes.begin() + static_cast<std::ptrdiff_t>(last + 1 - begin), piece.bytes.end());
      }
      put(last + 1, std::move(behind));
    }
    if (begin < first) {
      if (!piece.bytes.empty()) piece.bytes.resize(static_cast<std::size_t>(first - begin));
      piece.last = first - 1;
      put(begin, std::move(piece));
    }
  }
}

void Overlay::write(std::uint64_t offset, std::span<const std::uint8_t> bytes) {
  if (bytes.empty()) return;
  const std::uint64_t last = offset + (bytes.size() - 1);
  const auto after = pieces_.upper_bound(offset);
  if (after != pieces_.begin()) {
    auto& [first, piece] = *std::prev(after);
    if (!piece.bytes.empty() && piece.last >= last) {
      std::memcpy(&piece.bytes[static_cast<std::size_t>(offset - first)], bytes.data(), bytes.size());
      return;
    }
    const bool is_free = after == pieces_.end() || after->first > last;
    if (!piece.bytes.empty() && piece.bytes.size() + bytes.size() <= longest_piece && piece.last + 1 == offset &&
        is_free) {
      count(first, piece, false);
      piece.bytes.insert(piece.bytes.end(), bytes.begin(), bytes.end());
      piece.last = last;
      count(first, piece, true);
      return;
    }
  }
  cut(offset, last);
  // Cutting a piece moves what is left of it, so none is long.
  for (std::uint64_t at = offset; !bytes.empty();) {
    const auto part = bytes.first(std::min(bytes.size(), longest_piece));
    put(at, {at + (part.size() - 1), {part.begin(), part.end()}});
    at += part.size();
    bytes = bytes.subspan(part.size());
  }
}

void Overlay::clear(std::uint64_t first, std::uint64_t last) {
  cut(first, last);
  put(first, {last, {}});
}

}  // namespace chimera::vm
