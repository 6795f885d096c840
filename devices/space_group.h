#pragma once
// A group of blocks in memory: its bitmaps.

#include <array>
#include <cstdint>

#include "devices/layout.h"
#include "devices/space_map.h"

namespace chimera::devices {

inline constexpr std::uint32_t words_in_bitmap = block_size / 8;
using Bitmap = std::array<std::uint64_t, words_in_bitmap>;

inline bool test(const Bitmap& bitmap, std::uint32_t bit) { return (bitmap[bit / 64] >> bit % 64 & 1) != 0; }
inline void set(Bitmap& bitmap, std::uint32_t bit) { bitmap[bit / 64] |= std::uint64_t{1} << bit % 64; }
inline void reset(Bitmap& bitmap, std::uint32_t bit) { bitmap[bit / 64] &= ~(std::uint64_t{1} << bit % 64); }

inline std::uint32_t group_of(std::uint64_t address) { return static_cast<std::uint32_t>(address / group_blocks); }
inline std::uint32_t bit_of(std::uint64_t address) { return static_cast<std::uint32_t>(address % group_blocks); }

struct SpaceMap::Group {
  Bitmap used{};
  Bitmap held{};  ///< free, and nobody's to allocate yet: until a checkpoint is published, or a discard has ended
  std::uint32_t held_count = 0;
  bool dirty = false;
  bool reserved = false;
  bool awaits_publication = false;          ///< some of the held blocks do
  bool passed = false;                      ///< the searches have met: time for an emptier group
  std::uint32_t data_next = 0;              ///< data is looked for from here upwards
  std::uint32_t nodes_next = group_blocks;  ///< nodes are looked for below
};

}  // namespace chimera::devices
