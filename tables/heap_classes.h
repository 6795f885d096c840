#pragma once
// The sizes of a heap's pieces: every 16 bytes up to 256, then four steps for each doubling, up to 64 MiB.

#include <bit>
#include <cassert>
#include <cstdint>

namespace chimera::tables {

inline constexpr std::uint64_t heap_granule = 16;  ///< bytes; all places and sizes are multiples
inline constexpr std::uint64_t heap_first_granule =
    256;                                            ///< the first that may be a piece's: behind the header's block
inline constexpr unsigned heap_small_classes = 16;  ///< those of up to 256 bytes
inline constexpr unsigned heap_classes = heap_small_classes + 4 * 18;
inline constexpr std::uint64_t heap_largest_piece = std::uint64_t{64} << 20;

/// Bytes of a piece of that class.
[[nodiscard]] constexpr std::uint64_t heap_class_size(unsigned size_class) {
  assert(size_class < heap_classes);
  if (size_class < heap_small_classes) return (size_class + 1) * heap_granule;
  const unsigned step = size_class - heap_small_classes;
  return (std::uint64_t{5} + step % 4) << (6 + step / 4);
}

/// The smallest class whose pieces hold `size` bytes, which are 1 to heap_largest_piece.
[[nodiscard]] constexpr unsigned heap_class_of(std::uint64_t size) {
  assert(size > 0 && size <= heap_largest_piece);
  if (size <= heap_small_classes * heap_granule) return static_cast<unsigned>((size - 1) / heap_granule);
  const unsigned doubling = static_cast<unsigned>(std::bit_width(size - 1)) - 9;  // 257 to 512 are the first
  const std::uint64_t step = ((size - 1) >> (6 + doubling)) - 4;
  return heap_small_classes + 4 * doubling + static_cast<unsigned>(step);
}

static_assert(heap_class_size(heap_classes - 1) == heap_largest_piece);
static_assert(heap_class_of(256) == 15 && heap_class_of(257) == 16 && heap_class_size(16) == 320);
static_assert(heap_class_of(512) == 19 && heap_class_of(513) == 20 && heap_class_size(20) == 640);
static_assert(heap_class_of(heap_largest_piece) == heap_classes - 1);

}  // namespace chimera::tables
