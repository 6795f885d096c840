#pragma once
// A sparse array of blocks: a radix tree of nodes with 256 slots, copied on write from the changed block to the root.
// Missing slots are holes. Owned by a device (one for each plane) or by the reference counts.

#include <cstdint>
#include <vector>

#include "devices/block_store.h"

namespace chimera::devices {

class Tree {
 public:
  Tree(BlockStore& blocks, const TreeRoot& root, std::uint64_t share_generation)
      : blocks_(&blocks), root_(root), share_generation_(share_generation) {}

  [[nodiscard]] const TreeRoot& root() const { return root_; }
  [[nodiscard]] bool empty() const { return root_.slot.empty(); }
  /// Blocks born in this generation or before may belong to other trees too.
  [[nodiscard]] std::uint64_t share_generation() const { return share_generation_; }
  void set_share_generation(std::uint64_t generation) { share_generation_ = generation; }
  void replace(const TreeRoot& root) { root_ = root; }

  // First phase; blocks are counted from 0, ranges are inclusive. Everything held is pinned for the waiter.
  void fetch(Waiter&, std::uint64_t first, std::uint64_t last, Collected&);
  /// For nodes alone.
  void fetch_maps(Waiter&, std::uint64_t first, std::uint64_t last, Collected&);
  /// To overwrite a range, its first and last block wholly or in part. `counted` collects the addresses whose
  /// reference counts may change.
  void prepare(Waiter&, std::uint64_t first, std::uint64_t last, bool first_whole, bool last_whole, Collected&, Needs&,
               std::vector<std::uint64_t>& counted);
  void prepare_clear(Waiter&, std::uint64_t first, std::uint64_t last, Collected&, Needs&,
                     std::vector<std::uint64_t>& counted);
  /// Down to the nodes or blocks of this level. False if it has to be called again when nodes have arrived.
  bool prefetch(std::uint64_t first, std::uint64_t last, unsigned lowest_level);

  // Second phase.
  /// The bytes of a fetched block, null for a hole.
  [[nodiscard]] const std::byte* block(std::uint64_t index);
  /// The slot of a block whose maps have been fetched; an empty one for a hole.
  [[nodiscard]] Slot slot(std::uint64_t index);
  struct Settled {
    Slot slot;
    FrameId frame = no_frame;
  };
  /// The slot, its checksum up to date, and the frame of a block that has been written; an empty slot for a hole.
  [[nodiscard]] Settled settled(std::uint64_t index);
  /// The bytes of a prepared block, to be changed; `whole`: all of them will be, so they are undefined.
  [[nodiscard]] std::byte* writable(std::uint64_t index, bool whole);
  /// Overwrites whole prepared blocks from `index` on; their checksums are taken while the bytes are in the processor's
  /// cache.
  void write(std::uint64_t index, std::size_t count, const std::uint8_t* bytes);
  /// Puts a block of another place here, sharing it; the reference to it has been counted. Prepared as for a write, and
  /// the counts of what is replaced prepared too.
  void put(std::uint64_t index, const Slot& slot);
  /// Empties a range: lone blocks are released, whole branches move to `grave`.
  void clear(std::uint64_t first, std::uint64_t last, Tree& grave);
  /// Brings all checksums up to date.
  void settle() {
    std::size_t budget = SIZE_MAX;
    settle(root_.slot, root_.height, budget);
  }
  /// The same for at most `budget` blocks, of which it takes off those that it has done. True if none is left.
  bool settle_some(std::size_t& budget) { return settle(root_.slot, root_.height, budget); }

  /// Without waiting: the bytes of a block, null if something on the way is not in memory; a hole gives `zeros`.
  [[nodiscard]] const std::byte* peek(std::uint64_t index, const std::byte* zeros);
  /// What `peek` will look at is fetched into the processor's caches: see Device::locate.
  [[nodiscard]] Device::Place locate(std::uint64_t index);
  void approach(const Device::Place& place) const;

  // From the maps alone. They stop early, at `most` pieces or after a bounded number of nodes; what they have appended
  // counts only if `collected` says that nothing was missing.
  struct Piece {
    std::uint64_t blocks;
    bool flag;
  };
  /// Runs of holes (flag) and data.
  void runs(Waiter&, std::uint64_t first, std::uint64_t last, std::size_t most, std::vector<Piece>&, Collected&);
  /// Runs of blocks that this tree and `other` hold in different places (flag), and that they share or both lack.
  void differences(Waiter&, Tree& other, std::uint64_t first, std::uint64_t last, std::size_t most, std::vector<Piece>&,
                   Collected&);

  /// Frees a piece (at most the blocks of one node) of a tree that nobody can reach any more. Ready: go on, until the
  /// tree is empty. Each piece is whole in itself, so a checkpoint may come between any two.
  Outcome reap(Waiter&);

 private:
  [[nodiscard]] bool maybe_shared(const Slot& slot) const;
  [[nodiscard]] bool shared(const Slot& slot) const;
  [[nodiscard]] std::uint64_t capacity() const { return capacity(root_.height); }
  [[nodiscard]] static std::uint64_t capacity(unsigned height) { return std::uint64_t{1} << 8 * height; }
  struct Range {
    std::uint64_t first, last;
    bool first_whole, last_whole;
  };
  void fetch(Waiter&, const Slot&, FrameId& hint, unsigned level, std::uint64_t base, const Range&,
             unsigned lowest_level, Collected&);
  struct Preparation;
  void prepare(Preparation&, const Slot&, FrameId& hint, unsigned level, std::uint64_t base, bool inherited);
  bool count_node(Preparation&, const Slot&, FrameId frame, bool inherited, bool& is_shared);
  [[nodiscard]] Slot* find(std::uint64_t index, FrameId*& hint);
  [[nodiscard]] FrameId pinned(const Slot&, FrameId& hint, unsigned level);
  /// Makes the slot's block one of this generation.
  FrameId own(Slot&, FrameId& hint, unsigned level, bool whole);
  void grow(std::uint64_t index);
  Slot& own_path(std::uint64_t index, unsigned lowest_level, FrameId*& hint);
  void clear(Slot&, FrameId& hint, unsigned level, std::uint64_t base, const Range&, Tree& grave);
  bool settle(Slot&, unsigned level, std::size_t& budget);
  FrameId* hint_at(FrameId node, unsigned slot);
  /// What the tree has at a level above this block; for levels above its root `above` is set.
  Slot resolve(Waiter&, std::uint64_t index, unsigned level, bool& above, Collected&);
  class RunWalk;
  class DifferenceWalk;

  BlockStore* blocks_;
  TreeRoot root_;
  std::uint64_t share_generation_;
  FrameId root_hint_ = no_frame;
  FrameId spare_hint_ = no_frame;  ///< for nodes whose hints found no memory
};

}  // namespace chimera::devices
