#include "devices/tree.h"

#include <algorithm>

#include "devices/crc32c.h"
#include "devices/reference_counts.h"

namespace chimera::devices {
namespace {

/// Blocks below one slot of a node at this level.
std::uint64_t span_of(unsigned level) { return std::uint64_t{1} << 8 * (level - 1); }

/// Nodes and blocks of a whole branch over [first, last], counted from the branch's own start.
std::size_t branch_size(unsigned level, std::uint64_t first, std::uint64_t last) {
  std::size_t size = 0;
  for (unsigned n = 0; n <= level; ++n) size += (last >> 8 * n) - (first >> 8 * n) + 1;
  return size;
}

}  // namespace

FrameId* Tree::hint_at(FrameId node, unsigned slot) {
  Hints* hints = blocks_->cache().hints(node);
  if (hints != nullptr) return &(*hints)[slot];
  spare_hint_ = no_frame;
  return &spare_hint_;
}

bool Tree::maybe_shared(const Slot& slot) const {
  return slot.generation() <= share_generation_ && blocks_->references().total() != 0;
}

bool Tree::shared(const Slot& slot) const {
  return maybe_shared(slot) && blocks_->references().get(slot.address()) > 0;
}

// ── First phase ──────────────────────────────────────────────────────────────────────────────────────────────────

void Tree::fetch(Waiter& waiter, const Slot& slot, FrameId& hint, unsigned level, std::uint64_t base,
                 const Range& range, unsigned lowest_level, Collected& collected) {
  if (slot.empty() || collected.failed != Status::ok || collected.starved) return;
  const FrameId frame = blocks_->hold(waiter, slot, hint, level, collected);
  if (frame == no_frame) {
    if (collected.failed != Status::ok) collected.failed_index = base;
    return;
  }
  if (level == lowest_level) return;
  const std::uint64_t span = span_of(level);
  const auto from = range.first > base ? (range.first - base) / span : 0;
  const auto to = std::min<std::uint64_t>((range.last - base) / span, slots_per_node - 1);
  const Node& node = blocks_->cache().node(frame);
  for (auto n = from; n <= to; ++n) {
    FrameId& child = *hint_at(frame, static_cast<unsigned>(n));
    fetch(waiter, node[n], child, level - 1, base + n * span, range, lowest_level, collected);
  }
}

void Tree::fetch(Waiter& waiter, std::uint64_t first, std::uint64_t last, Collected& collected) {
  if (first >= capacity() && root_.height < most_height) return;
  fetch(waiter, root_.slot, root_hint_, root_.height, 0, {first, last, false, false}, 0, collected);
}

void Tree::fetch_maps(Waiter& waiter, std::uint64_t first, std::uint64_t last, Collected& collected) {
  if (root_.height == 0 || first >= capacity()) return;
  fetch(waiter, root_.slot, root_hint_, root_.height, 0, {first, last, false, false}, 1, collected);
}

struct Tree::Preparation {
  Waiter& waiter;
  Range range;
  bool clearing;
  Collected& collected;
  Needs& needs;
  std::vector<std::uint64_t>& counted;

