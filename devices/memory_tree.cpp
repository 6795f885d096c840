#include "devices/memory_tree.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace chimera::devices {

MemoryTree::MemoryTree(const MemoryTree& other) : budget_(other.budget_), root_(other.root_), height_(other.height_) {
  if (root_ != nullptr) ++root_->references;
}

MemoryTree& MemoryTree::operator=(const MemoryTree& other) {
  assert(budget_ == other.budget_);
  if (other.root_ != nullptr) ++other.root_->references;
  release(root_, height_);
  root_ = other.root_;
  height_ = other.height_;
  return *this;
}

MemoryTree::~MemoryTree() { release(root_, height_); }

MemoryTree::Leaf* MemoryTree::make_leaf() {
  budget_->used_bytes += sizeof(Leaf);
  return new Leaf;
}

MemoryTree::Node* MemoryTree::make_node() {
  budget_->used_bytes += sizeof(Node);
  return new Node;
}

void MemoryTree::release(Counted* item, unsigned level) {
  if (item == nullptr || --item->references > 0) return;
  if (level == 0) {
    budget_->used_bytes -= sizeof(Leaf);
    delete static_cast<Leaf*>(item);
    return;
  }
  Node* const node = static_cast<Node*>(item);
  for (Counted* child : node->slots) release(child, level - 1);
  budget_->used_bytes -= sizeof(Node);
  delete node;
}

/// Makes the node in the slot one that this tree alone refers to.
void MemoryTree::own_node(Counted*& slot) {
  if (slot == nullptr) {
    slot = make_node();
  } else if (slot->references > 1) {
    Node* const copy = make_node();
    std::ranges::copy(static_cast<Node*>(slot)->slots, copy->slots);
    for (Counted* child : copy->slots) {
      if (child != nullptr) ++child->references;
    }
    --slot->references;
    slot = copy;
  }
}

void MemoryTree::raise_to(unsigned height) {
  assert(height <= highest);
  for (; height_ < height; ++height_) {
    if (root_ == nullptr) continue;
    Node* const node = make_node();
    node->slots[0] = root_;
    root_ = node;
  }
}

/// The slot of a leaf, in nodes that are this tree's alone.
MemoryTree::Counted*& MemoryTree::own_slot(std::uint64_t block) {
  assert(block < block_limit);
  unsigned height = height_;
  while (block >> (8 * height) != 0) ++height;
  raise_to(height);
  Counted** slot = &root_;
  for (unsigned level = height_; level > 0; --level) {
    own_node(*slot);
    slot = &static_cast<Node*>(*slot)->slots[slot_of(block, level)];
  }
  return *slot;
}

std::uint8_t* MemoryTree::own(std::uint64_t block, Content content) {
  Counted*& slot = own_slot(block);
  if (slot != nullptr && slot->references == 1) return static_cast<Leaf*>(slot)->bytes;
  Leaf* const leaf = make_leaf();
  if (content == Content::keep) {
    if (slot != nullptr) {
      std::memcpy(leaf->bytes, static_cast<Leaf*>(slot)->bytes, sizeof leaf->bytes);
    } else {
      std::memset(leaf->bytes, 0, sizeof leaf->bytes);
    }
  }
  if (slot != nullptr) --slot->references;
  slot = leaf;
  return leaf->bytes;
}

bool MemoryTree::owns(std::uint64_t block) const {
  if (block >> (8 * height_) != 0) return false;
  const Counted* at = root_;
  for (unsigned level = height_; level > 0; --level) {
    if (at == nullptr || at->references > 1) return false;
    at = static_cast<const Node*>(at)->slots[slot_of(block, level)];
  }
  return at != nullptr && at->references == 1;
}

std::uint64_t MemoryTree::bytes_to_own(std::uint64_t first, std::uint64_t count) const {
  std::uint64_t foreign = 0;
  for (std::uint64_t i = 0; i < count; ++i) foreign += owns(first + i) ? 0 : 1;
  return foreign == 0 ? 0 : foreign * sizeof(Leaf) + node_bytes(count);
}

std::uint64_t MemoryTree::bytes_to_share(std::uint64_t first, std::uint64_t count) const {
  std::uint64_t bytes = 0;
  visit(first, count, [&bytes](std::uint64_t, std::uint64_t run, bool holds) {
    // Blocks that stand apart may need a path of nodes each.
    if (holds) bytes += node_bytes(run);
    return true;
  });
  return bytes;
}

