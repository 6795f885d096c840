#pragma once
// What a transaction has written to one plane of a device: pieces of bytes, or of zeros, that lie over what the device
// holds. They never overlap.

#include <algorithm>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "isa/limits.h"

namespace chimera::vm {

class Overlay {
 public:
  struct Piece {
    std::uint64_t last;               ///< its last offset
    std::vector<std::uint8_t> bytes;  ///< empty: zeros
  };
  /// By their first offset.
  using Pieces = std::map<std::uint64_t, Piece>;

  void write(std::uint64_t offset, std::span<const std::uint8_t> bytes);
  /// Both ends inclusive.
  void clear(std::uint64_t first, std::uint64_t last);
  void reset() { *this = Overlay(); }

  [[nodiscard]] const Pieces& pieces() const { return pieces_; }
  [[nodiscard]] bool empty() const { return pieces_.empty(); }
  /// Held in memory, with what the pieces themselves take.
  [[nodiscard]] std::uint64_t bytes() const { return bytes_ + pieces_.size() * piece_overhead; }
  [[nodiscard]] std::uint64_t blocks() const { return blocks_; }  ///< of the device that the pieces with bytes touch

  /// Calls visit(first, last, piece) for each part of the range, in order; the piece is null where there is none. Stops
  /// where visit returns false, and returns false then.
  template <typename Visit>
  bool each(std::uint64_t first, std::uint64_t last, Visit&& visit) const {
    auto at = pieces_.upper_bound(first);
    if (at != pieces_.begin() && std::prev(at)->second.last >= first) --at;
    while (true) {
      if (at == pieces_.end() || at->first > last) return visit(first, last, nullptr);
      if (at->first > first && !visit(first, at->first - 1, nullptr)) return false;
      const std::uint64_t from = std::max(first, at->first);
      const std::uint64_t to = std::min(last, at->second.last);
      if (!visit(from, to, &*at)) return false;
      if (to == last) return true;
      first = to + 1;
      ++at;
    }
  }

  /// The bytes of a piece from this offset on.
  [[nodiscard]] static const std::uint8_t* bytes_at(const Pieces::value_type& piece, std::uint64_t offset) {
    return piece.second.bytes.data() + (offset - piece.first);
  }

 private:
  static constexpr std::uint64_t piece_overhead = 128;
  static constexpr std::size_t longest_piece = 256 << 10;

  void cut(std::uint64_t first, std::uint64_t last);
  void put(std::uint64_t first, Piece piece);
  void count(std::uint64_t first, const Piece& piece, bool in);

  Pieces pieces_;
  std::uint64_t bytes_ = 0;
  std::uint64_t blocks_ = 0;
};

}  // namespace chimera::vm
