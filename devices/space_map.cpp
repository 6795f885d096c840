#include "devices/space_map.h"

#include <algorithm>
#include <bit>
#include <cassert>

#include "devices/crc32c.h"
#include "devices/read_now.h"
#include "devices/safeguards.h"

namespace chimera::devices {
namespace {

constexpr std::uint32_t words_in_bitmap = block_size / 8;
/// Bitmaps in memory beyond those that are needed at the moment.
constexpr std::size_t most_idle_groups = 512;

using Bitmap = std::array<std::uint64_t, words_in_bitmap>;

bool test(const Bitmap& bitmap, std::uint32_t bit) { return (bitmap[bit / 64] >> bit % 64 & 1) != 0; }
void set(Bitmap& bitmap, std::uint32_t bit) { bitmap[bit / 64] |= std::uint64_t{1} << bit % 64; }
void reset(Bitmap& bitmap, std::uint32_t bit) { bitmap[bit / 64] &= ~(std::uint64_t{1} << bit % 64); }

std::uint32_t group_of(std::uint64_t address) { return static_cast<std::uint32_t>(address / group_blocks); }
std::uint32_t bit_of(std::uint64_t address) { return static_cast<std::uint32_t>(address % group_blocks); }

}  // namespace

struct SpaceMap::Group {
  Bitmap used{};
  Bitmap held{};
  std::uint32_t held_count = 0;
  bool dirty = false;
  bool reserved = false;
  bool passed = false;                      ///< the searches have met: time for an emptier group
  std::uint32_t data_next = 0;              ///< data is looked for from here upwards
  std::uint32_t nodes_next = group_blocks;  ///< nodes are looked for below
};

class SpaceMap::GroupLoad final : public io::DiskRequest {
 public:
  GroupLoad(SpaceMap& map, std::uint32_t group) : map_(map), number(group), buffer_(make_block_buffer()) {
    place_ = reinterpret_cast<std::byte*>(buffer_.get());
    kind = Kind::read;
    first_block = home(0, group, map.levels_[0][group].home());
    buffers = {&place_, 1};
  }
  void finished() override { map_.arrived(*this); }
  [[nodiscard]] const Block& bytes() const { return *buffer_; }

 private:
  SpaceMap& map_;

 public:
  std::uint32_t number;

