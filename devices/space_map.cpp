#include "devices/space_map.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <utility>

#include "devices/crc32c.h"
#include "devices/safeguards.h"
#include "devices/space_group.h"

namespace chimera::devices {
namespace {

/// Bitmaps in memory beyond those that are needed at the moment.
constexpr std::size_t most_idle_groups = 512;

}  // namespace

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

SpaceMap::Reserved SpaceMap::prepare_grow(std::uint64_t since) {
  const std::uint32_t last = group_count() - 1;
  if (loaded(last) != nullptr) return Reserved::ready;
  if (refused(last, since)) return Reserved::failed;
  load(last);
  return Reserved::loading;
}

void SpaceMap::grow(std::uint64_t block_count) {
  assert(block_count >= block_count_);
  const auto old_groups = static_cast<std::uint32_t>(levels_[0].size());
  const std::uint32_t old_last = blocks_in(old_groups - 1);
  Group& group = *groups_.at(old_groups - 1);
  block_count_ = block_count;
  shape_levels();
  if (notes_freed_) freed_.resize(block_count);
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
  std::uint32_t bit = blocks_in(number);
  for (; bit % 64 != 0; ++bit) set(group.used, bit);
  std::fill(group.used.begin() + bit / 64, group.used.end(), ~std::uint64_t{0});
}

/// The group if it is in memory, or can be without reading.
SpaceMap::Group* SpaceMap::loaded(std::uint32_t number) {
  if (const auto found = groups_.find(number); found != groups_.end()) return found->second.get();
  if (!levels_[0][number].is_fresh()) return nullptr;
  auto group = std::make_unique<Group>();
  make_fresh(*group, number);
  return (groups_[number] = std::move(group)).get();
}

bool SpaceMap::refused(std::uint32_t number, std::uint64_t since) const {
  const auto failed = failed_.find(number);
  return failed != failed_.end() && failed->second > since;
}

void SpaceMap::load(std::uint32_t number) {
  if (loads_.contains(number)) return;
  auto& load = loads_[number] = std::make_unique<GroupLoad>(*this, number);
  disk_.start(*load);
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

std::unique_ptr<SpaceMap::Group> SpaceMap::verified(const GroupLoad& load) const {
  const SpaceEntry& entry = levels_[0][load.number];
  if (block_checksum(load.first_block, entry.generation, &load.bytes()) != entry.checksum) return nullptr;
  auto group = std::make_unique<Group>();
  std::memcpy(&group->used, &load.bytes(), block_size);
  return agrees(*group, load.number) ? std::move(group) : nullptr;
}

void SpaceMap::arrived(GroupLoad& load) {
  const std::uint32_t number = load.number;
  if (load.error != 0) {
    failed_[number] = ++failures_;
  } else if (auto group = verified(load); group != nullptr) {
    groups_[number] = std::move(group);
    failed_.erase(number);
    take_up_stranded(number);
  } else {
    lose(number);
  }
  loads_.erase(number);
  changed_();
}

void SpaceMap::lose(std::uint32_t number) {
  failed_[number] = lost_for_good;
  free_ -= levels_[0][number].free();
  lost_ += levels_[0][number].free();
  std::erase_if(stranded_, [&](std::uint64_t address) { return group_of(address) == number; });
}

void SpaceMap::take_up_stranded(std::uint32_t number) {
  std::erase_if(stranded_, [&](std::uint64_t address) {
    if (group_of(address) != number) return false;
    release(address);
    return true;
  });
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

/// The emptiest group that is not yet among the reserved ones, or on its way to be.
std::uint32_t SpaceMap::emptiest(bool waits, std::uint64_t since, std::uint64_t& best) const {
  std::uint32_t best_group = 0;
  const auto consider = [&](std::uint32_t number) {
    if (levels_[0][number].free() <= best || (waits && loads_.contains(number))) return;
    const auto found = groups_.find(number);
    if (found != groups_.end() && found->second->reserved) return;
    const std::uint64_t here = available_in(number);
    if (here <= best) return;
    best = here;
    best_group = number;
  };
  best = 0;
  for (std::uint32_t number = 0; number < levels_[0].size(); ++number) {
    if (levels_[0][number].free() > best && !failed_.contains(number)) consider(number);
  }
  if (best != 0) return best_group;
  for (const auto& [number, failure] : failed_) {
    if (failure <= since) consider(number);
  }
  return best_group;
}

SpaceMap::Reserved SpaceMap::reserve(std::uint64_t count, std::uint64_t since) {
  leave_passed_groups();
  bool waits = false;
  std::uint64_t coming = reserved_blocks_;
  while (coming < count) {
    std::uint64_t best = 0;
    const std::uint32_t best_group = emptiest(waits, since, best);
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
      load(best_group);
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
  take(number, group, bit);
  if (available_in(number) == 0) {
    group.reserved = false;
    reserved_.erase(reserved_.begin());
  }
  return std::uint64_t{number} * group_blocks + bit;
}

void SpaceMap::take(std::uint32_t number, Group& group, std::uint32_t bit) {
  set(group.used, bit);
  levels_[0][number].free_and_flags -= 4;
  --free_;
  if (group.reserved) --reserved_blocks_;
  mark_dirty(number, group);
}

void SpaceMap::claim_run(std::uint64_t first, std::uint64_t count) {
  assert(first >= fixed_blocks(0) && first + count <= blocks_in(0));
  Group& group = *loaded(0);
  for (std::uint64_t address = first; address < first + count; ++address) take(0, group, bit_of(address));
}

bool SpaceMap::claim(io::Loop& loop, const std::vector<std::uint64_t>& addresses, bool may_be_used) {
  for (const std::uint64_t address : addresses) {
    const std::uint32_t number = group_of(address);
    if (loaded(number) == nullptr) {
      load(number);
      while (any_loading()) loop.step(io::Loop::forever);
    }
    Group* const group = loaded(number);
    if (group == nullptr) {
      const auto failure = failed_.find(number);
      // In a lost group nothing is allocated anyway.
      if (failure != failed_.end() && failure->second == lost_for_good) continue;
      return false;
    }
    const bool used = test(group->used, bit_of(address));
    if (used && !may_be_used) return false;
    if (!used) take(number, *group, bit_of(address));
  }
  return true;
}

void SpaceMap::release(std::uint64_t address) {
  assert(address >= reserved_blocks && address < block_count_);
  pending_.push_back(address);
  has_pending_.resize(group_count());
  if (has_pending_[group_of(address)]) return;
  has_pending_[group_of(address)] = true;
  ++pending_groups_;
}

bool SpaceMap::load_released(const std::vector<std::uint64_t>& also, std::uint64_t since) {
  bool waits = false;
  std::uint32_t last = ~std::uint32_t{0};
  for (const std::vector<std::uint64_t>* addresses : {&std::as_const(pending_), &std::as_const(stranded_), &also}) {
    for (const std::uint64_t address : *addresses) {
      const std::uint32_t number = group_of(address);
      if (std::exchange(last, number) == number || loaded(number) != nullptr || refused(number, since)) continue;
      load(number);
      waits = true;
    }
  }
  return !waits;
}

std::vector<SpaceMap::Image> SpaceMap::images(std::uint64_t generation, SpaceEntry& root) {
  for (const std::uint64_t address : pending_) {
    const std::uint32_t number = group_of(address);
    const auto found = groups_.find(number);
    if (found == groups_.end()) {
      if (failed_.at(number) != lost_for_good) stranded_.push_back(address);
      continue;
    }
    Group& group = *found->second;
    if (!test(group.used, bit_of(address))) {
      contradicts_ = true;
      continue;
    }
    reset(group.used, bit_of(address));
    if (notes_freed_) freed_.note(address);
    levels_[0][number].free_and_flags += 4;
    ++free_;
    mark_dirty(number, group);
    if (!safeguards::freed_blocks_are_held) {
      if (group.reserved) ++reserved_blocks_;
      continue;
    }
    set(group.held, bit_of(address));
    ++held_;
    ++group.held_count;
    if (!std::exchange(group.awaits_publication, true)) held_groups_.push_back(number);
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
    group.awaits_publication = false;
    if (discarding_.count > 0 && group_of(discarding_.first) == number) hold_discarded(group);
  }
  held_groups_.clear();
  if (notes_freed_) freed_.published();
  next_discard_ = 0;
  nothing_ripe_ = false;
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
