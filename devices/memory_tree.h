#pragma once
// A sparse array of 4096-byte blocks in memory: a radix tree of 256 slots a node, as high as its last block needs.
// Trees share what they have in common and copy a block or a node only when one of them changes it, so copying a tree
// costs nothing. Not thread-safe, nor are trees that share.

#include <cstdint>
#include <functional>
#include <utility>

#include "isa/limits.h"

namespace chimera::devices {

/// What all trees that share it may hold, and hold. Must outlive them.
struct MemoryBudget {
  std::uint64_t most_bytes = ~std::uint64_t{0};
  std::uint64_t used_bytes = 0;
};

class MemoryTree {
 public:
  /// Blocks are numbered below 2^52: 2^64 bytes.
  static constexpr std::uint64_t block_limit = std::uint64_t{1} << 52;

  explicit MemoryTree(MemoryBudget& budget) : budget_(&budget) {}
  MemoryTree(const MemoryTree& other);
  MemoryTree& operator=(const MemoryTree& other);
  ~MemoryTree();

  /// The bytes of a block, or null for a hole. Valid until the tree is changed.
  [[nodiscard]] const std::uint8_t* find(std::uint64_t block) const noexcept {
    if (block >> (8 * height_) != 0) return nullptr;
    const Counted* at = root_;
    for (unsigned level = height_; level > 0 && at != nullptr; --level) {
      at = static_cast<const Node*>(at)->slots[slot_of(block, level)];
    }
    return at != nullptr ? static_cast<const Leaf*>(at)->bytes : nullptr;
  }

  enum class Content { keep, overwrite };
  /// The bytes of a block that is this tree's alone, for writing; a hole becomes zeros. With `overwrite` the caller
  /// writes all of them, so a shared block's content is not copied.
  [[nodiscard]] std::uint8_t* own(std::uint64_t block, Content content);
  /// At most so much more memory is needed to own all blocks of the range; 0 if they all are this tree's alone.
  [[nodiscard]] std::uint64_t bytes_to_own(std::uint64_t first, std::uint64_t count) const;
  /// No range of so many blocks needs more than this, whatever it holds.
  [[nodiscard]] static constexpr std::uint64_t most_bytes_to_own(std::uint64_t count) {
    return count * sizeof(Leaf) + node_bytes(count);
  }

  /// Makes the range holes.
  void clear(std::uint64_t first, std::uint64_t count);
  /// Makes `count` blocks at `first` those of `from` at `from_first`, shared. `from` may be this tree.
  void share(std::uint64_t first, const MemoryTree& from, std::uint64_t from_first, std::uint64_t count);
  /// At most so much more memory is needed to share that range with a tree.
  [[nodiscard]] std::uint64_t bytes_to_share(std::uint64_t first, std::uint64_t count) const;

  /// Told of runs of blocks, in order and without gaps; returns false to stop.
  using Visit = std::function<bool(std::uint64_t first, std::uint64_t count, bool marked)>;
  /// Marked: the run holds blocks; otherwise it is a hole. Runs of the same mark may follow each other.
  void visit(std::uint64_t first, std::uint64_t count, const Visit& visit) const;
  /// Marked: the blocks are not the very same ones in `other` (they may still hold equal bytes).
  void visit_differences(const MemoryTree& other, std::uint64_t first, std::uint64_t count, const Visit& visit) const;
  [[nodiscard]] std::uint64_t block_count() const;

 private:
  static constexpr unsigned fan_out = 256;
  static constexpr unsigned highest = 7;

  struct Counted {
    std::uint32_t references = 1;
  };
  struct Leaf : Counted {
    alignas(64) std::uint8_t bytes[limits::block_size];
  };
  struct Node : Counted {
    Counted* slots[fan_out] = {};
  };
  /// Blocks from `first` to `last`, both included.
  struct Range {
    std::uint64_t first, last;
  };

  static constexpr std::size_t slot_of(std::uint64_t block, unsigned level) {
    return (block >> (8 * (level - 1))) % fan_out;
  }
  /// The nodes above `count` blocks side by side, and those of a tree that has to grow.
  static constexpr std::uint64_t node_bytes(std::uint64_t count) {
    return (count / (fan_out - 1) + 3 * highest) * sizeof(Node);
  }
  /// How many blocks stand below one item of this level; a leaf is of level 0.
  static constexpr std::uint64_t span_of(unsigned level) { return std::uint64_t{1} << (8 * level); }

  Leaf* make_leaf();
  Node* make_node();
  void release(Counted* item, unsigned level);
  void own_node(Counted*& slot);
  void raise_to(unsigned height);
  Counted*& own_slot(std::uint64_t block);
  [[nodiscard]] bool owns(std::uint64_t block) const;
  void clear_below(Counted*& slot, unsigned level, std::uint64_t base, Range range);
  static bool visit_below(const Counted* item, unsigned level, std::uint64_t base, Range range, const Visit& visit);
  static bool visit_both(const Counted* a, const Counted* b, unsigned level, std::uint64_t base, Range range,
                         const Visit& visit);

  MemoryBudget* budget_;
  Counted* root_ = nullptr;  ///< of level height_
  unsigned height_ = 0;
};

}  // namespace chimera::devices
