// Where the pages of the free-space map lie, and the summary that stays in memory.

#include <algorithm>

#include "devices/crc32c.h"
#include "devices/read_now.h"
#include "devices/space_map.h"

namespace chimera::devices {

std::uint32_t SpaceMap::fixed_blocks(std::uint32_t group) {
  return (group == 0 ? reserved_blocks : 0) + (group % entries_per_page == 0 ? 8 : 2);
}

std::uint64_t SpaceMap::home(unsigned level, std::uint64_t page, unsigned which) {
  std::uint64_t group = page;
  for (unsigned n = 0; n < level; ++n) group *= entries_per_page;
  return group * group_blocks + (group == 0 ? reserved_blocks : 0) + 2 * level + which;
}

std::uint32_t SpaceMap::blocks_in(std::uint32_t group) const {
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(group_blocks, block_count_ - std::uint64_t{group} * group_blocks));
}

/// Gives every level its number of entries; a last group too small for its homes is left out.
void SpaceMap::shape_levels() {
  std::uint64_t count = (block_count_ + group_blocks - 1) / group_blocks;
  if (count > 1 && blocks_in(static_cast<std::uint32_t>(count - 1)) < 64) {
    --count;
    block_count_ = count * group_blocks;
  }
  for (std::size_t level = 0;; ++level) {
    if (levels_.size() == level) levels_.emplace_back();
    levels_[level].resize(count);
    if (count == 1 && level > 0) {
      levels_.resize(level + 1);
      return;
    }
    count = (count + entries_per_page - 1) / entries_per_page;
  }
}

bool SpaceMap::open(io::Loop& loop, std::uint64_t block_count, const SpaceEntry& root) {
  block_count_ = block_count;
  shape_levels();
  levels_.back()[0] = root;
  bool good = true;
  for (std::size_t level = levels_.size() - 1; level > 0 && good; --level) {
    const std::vector<SpaceEntry>& entries = levels_[level];
    std::vector<SpaceEntry>& below = levels_[level - 1];
    std::vector<std::uint64_t> addresses;
    for (std::size_t n = 0; n < entries.size(); ++n) {
      addresses.push_back(home(static_cast<unsigned>(level), n, entries[n].home()));
    }
    read_many(loop, disk_, addresses, [&](std::size_t n, const Block* page) {
      good =
          good && page != nullptr && block_checksum(addresses[n], entries[n].generation, page) == entries[n].checksum;
      if (!good) return;
      const std::size_t first = n * entries_per_page;
      const std::size_t count = std::min<std::size_t>(entries_per_page, below.size() - first);
      std::memcpy(&below[first], page, count * sizeof(SpaceEntry));
    });
  }
  if (!good) return false;
  free_ = 0;
  for (std::uint32_t group = 0; group < levels_[0].size(); ++group) {
    if (levels_[0][group].free() > blocks_in(group)) return false;
    free_ += levels_[0][group].free();
  }
  return true;
}

}  // namespace chimera::devices
