// What is read off the maps alone: holes, differences; and the walk that frees what nobody can reach any more.

#include <algorithm>
#include <cassert>

#include "devices/reference_counts.h"
#include "devices/tree.h"

namespace chimera::devices {
namespace {

/// How many leaves one call looks at before it answers with what it has.
constexpr std::size_t most_leaves = 2048;

void append(std::vector<Tree::Piece>& pieces, std::uint64_t blocks, bool flag) {
  if (!pieces.empty() && pieces.back().flag == flag) {
    pieces.back().blocks += blocks;
  } else {
    pieces.push_back({blocks, flag});
  }
}

/// The last index of the holes in this node that begin with the child of that level in which `index` lies.
std::uint64_t end_of_hole(const Node& node, unsigned level, std::uint64_t index) {
  const unsigned shift = 8 * level;
  while ((index >> shift & 255) != 255 && node[(index >> shift & 255) + 1].empty()) index += std::uint64_t{1} << shift;
  return index | ((std::uint64_t{1} << shift) - 1);
}

}  // namespace

void Tree::runs(Waiter& waiter, std::uint64_t first, std::uint64_t last, std::size_t most, std::vector<Piece>& pieces,
                Collected& collected) {
  std::size_t leaves = 0;
  for (std::uint64_t index = first; index <= last && pieces.size() <= most && leaves < most_leaves;) {
    if (index >= capacity()) {
      append(pieces, last - index + 1, true);
      break;
    }
    Slot slot = root_.slot;
    FrameId* hint = &root_hint_;
    unsigned level = root_.height;
    FrameId frame = no_frame;
    while (!slot.empty() && level > 0) {
      frame = blocks_->hold(waiter, slot, *hint, level, collected);
      if (frame == no_frame || level == 1) break;
      const unsigned n = index >> 8 * (level - 1) & 255;
      slot = blocks_->cache().node(frame)[n];
      hint = hint_at(frame, n);
      --level;
    }
    std::uint64_t end = std::min(last, index | (capacity(level) - 1));
    if (slot.empty() || level == 0) {
      if (frame != no_frame) end = std::min(last, end_of_hole(blocks_->cache().node(frame), level, index));
      append(pieces, end - index + 1, slot.empty());
      index = end + 1;
      continue;
    }
    ++leaves;
    if (frame == no_frame) {
      // What else is missing is asked for in the same run; the pieces do not count.
      if (collected.failed != Status::ok || collected.starved) return;
      index = end + 1;
      continue;
    }
    const Node& leaf = blocks_->cache().node(frame);
    for (; index <= end && pieces.size() <= most; ++index) append(pieces, 1, leaf[index & 255].empty());
  }
  if (pieces.size() > most) pieces.pop_back();
}

Slot Tree::resolve(Waiter& waiter, std::uint64_t index, unsigned level, bool& above, Collected& collected) {
  above = false;
  if (index >= capacity()) return {};
  if (level > root_.height) {
    above = !root_.slot.empty();
    return {};
  }
  Slot slot = root_.slot;
  FrameId* hint = &root_hint_;
  for (unsigned at = root_.height; at > level && !slot.empty(); --at) {
    const FrameId frame = blocks_->hold(waiter, slot, *hint, at, collected);
    if (frame == no_frame) return {};
    const unsigned n = index >> 8 * (at - 1) & 255;
    slot = blocks_->cache().node(frame)[n];
    hint = hint_at(frame, n);
  }
  return slot;
}

void Tree::differences(Waiter& waiter, Tree& other, std::uint64_t first, std::uint64_t last, std::size_t most,
                       std::vector<Piece>& pieces, Collected& collected) {
  std::size_t blocks_compared = 0;
  for (std::uint64_t index = first; index <= last && pieces.size() <= most;) {
    if (++blocks_compared > most_leaves * 64) break;
    for (unsigned level = std::max(root_.height, other.root_.height);; --level) {
      bool mine_above = false;
      bool others_above = false;
      const Slot mine = resolve(waiter, index, level, mine_above, collected);
      const Slot others = other.resolve(waiter, index, level, others_above, collected);
      if (collected.waits || collected.starved || collected.failed != Status::ok) return;
      const bool same = !mine_above && !others_above && mine.empty() == others.empty() &&
                        (mine.empty() || mine.address() == others.address());
      if (!same && level > 0) continue;
      // Beyond both trees there is nothing to the very end.
      const bool beyond = index >= std::max(capacity(), other.capacity());
      const std::uint64_t end = beyond ? last : std::min(last, index | (capacity(level) - 1));
      append(pieces, end - index + 1, !same);
      index = end + 1;
      break;
    }
  }
  if (pieces.size() > most) pieces.pop_back();
}

Outcome Tree::reap(Waiter& waiter) {
  Collected collected;
  Needs needs;
  std::vector<std::uint64_t> counted;
  const auto provided = [&] {
    blocks_->references().prepare(waiter, counted, collected, needs);
    if (const Outcome outcome = blocks_->conclude(waiter, collected); !outcome.is_ready()) return outcome;
    return blocks_->provide(waiter, needs, BlockStore::Purpose::freeing);
  };
  struct Step {
    Slot* slot;
    FrameId* hint;
  };
  std::vector<Step> path{{&root_.slot, &root_hint_}};
  for (unsigned level = root_.height;; --level) {
    Slot& slot = *path.back().slot;
    FrameId& hint = *path.back().hint;
    if (slot.empty()) return Outcome::ready();
    if (maybe_shared(slot)) {
      counted.push_back(slot.address());
      if (const Outcome outcome = provided(); !outcome.is_ready()) return outcome;
      if (blocks_->references().get(slot.address()) > 0) break;  // somebody else keeps the whole branch
    }
    if (level == 0) {
      if (const Outcome outcome = provided(); !outcome.is_ready()) return outcome;
      break;
    }
    const FrameId frame = blocks_->hold(waiter, slot, hint, level, collected);
    if (frame == no_frame) return blocks_->conclude(waiter, collected);
    Node& node = blocks_->cache().node(frame);
    if (level == 1) {
      for (const Slot& child : node) {
        if (!child.empty() && maybe_shared(child)) counted.push_back(child.address());
      }
      if (const Outcome outcome = provided(); !outcome.is_ready()) return outcome;
      for (const Slot& child : node) {
        if (!child.empty()) blocks_->release(child, maybe_shared(child));
      }
      break;
    }
    const auto child = std::find_if(node.begin(), node.end(), [](const Slot& s) { return !s.empty(); });
    if (child == node.end()) {
      if (const Outcome outcome = provided(); !outcome.is_ready()) return outcome;
      break;
    }
    const auto n = static_cast<unsigned>(child - node.begin());
    needs.add(1);
    if (const Outcome outcome = provided(); !outcome.is_ready()) return outcome;
    const FrameId owned = own(slot, hint, level, false);
    path.push_back({&blocks_->cache().node(owned)[n], hint_at(owned, n)});
  }
  Slot& last = *path.back().slot;
  blocks_->release(last, maybe_shared(last));
  last = Slot();
  return Outcome::ready();
}

}  // namespace chimera::devices