 private:
  BlockBuffer buffer_;
  std::byte* place_ = nullptr;
};

SpaceMap::SpaceMap(io::Disk& disk, std::function<void()> changed) : disk_(disk), changed_(std::move(changed)) {}
SpaceMap::~SpaceMap() { assert(loads_.empty()); }

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

void SpaceMap::make(std::uint64_t block_count) {
  block_count_ = block_count;
  shape_levels();
  for (std::uint32_t group = 0; group < levels_[0].size(); ++group) {
    const std::uint32_t free = blocks_in(group) - fixed_blocks(group);
    levels_[0][group] = {.free_and_flags = free << 2 | SpaceEntry::fresh};
    free_ += free;
  }
  // Something of each page must be written for the pages to exist.
  for (std::uint32_t group = 0; group < levels_[0].size(); group += entries_per_page) mark_dirty(group, *loaded(group));
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

SpaceMap::Reserved SpaceMap::prepare_grow() {
  const std::uint32_t last = group_count() - 1;
  if (loaded(last) != nullptr) return Reserved::ready;
  return load(last) ? Reserved::loading : Reserved::failed;
}

void SpaceMap::grow(std::uint64_t block_count) {
  assert(block_count >= block_count_);
  const auto old_groups = static_cast<std::uint32_t>(levels_[0].size());
  const std::uint32_t old_last = blocks_in(old_groups - 1);
  Group& group = *groups_.at(old_groups - 1);
  block_count_ = block_count;
  shape_levels();
  const std::uint32_t gained = blocks_in(old_groups - 1) - old_last;
  SpaceEntry& last = levels_[0][old_groups - 1];
  last.free_and_flags += gained << 2;
  free_ += gained;
  for (std::uint32_t bit = old_last; bit < old_last + gained; ++bit) reset(group.used, bit);
  if (group.reserved) reserved_blocks_ += gained;
  mark_dirty(old_groups - 1, group);
  for (std::uint32_t number = old_groups; number < levels_[0].size(); ++number) {
    const std::uint32_t free = blocks_in(number) - fixed_blocks(number);
    levels_[0][number] = {.free_and_flags = free << 2 | SpaceEntry::fresh};
    free_ += free;
    // A page of the summary is written with any of its groups.
    if (number == old_groups || number % entries_per_page == 0) mark_dirty(number, *loaded(number));
  }
}

void SpaceMap::make_fresh(Group& group, std::uint32_t number) const {
  group.used = {};
  for (std::uint32_t bit = 0; bit < fixed_blocks(number); ++bit) set(group.used, bit);
  for (std::uint32_t bit = blocks_in(number); bit < group_blocks; ++bit) set(group.used, bit);
}

/// The group if it is in memory, or can be without reading.
SpaceMap::Group* SpaceMap::loaded(std::uint32_t number) {
  if (const auto found = groups_.find(number); found != groups_.end()) return found->second.get();
  if (!levels_[0][number].is_fresh()) return nullptr;
  auto group = std::make_unique<Group>();
  make_fresh(*group, number);
  return (groups_[number] = std::move(group)).get();
}

bool SpaceMap::load(std::uint32_t number) {
  if (loaded(number) != nullptr || loads_.contains(number)) return true;
  if (failed_) return false;
  auto& load = loads_[number] = std::make_unique<GroupLoad>(*this, number);
  disk_.start(*load);
  return true;
}

/// Whether a bitmap has the free blocks that are booked, and none where no block may be allocated.
bool SpaceMap::agrees(const Group& group, std::uint32_t number) const {
  Group fresh;
  make_fresh(fresh, number);
  std::uint32_t free = 0;
  for (std::uint32_t word = 0; word < words_in_bitmap; ++word) {
    if ((fresh.used[word] & ~group.used[word]) != 0) return false;
    free += static_cast<std::uint32_t>(std::popcount(~group.used[word]));
  }
  return free == levels_[0][number].free();
}

void SpaceMap::arrived(GroupLoad& load) {
  const std::uint32_t number = load.number;
  const SpaceEntry& entry = levels_[0][number];
  const std::uint64_t address = load.first_block;
  if (load.error != 0 || block_checksum(address, entry.generation, &load.bytes()) != entry.checksum) {
    failed_ = true;
  } else {
    auto group = std::make_unique<Group>();
    std::memcpy(&group->used, &load.bytes(), block_size);
    if (agrees(*group, number)) {
      groups_[number] = std::move(group);
    } else {
      failed_ = true;
    }
  }
  loads_.erase(number);
  changed_();
}

std::uint64_t SpaceMap::available_in(std::uint32_t number) const {
  const auto found = groups_.find(number);
  return levels_[0][number].free() - (found == groups_.end() ? 0 : found->second->held_count);
}

void SpaceMap::leave_passed_groups() {
  std::erase_if(reserved_, [&](std::uint32_t number) {
    Group& group = *groups_.at(number);
    if (!group.passed) return false;
    reserved_blocks_ -= available_in(number);
    group.passed = group.reserved = false;
    return true;
  });
}

SpaceMap::Reserved SpaceMap::reserve(std::uint64_t count) {
  leave_passed_groups();
  bool waits = false;
  std::uint64_t coming = reserved_blocks_;
  while (coming < count) {
    // The emptiest group that is not yet among the reserved ones, or on its way to be.
    std::uint64_t best = 0;
    std::uint32_t best_group = 0;
    for (std::uint32_t number = 0; number < levels_[0].size(); ++number) {
      if (levels_[0][number].free() <= best) continue;
      const auto found = groups_.find(number);
      if (found != groups_.end() && found->second->reserved) continue;
      if (waits && loads_.contains(number)) continue;
      const std::uint64_t here = available_in(number);
      if (here > best) {
        best = here;
        best_group = number;
      }
    }
    if (best == 0) return waits ? Reserved::loading : Reserved::failed;
    coming += best;
    if (Group* group = loaded(best_group); group != nullptr) {
      group->reserved = true;
      group->passed = false;
      group->data_next = 0;
      group->nodes_next = group_blocks;
      reserved_.push_back(best_group);
      reserved_blocks_ += best;
    } else {
      if (!load(best_group)) return Reserved::failed;
      waits = true;
    }
  }
  return waits ? Reserved::loading : Reserved::ready;
}

void SpaceMap::mark_dirty(std::uint32_t number, Group& group) {
  if (group.dirty) return;
  group.dirty = true;
  dirty_groups_.push_back(number);
}

std::uint32_t SpaceMap::find_data(Group& group) const {
  for (std::uint32_t bit = group.data_next; bit < group_blocks; bit = (bit / 64 + 1) * 64) {
    const std::uint64_t open = ~(group.used[bit / 64] | group.held[bit / 64]) >> bit % 64;
    if (open != 0) return group.data_next = bit + static_cast<std::uint32_t>(std::countr_zero(open));
  }
  return group_blocks;
}

std::uint32_t SpaceMap::find_node(Group& group) const {
  for (std::uint32_t end = group.nodes_next; end > 0; end = (end - 1) / 64 * 64) {
    const std::uint32_t last = end - 1;
    const std::uint64_t open = ~(group.used[last / 64] | group.held[last / 64]) << (63 - last % 64);
    if (open != 0) return group.nodes_next = last - static_cast<std::uint32_t>(std::countl_zero(open));
  }
  return group_blocks;
}

std::uint64_t SpaceMap::allocate(Use use) {
  assert(reserved_blocks_ > 0);
  const std::uint32_t number = reserved_.front();
  Group& group = *groups_.at(number);
  std::uint32_t bit = use == Use::data ? find_data(group) : find_node(group);
  // Where the two searches meet, one would go on in the other's gaps.
  group.passed |= group.data_next > group.nodes_next;
  if (bit == group_blocks) {
    // Blocks that the search has passed may have become free since.
    group.passed = true;
    group.data_next = 0;
    group.nodes_next = group_blocks;
    bit = use == Use::data ? find_data(group) : find_node(group);
    assert(bit != group_blocks);
  }
  set(group.used, bit);
  levels_[0][number].free_and_flags -= 4;
  --free_;
  --reserved_blocks_;
  mark_dirty(number, group);
  if (available_in(number) == 0) {
    group.reserved = false;
    reserved_.erase(reserved_.begin());
  }
  return std::uint64_t{number} * group_blocks + bit;
}

void SpaceMap::release(std::uint64_t address) {
  assert(address >= reserved_blocks && address < block_count_);
  pending_.push_back(address);
  has_pending_.resize(group_count());
  if (has_pending_[group_of(address)]) return;
  has_pending_[group_of(address)] = true;
  ++pending_groups_;
}

SpaceMap::Reserved SpaceMap::load_released(const std::vector<std::uint64_t>& also) {
  bool waits = false;
  std::uint32_t last = ~std::uint32_t{0};
  const auto want = [&](std::uint64_t address) {
    const std::uint32_t number = group_of(address);
    if (number == last || loaded(number) != nullptr) return true;
    last = number;
    waits = true;
    return load(number);
  };
  for (const std::uint64_t address : pending_) {
    if (!want(address)) return Reserved::failed;
  }
  for (const std::uint64_t address : also) {
    if (!want(address)) return Reserved::failed;
  }
  return waits ? Reserved::loading : Reserved::ready;
}

std::vector<SpaceMap::Image> SpaceMap::images(std::uint64_t generation, SpaceEntry& root) {
  for (const std::uint64_t address : pending_) {
    const std::uint32_t number = group_of(address);
    Group& group = *groups_.at(number);
    assert(test(group.used, bit_of(address)));
    reset(group.used, bit_of(address));
    levels_[0][number].free_and_flags += 4;
    ++free_;
    mark_dirty(number, group);
    if (!safeguards::freed_blocks_are_held) {
      if (group.reserved) ++reserved_blocks_;
      continue;
    }
    set(group.held, bit_of(address));
    ++held_;
    if (group.held_count++ == 0) held_groups_.push_back(number);
  }
  pending_.clear();
  has_pending_.assign(group_count(), false);
  pending_groups_ = 0;

  std::vector<Image> images;
  const auto write_out = [&](unsigned level, std::size_t page, SpaceEntry& entry, const void* bytes, std::size_t size) {
    const unsigned which = entry.is_fresh() || !safeguards::map_homes_alternate ? 0 : 1 - entry.home();
    Image image{home(level, page, which), make_block_buffer()};
    std::memcpy(image.bytes.get(), bytes, size);
    entry.generation = generation;
    entry.free_and_flags = (entry.free_and_flags & ~3u) | which;
    entry.checksum = block_checksum(image.address, generation, image.bytes.get());
    images.push_back(std::move(image));
  };
  std::vector<std::size_t> pages;
  for (const std::uint32_t number : dirty_groups_) {
    Group& group = *groups_.at(number);
    group.dirty = false;
    write_out(0, number, levels_[0][number], &group.used, block_size);
    pages.push_back(number / entries_per_page);
  }
  dirty_groups_.clear();
  for (unsigned level = 1; level < levels_.size(); ++level) {
    std::sort(pages.begin(), pages.end());
    pages.erase(std::unique(pages.begin(), pages.end()), pages.end());
    for (std::size_t& page : pages) {
      const std::size_t first = page * entries_per_page;
      const std::size_t count = std::min<std::size_t>(entries_per_page, levels_[level - 1].size() - first);
      write_out(level, page, levels_[level][page], &levels_[level - 1][first], count * sizeof(SpaceEntry));
      page /= entries_per_page;
    }
  }
  root = levels_.back()[0];
  return images;
}

void SpaceMap::published() {
  for (const std::uint32_t number : held_groups_) {
    Group& group = *groups_.at(number);
    if (group.reserved) reserved_blocks_ += group.held_count;
    held_ -= group.held_count;
    group.held_count = 0;
    group.held = {};
  }
  held_groups_.clear();
  assert(held_ == 0);
  unload_surplus();
}

void SpaceMap::unload_surplus() {
  std::erase_if(groups_,
                [surplus = groups_.size() - std::min(groups_.size(), most_idle_groups)](const auto& entry) mutable {
                  const Group& group = *entry.second;
                  if (surplus == 0 || group.dirty || group.reserved || group.held_count != 0) return false;
                  --surplus;
                  return true;
                });
}

}  // namespace chimera::devices