void MemoryTree::clear_below(Counted*& slot, unsigned level, std::uint64_t base, Range range) {
  if (slot == nullptr) return;
  if (range.first <= base && base + span_of(level) - 1 <= range.last) {
    release(slot, level);
    slot = nullptr;
    return;
  }
  const std::uint64_t span = span_of(level - 1);
  const std::uint64_t from = range.first > base ? (range.first - base) / span : 0;
  const std::uint64_t to = std::min<std::uint64_t>(fan_out - 1, (range.last - base) / span);
  const auto& slots = static_cast<Node*>(slot)->slots;
  if (std::all_of(slots + from, slots + to + 1, [](const Counted* child) { return child == nullptr; })) return;
  own_node(slot);
  Node* const node = static_cast<Node*>(slot);
  for (std::uint64_t i = from; i <= to; ++i) clear_below(node->slots[i], level - 1, base + i * span, range);
  if (std::ranges::all_of(node->slots, [](const Counted* child) { return child == nullptr; })) {
    release(slot, level);
    slot = nullptr;
  }
}

void MemoryTree::clear(std::uint64_t first, std::uint64_t count) {
  if (count == 0 || first >> (8 * height_) != 0) return;
  clear_below(root_, height_, 0, {first, first + (count - 1)});
}

void MemoryTree::share(std::uint64_t first, const MemoryTree& from, std::uint64_t from_first, std::uint64_t count) {
  assert(budget_ == from.budget_);
  const MemoryTree source = from;  // as it was: `from` may be this tree
  clear(first, count);
  source.visit(from_first, count, [&](std::uint64_t run, std::uint64_t length, bool holds) {
    for (std::uint64_t i = 0; holds && i < length; ++i) {
      const Counted* at = source.root_;
      for (unsigned level = source.height_; level > 0; --level) {
        at = static_cast<const Node*>(at)->slots[slot_of(run + i, level)];
      }
      Counted* const leaf = const_cast<Counted*>(at);
      ++leaf->references;
      own_slot(first + (run - from_first) + i) = leaf;
    }
    return true;
  });
}

bool MemoryTree::visit_below(const Counted* item, unsigned level, std::uint64_t base, Range range, const Visit& visit) {
  if (item == nullptr || level == 0) {
    const std::uint64_t first = std::max(range.first, base);
    const std::uint64_t last = std::min(range.last, base + span_of(level) - 1);
    return visit(first, last - first + 1, item != nullptr);
  }
  const std::uint64_t span = span_of(level - 1);
  const std::uint64_t from = range.first > base ? (range.first - base) / span : 0;
  const std::uint64_t to = std::min<std::uint64_t>(fan_out - 1, (range.last - base) / span);
  for (std::uint64_t i = from; i <= to; ++i) {
    if (!visit_below(static_cast<const Node*>(item)->slots[i], level - 1, base + i * span, range, visit)) return false;
  }
  return true;
}

void MemoryTree::visit(std::uint64_t first, std::uint64_t count, const Visit& visit) const {
  if (count == 0) return;
  const Range range{first, first + (count - 1)};
  const std::uint64_t covered = span_of(height_);  // what lies behind the tree is one hole
  if (first < covered && !visit_below(root_, height_, 0, {first, std::min(range.last, covered - 1)}, visit)) return;
  const std::uint64_t beyond = std::max(first, covered);
  if (beyond <= range.last) visit(beyond, range.last - beyond + 1, false);
}

bool MemoryTree::visit_both(const Counted* a, const Counted* b, unsigned level, std::uint64_t base, Range range,
                            const Visit& visit) {
  if (a == b || level == 0) {
    const std::uint64_t first = std::max(range.first, base);
    const std::uint64_t last = std::min(range.last, base + span_of(level) - 1);
    return visit(first, last - first + 1, a != b);
  }
  const std::uint64_t span = span_of(level - 1);
  const std::uint64_t from = range.first > base ? (range.first - base) / span : 0;
  const std::uint64_t to = std::min<std::uint64_t>(fan_out - 1, (range.last - base) / span);
  const auto child = [](const Counted* item, std::uint64_t i) -> const Counted* {
    return item != nullptr ? static_cast<const Node*>(item)->slots[i] : nullptr;
  };
  for (std::uint64_t i = from; i <= to; ++i) {
    if (!visit_both(child(a, i), child(b, i), level - 1, base + i * span, range, visit)) return false;
  }
  return true;
}

void MemoryTree::visit_differences(const MemoryTree& other, std::uint64_t first, std::uint64_t count,
                                   const Visit& visit) const {
  if (count == 0) return;
  MemoryTree a = *this;
  MemoryTree b = other;
  const unsigned height = std::max(height_, other.height_);
  a.raise_to(height);
  b.raise_to(height);
  const std::uint64_t last = first + (count - 1);
  const std::uint64_t covered = span_of(height);
  if (first < covered && !visit_both(a.root_, b.root_, height, 0, {first, std::min(last, covered - 1)}, visit)) return;
  const std::uint64_t beyond = std::max(first, covered);
  if (beyond <= last) visit(beyond, last - beyond + 1, false);
}

std::uint64_t MemoryTree::block_count() const {
  std::uint64_t held = 0;
  visit(0, block_limit, [&held](std::uint64_t, std::uint64_t count, bool holds) {
    if (holds) held += count;
    return true;
  });
  return held;
}

}  // namespace chimera::devices
