#include "io/registered_memory.h"

#include <sys/uio.h>

#include <algorithm>

namespace chimera::io {
namespace {

constexpr std::size_t largest_piece = std::size_t{1} << 30;  // the kernel's own bound
constexpr unsigned most_pieces = 4096;

}  // namespace

void RegisteredMemory::add(io_uring& ring, void* base, std::size_t size) {
  if (table_ == Table::none) {
    table_ = io_uring_register_buffers_sparse(&ring, most_pieces) == 0 ? Table::made : Table::refused;
  }
  if (table_ == Table::refused) return;
  auto* start = static_cast<std::byte*>(base);
  while (size > 0 && pieces_.size() < most_pieces) {
    const std::size_t piece_size = std::min(size, largest_piece);
    const auto index = static_cast<std::uint16_t>(pieces_.size());
    const iovec span{start, piece_size};
    const __u64 no_tag = 0;
    // ENOMEM: over the locked-memory limit. The rest would not fit either.
    if (io_uring_register_buffers_update_tag(&ring, index, &span, &no_tag, 1) != 1) return;
    const Piece piece{reinterpret_cast<std::uintptr_t>(start), piece_size, index};
    pieces_.insert(std::ranges::upper_bound(pieces_, piece.start, {}, &Piece::start), piece);
    start += piece_size;
    size -= piece_size;
  }
}

std::optional<std::uint16_t> RegisteredMemory::find(const void* start, std::size_t size) const {
  const auto address = reinterpret_cast<std::uintptr_t>(start);
  const auto behind = std::ranges::upper_bound(pieces_, address, {}, &Piece::start);
  if (behind == pieces_.begin()) return std::nullopt;
  const Piece& piece = *std::prev(behind);
  const std::size_t skipped = address - piece.start;
  if (skipped >= piece.size || size > piece.size - skipped) return std::nullopt;
  return piece.index;
}

}  // namespace chimera::io