  [[nodiscard]] bool stopped() const { return collected.failed != Status::ok || collected.starved; }
};

/// What copying this node will take. False if it cannot be known before more has been loaded.
bool Tree::count_node(Preparation& preparation, const Slot& slot, FrameId frame, bool inherited, bool& is_shared) {
  is_shared = inherited;
  if (slot.generation() == blocks_->generation() && !inherited) return true;
  preparation.needs.add(1);
  if (!inherited && maybe_shared(slot)) {
    Collected counts;
    blocks_->references().fetch(preparation.waiter, slot.address(), counts);
    if (counts.failed != Status::ok) preparation.collected.failed = counts.failed;
    preparation.collected.starved |= counts.starved;
    preparation.collected.waits |= counts.waits;
    if (counts.waits || counts.starved || counts.failed != Status::ok) return false;
    is_shared = blocks_->references().get(slot.address()) > 0;
  }
  if (!is_shared) return true;
  preparation.counted.push_back(slot.address());
  for (const Slot& child : blocks_->cache().node(frame)) {
    if (!child.empty()) preparation.counted.push_back(child.address());
  }
  return true;
}

void Tree::prepare(Preparation& preparation, const Slot& slot, FrameId& hint, unsigned level, std::uint64_t base,
                   bool inherited) {
  if (preparation.stopped()) return;
  const Range& range = preparation.range;
  const std::uint64_t end = base + (capacity(level) - 1);
  if (slot.empty()) {
    if (preparation.clearing) return;
    preparation.needs.add(branch_size(level, std::max(range.first, base) - base, std::min(range.last, end) - base));
    return;
  }
  if (level == 0) {
    const bool whole = (base != range.first || range.first_whole) && (base != range.last || range.last_whole);
    // Even a block of this generation is not changed in place while it is being written ahead.
    if (!preparation.clearing) preparation.needs.add(1);
    if (inherited || maybe_shared(slot)) preparation.counted.push_back(slot.address());
    if (!whole && !preparation.clearing) {
      blocks_->hold(preparation.waiter, slot, hint, level, preparation.collected);
      if (preparation.collected.failed != Status::ok) preparation.collected.failed_index = base;
    }
    return;
  }
  // A branch that a clear takes away whole is not looked into.
  if (preparation.clearing && range.first <= base && end <= range.last) return;
  const FrameId frame = blocks_->hold(preparation.waiter, slot, hint, level, preparation.collected);
  if (frame == no_frame) {
    if (preparation.collected.failed != Status::ok) preparation.collected.failed_index = base;
    return;
  }
  bool is_shared = false;
  if (!count_node(preparation, slot, frame, inherited, is_shared)) return;
  if (preparation.clearing) preparation.needs.add(1);  // the grave's counterpart
  const std::uint64_t span = span_of(level);
  const auto from = range.first > base ? (range.first - base) / span : 0;
  const auto to = std::min<std::uint64_t>((range.last - base) / span, slots_per_node - 1);
  const Node& node = blocks_->cache().node(frame);
  for (auto n = from; n <= to; ++n) {
    FrameId& child = *hint_at(frame, static_cast<unsigned>(n));
    prepare(preparation, node[n], child, level - 1, base + n * span, is_shared);
  }
}

void Tree::prepare(Waiter& waiter, std::uint64_t first, std::uint64_t last, bool first_whole, bool last_whole,
                   Collected& collected, Needs& needs, std::vector<std::uint64_t>& counted) {
  Preparation preparation{waiter, {first, last, first_whole, last_whole}, false, collected, needs, counted};
  unsigned height = root_.height;
  while (height < most_height && last >= capacity(height)) ++height;
  if (height > root_.height) {
    // New levels above the root, and branches beside the old ones.
    needs.add(branch_size(height, first, last) + height);
    if (root_.slot.empty() || first >= capacity()) return;
    preparation.range.last = capacity() - 1;
    preparation.range.last_whole = true;
  }
  prepare(preparation, root_.slot, root_hint_, root_.height, 0, false);
}

void Tree::prepare_clear(Waiter& waiter, std::uint64_t first, std::uint64_t last, Collected& collected, Needs& needs,
                         std::vector<std::uint64_t>& counted) {
  if (first >= capacity() && root_.height < most_height) return;
  Preparation preparation{waiter, {first, last, true, true}, true, collected, needs, counted};
  prepare(preparation, root_.slot, root_hint_, root_.height, 0, false);
}

bool Tree::prefetch(std::uint64_t first, std::uint64_t last, unsigned lowest_level) {
  BlockCache& cache = blocks_->cache();
  bool complete = true;
  for (std::uint64_t index = first; index <= last; ++index) {
    if (index >= capacity() && root_.height < most_height) break;
    if (cache.ahead_count() >= cache.frame_count() / 4 || !cache.can_take(cache.frame_count() / 4)) break;
    const Slot* slot = &root_.slot;
    FrameId* hint = &root_hint_;
    for (unsigned level = root_.height; level >= lowest_level && !slot->empty(); --level) {
      const FrameId frame = cache.find(slot->address(), *hint);
      if (frame == no_frame) *hint = cache.expect(*slot, nullptr, level > 0);
      if (level == lowest_level) break;
      if (frame == no_frame || cache.loading(frame)) {
        complete = false;
        break;
      }
      if (!cache.holds_node(frame)) break;
      const unsigned n = index >> 8 * (level - 1) & 255;
      slot = &cache.node(frame)[n];
      hint = hint_at(frame, n);
    }
  }
  cache.start_loading();
  return complete;
}

// ── Second phase ─────────────────────────────────────────────────────────────────────────────────────────────────

/// The frame of a block that the first phase has pinned. no_frame if it is gone all the same: then what was done to
/// another place of the same block has taken it away.
FrameId Tree::pinned(const Slot& slot, FrameId& hint, unsigned level) {
  BlockCache& cache = blocks_->cache();
  const FrameId frame = cache.find(slot.address(), hint);
  const bool is_there = frame != no_frame && !cache.loading(frame) && cache.is_of(frame, slot);
  if (is_there && (level == 0 || cache.holds_node(frame))) return frame;
  blocks_->contradict();
  return no_frame;
}

/// The slot of a block, its maps being in memory; null where a branch is missing.
Slot* Tree::find(std::uint64_t index, FrameId*& hint) {
  if (root_.height < most_height && index >= capacity()) return nullptr;
  Slot* slot = &root_.slot;
  hint = &root_hint_;
  for (unsigned level = root_.height; level > 0; --level) {
    if (slot->empty()) return nullptr;
    const FrameId frame = pinned(*slot, *hint, level);
    if (frame == no_frame) return nullptr;
    const unsigned n = index >> 8 * (level - 1) & 255;
    slot = &blocks_->cache().node(frame)[n];
    hint = hint_at(frame, n);
  }
  return slot->empty() ? nullptr : slot;
}

const std::byte* Tree::block(std::uint64_t index) {
  FrameId* hint = nullptr;
  const Slot* slot = find(index, hint);
  if (slot == nullptr) return nullptr;
  const FrameId frame = pinned(*slot, *hint, 0);
  return frame == no_frame ? nullptr : blocks_->cache().bytes(frame);
}

Slot Tree::slot(std::uint64_t index) {
  FrameId* hint = nullptr;
  const Slot* slot = find(index, hint);
  return slot == nullptr ? Slot() : *slot;
}

Device::Place Tree::locate(std::uint64_t index) {
  if (root_.height == 0 || (root_.height < most_height && index >= capacity())) return {};
  BlockCache& cache = blocks_->cache();
  const Slot* slot = &root_.slot;
  FrameId* hint = &root_hint_;
  for (unsigned level = root_.height; level > 0; --level) {
    const FrameId frame = slot->empty() ? no_frame : cache.find(slot->address(), *hint);
    if (frame == no_frame || cache.loading(frame) || !cache.holds_node(frame)) return {};
    const unsigned n = index >> 8 * (level - 1) & 255;
    slot = &cache.node(frame)[n];
    hint = hint_at(frame, n);
  }
  __builtin_prefetch(slot);
  __builtin_prefetch(hint);
  return {slot, hint};
}

void Tree::approach(const Device::Place& place) const {
  if (place.hint != nullptr) blocks_->cache().approach(*static_cast<const FrameId*>(place.hint));
}

const std::byte* Tree::peek(std::uint64_t index, const std::byte* zeros) {
  if (root_.height < most_height && index >= capacity()) return zeros;
  BlockCache& cache = blocks_->cache();
  const Slot* slot = &root_.slot;
  FrameId* hint = &root_hint_;
  for (unsigned level = root_.height;; --level) {
    if (slot->empty()) return zeros;
    const FrameId frame = cache.find(slot->address(), *hint);
    if (frame == no_frame || cache.loading(frame)) return nullptr;
    cache.touch(frame);
    if (level == 0) return cache.is_of(frame, *slot) ? cache.bytes(frame) : nullptr;
    if (!cache.holds_node(frame)) return nullptr;
    const unsigned n = index >> 8 * (level - 1) & 255;
    slot = &cache.node(frame)[n];
    hint = hint_at(frame, n);
  }
}

FrameId Tree::own(Slot& slot, FrameId& hint, unsigned level, bool whole) {
  BlockCache& cache = blocks_->cache();
  const SpaceMap::Use use = level == 0 ? SpaceMap::Use::data : SpaceMap::Use::nodes;
  if (slot.empty()) {
    hint = blocks_->birth(slot, use);
    if (!whole) std::memset(cache.bytes(hint), 0, block_size);
    return hint;
  }
  const bool is_mine = slot.generation() == blocks_->generation();
  const bool keep_bytes = !whole;
  // What is written over whole may have left the memory, in the present generation, too, if a record names it.
  const FrameId frame = keep_bytes ? pinned(slot, hint, level) : cache.find(slot.address(), hint);
  if (frame == no_frame && keep_bytes) {
    slot = Slot();
    return own(slot, hint, level, false);
  }
  if (is_mine && frame != no_frame && cache.is_of(frame, slot) && cache.may_change(frame)) {
    cache.change_dirty(frame);
    slot.unsettle();
    return frame;
  }
  const bool is_shared = shared(slot);
  if (is_shared && level > 0) {
    for (const Slot& child : cache.node(frame)) {
      if (!child.empty()) blocks_->references().add(child.address(), 1);
    }
  }
  return hint = blocks_->renew(slot, frame, is_shared, keep_bytes, use);
}

/// Puts levels on top until the tree reaches this block.
void Tree::grow(std::uint64_t index) {
  while (root_.height < most_height && index >= capacity()) {
    ++root_.height;
    if (root_.slot.empty()) continue;
    const Slot below = root_.slot;
    root_hint_ = blocks_->birth(root_.slot, SpaceMap::Use::nodes);
    Node& node = blocks_->cache().node(root_hint_);
    node.fill(Slot());
    node[0] = below;
    if (below.unsettled()) blocks_->cache().note_unsettled(root_hint_);
  }
}

/// The slot at `lowest_level` on the way to a block, everything above it being of this generation.
Slot& Tree::own_path(std::uint64_t index, unsigned lowest_level, FrameId*& hint) {
  grow(index);
  Slot* slot = &root_.slot;
  hint = &root_hint_;
  for (unsigned level = root_.height; level > lowest_level; --level) {
    const FrameId frame = own(*slot, *hint, level, false);
    const unsigned n = index >> 8 * (level - 1) & 255;
    slot = &blocks_->cache().node(frame)[n];
    hint = hint_at(frame, n);
  }
  return *slot;
}

std::byte* Tree::writable(std::uint64_t index, bool whole) {
  FrameId* hint = nullptr;
  Slot& slot = own_path(index, 0, hint);
  BlockCache& cache = blocks_->cache();
  if (root_.height > 0) cache.note_unsettled(cache.frame_at(&slot));
  return cache.bytes(own(slot, *hint, 0, whole));
}

/// The way to a node is gone once for all of its slots. It stays where it is meanwhile, being dirty.
void Tree::write(std::uint64_t index, std::size_t count, const std::uint8_t* bytes) {
  while (count > 0) {
    FrameId* first_hint = nullptr;
    Slot* const first = &own_path(index, 0, first_hint);
    const std::size_t in_node = root_.height == 0 ? 1 : slots_per_node - index % slots_per_node;
    const std::size_t run = std::min(count, in_node);
    for (std::size_t n = 0; n < run; ++n, bytes += block_size) {
      Slot& slot = first[n];
      FrameId& hint = first_hint == &spare_hint_ ? spare_hint_ : first_hint[n];
      std::byte* const place = blocks_->cache().bytes(own(slot, hint, 0, true));
      slot.settle(copy_block(slot.address(), slot.generation(), bytes, place));
    }
    index += run;
    count -= run;
  }
}

void Tree::put(std::uint64_t index, const Slot& shared_slot) {
  FrameId* hint = nullptr;
  Slot& slot = own_path(index, 0, hint);
  if (!slot.empty()) blocks_->release(slot, true);
  slot = shared_slot;
}

void Tree::clear(Slot& slot, FrameId& hint, unsigned level, std::uint64_t base, const Range& range, Tree& grave) {
  if (slot.empty()) return;
  const std::uint64_t end = base + (capacity(level) - 1);
  if (range.first <= base && end <= range.last) {
    if (level == 0) {
      blocks_->release(slot, maybe_shared(slot));
    } else {
      FrameId* grave_hint = nullptr;
      grave.own_path(base, level, grave_hint) = slot;
    }
    slot = Slot();
    return;
  }
  const FrameId frame = own(slot, hint, level, false);
  const std::uint64_t span = span_of(level);
  const auto from = range.first > base ? (range.first - base) / span : 0;
  const auto to = std::min<std::uint64_t>((range.last - base) / span, slots_per_node - 1);
  Node& node = blocks_->cache().node(frame);
  for (auto n = from; n <= to; ++n) {
    clear(node[n], *hint_at(frame, static_cast<unsigned>(n)), level - 1, base + n * span, range, grave);
  }
  if (std::all_of(node.begin(), node.end(), [](const Slot& child) { return child.empty(); })) {
    blocks_->release(slot, false);
    slot = Slot();
  }
}

void Tree::clear(std::uint64_t first, std::uint64_t last, Tree& grave) {
  if (first >= capacity() && root_.height < most_height) return;
  grave.root_.height = root_.height;
  grave.share_generation_ = share_generation_;
  clear(root_.slot, root_hint_, root_.height, 0, {first, last, true, true}, grave);
  if (root_.slot.empty()) root_.height = 0;
}

Tree::Settled Tree::settled(std::uint64_t index) {
  FrameId* hint = nullptr;
  Slot* const slot = find(index, hint);
  if (slot == nullptr) return {};
  const FrameId frame = pinned(*slot, *hint, 0);
  if (frame == no_frame) return {};
  if (!blocks_->cache().is_dirty(frame)) {
    blocks_->contradict();  // it was written here, and somebody else has it
    return {};
  }
  if (slot->unsettled()) {
    slot->settle(block_checksum(slot->address(), slot->generation(), blocks_->cache().bytes(frame)));
  }
  return {*slot, frame};
}

bool Tree::settle(Slot& slot, unsigned level, std::size_t& budget) {
  if (!slot.unsettled()) return true;
  if (budget == 0) return false;
  BlockCache& cache = blocks_->cache();
  FrameId unknown = no_frame;
  const FrameId frame = pinned(slot, unknown, level);
  if (frame == no_frame) return true;
  if (level > 1 || (level == 1 && cache.has_unsettled(frame))) {
    for (Slot& child : cache.node(frame)) {
      if (!settle(child, level - 1, budget)) return false;
    }
    cache.note_settled(frame);
  }
  if (budget == 0) return false;
  --budget;
  slot.settle(block_checksum(slot.address(), slot.generation(), cache.bytes(frame)));
  return true;
}

}  // namespace chimera::devices
