#pragma once
// The blocks in memory: one arena of frames of 4096 bytes, found by the address of their block on the disk.
//
// A frame is free, loading, clean, dirty (of the current generation) or frozen (being written by a checkpoint). The
// data of dirty frames may be written ahead of the checkpoint that needs them on the disk. Those that a record of the
// journal names are clean as soon as they are written. Only clean frames that nobody has pinned give way to others. A
// frame whose block has been freed while it is in use is `doomed`: nobody finds it any more, and it becomes free as
// soon as it may.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "devices/device.h"
#include "devices/free_frames.h"
#include "devices/layout.h"
#include "io/disk.h"

namespace chimera::devices {

/// For each slot of a node the frame that its block was last seen in: a guess that saves the look-up, checked when
/// used.
using Hints = std::array<FrameId, slots_per_node>;

class BlockCache {
 public:
  /// `bytes` of frames; the books take less than 4 % more. The disk must outlive the cache.
  BlockCache(io::Disk& disk, std::uint64_t bytes);
  ~BlockCache();
  BlockCache(const BlockCache&) = delete;
  BlockCache& operator=(const BlockCache&) = delete;

  /// The frame that holds this block, whether loaded or still loading; no_frame if there is none.
  [[nodiscard]] FrameId find(std::uint64_t address) const {
    for (FrameId id = buckets_[bucket_of(address)]; id != no_frame; id = frames_[id].next) {
      if (frames_[id].address == address) return id;
    }
    return no_frame;
  }
  /// The same, trying `hint` first and keeping what it finds there.
  [[nodiscard]] FrameId find(std::uint64_t address, FrameId& hint) const {
    if (hint < frames_.size() && frames_[hint].address == address) return hint;
    return hint = find(address);
  }
  /// Fetches what tells of a frame, and the begin of its bytes, into the processor's caches. Any number is fine.
  void approach(FrameId id) const {
    if (id >= frames_.size()) return;
    __builtin_prefetch(&frames_[id]);
    __builtin_prefetch(bytes(id));
  }
  [[nodiscard]] std::byte* bytes(FrameId id) const { return arena_ + std::size_t{id} * block_size; }
  [[nodiscard]] Node& node(FrameId id) const { return *reinterpret_cast<Node*>(bytes(id)); }
  /// It was read, or made, as a node, so its slots are fit to be followed.
  [[nodiscard]] bool holds_node(FrameId id) const { return (frames_[id].flags & Frame::is_node) != 0; }
  /// The block is the one that this slot of its address means, and not one that was born there later or earlier.
  [[nodiscard]] bool is_of(FrameId id, const Slot& slot) const {
    return frames_[id].birth == static_cast<std::uint32_t>(slot.generation());
  }
  [[nodiscard]] bool loading(FrameId id) const { return (frames_[id].flags & Frame::is_loading) != 0; }
  [[nodiscard]] bool frozen(FrameId id) const { return (frames_[id].flags & Frame::is_frozen) != 0; }
  [[nodiscard]] std::uint64_t address(FrameId id) const { return frames_[id].address; }
  /// The frame that an address in the arena belongs to; no_frame for any other.
  [[nodiscard]] FrameId frame_at(const void* place) const {
    const std::size_t distance = static_cast<std::size_t>(static_cast<const std::byte*>(place) - arena_);
    return distance < frames_.size() * block_size ? static_cast<FrameId>(distance / block_size) : no_frame;
  }
  /// Whether a node of the last level may have slots without a checksum: what is written whole gets its own at once.
  [[nodiscard]] bool has_unsettled(FrameId id) const { return (frames_[id].flags & Frame::has_unsettled) != 0; }
  void note_unsettled(FrameId id) { frames_[id].flags |= Frame::has_unsettled; }
  void note_settled(FrameId id) { frames_[id].flags &= static_cast<std::uint16_t>(~Frame::has_unsettled); }
  void touch(FrameId id) { frames_[id].flags |= Frame::was_used; }
  /// The hints of a node's frame; made when first asked for, null when their memory is used up.
  [[nodiscard]] Hints* hints(FrameId id);

  void pin(FrameId id);
  void unpin(FrameId id);

  /// Whether `count` frames could be had now.
  [[nodiscard]] bool can_take(std::size_t count) const { return count <= evictable_; }
  [[nodiscard]] std::size_t frame_count() const { return frames_.size(); }
  [[nodiscard]] std::size_t evictable_count() const { return evictable_; }
  [[nodiscard]] std::size_t dirty_count() const { return dirty_.size(); }
  [[nodiscard]] std::size_t frozen_count() const { return frozen_count_; }
  /// Blocks that have been read.
  [[nodiscard]] std::uint64_t misses() const { return misses_; }
  /// Blocks that instructions have found here, after they had been read if need be.
  [[nodiscard]] std::uint64_t found() const { return found_; }
  void note_found() { ++found_; }

  /// A dirty frame for a block that has just been allocated, its bytes undefined. Needs can_take(1). `settles`: once
  /// written it seldom changes, so it is worth writing ahead.
  [[nodiscard]] FrameId make_dirty(const Slot& slot, bool settles);
  /// Gives a clean frame to a new block: its bytes stay, it becomes dirty. Whoever else has pinned it finds out when
  /// it looks for the old block again.
  void rename_dirty(FrameId id, const Slot& slot, bool settles);
  [[nodiscard]] bool is_dirty(FrameId id) const { return (frames_[id].flags & Frame::is_dirty) != 0; }
  /// Loaded, and the same on the disk.
  [[nodiscard]] bool is_clean(FrameId id) const;
  /// Its block may be changed in place, being of the present generation and in no state or record on the disk.
  [[nodiscard]] bool may_change(FrameId id) const {
    return (frames_[id].flags & (Frame::is_dirty | Frame::is_writing)) == Frame::is_dirty;
  }
  /// The bytes of a dirty frame change in place: what was written ahead does not count. Needs `may_change`.
  void change_dirty(FrameId id);
  [[nodiscard]] bool being_written(FrameId id) const { return (frames_[id].flags & Frame::is_writing) != 0; }
  /// The block has been freed: nobody may find it here any more. False if another block is here at its address.
  [[nodiscard]] bool discard(const Slot& slot);

  struct Placed {
    std::uint64_t address;
    FrameId frame;
  };
  /// Whether `take_settled` will be called: what becomes dirty from now on is kept in order for it, or not.
  void expect_take_settled(bool is_expected);
  /// `count` dirty frames to be written ahead, oldest first, leaving out the last `lag` that became dirty; none while
  /// there are fewer. They stay as they are until `written`.
  [[nodiscard]] std::vector<Placed> take_settled(std::size_t lag, std::size_t count);
  void written(FrameId id);
  /// A record of the journal says where this dirty block is, which is written now: its bytes stay as they are until
  /// `written`, and then it is clean. Needs `may_change`, and that nothing is written ahead.
  void name(FrameId id);
  /// Dirty frames that are clean when what is being written of them has reached the disk, without a checkpoint.
  [[nodiscard]] std::size_t leaving_count() const { return leaving_; }
  /// Hands all dirty frames over to a checkpoint and returns those that it has to write; of the others the bytes are on
  /// the disk already, or on their way. They can be read, not changed, until `thaw`.
  [[nodiscard]] std::vector<Placed> freeze();
  void thaw(FrameId id);

  // Loading. `expect` collects blocks that are missing, `start_loading` sends them off in few, large requests.
  /// Takes a frame for the block and pins it for `waiter` (null: run-ahead, not pinned). Needs can_take(1).
  FrameId expect(const Slot& slot, Waiter* waiter, bool is_node);
  void start_loading();
  /// `waiter` is to be woken when this loading frame is loaded too.
  void await(FrameId id, Waiter& waiter);
  /// The waiter ends: it is woken for nothing any more. Its pins are its own business.
  void forget(Waiter& waiter);
  [[nodiscard]] bool any_loading() const { return loads_in_flight_ != 0; }
  /// Frames that run-ahead has on their way; it may hold a quarter of the cache.
  [[nodiscard]] std::size_t ahead_count() const { return ahead_count_; }
  /// Asked of each node that has been read, and of the slot that names it: whether the node's own slots can be.
  std::function<bool(const Slot&, const Node&)> node_can_be = [](const Slot&, const Node&) { return true; };
  /// Called when blocks have arrived that nobody waits for.
  std::function<void()> ahead_arrived = [] {};

 private:
  struct Frame {
    static constexpr std::uint16_t is_loading = 1, is_dirty = 2, is_frozen = 4, is_doomed = 8, was_used = 16,
                                   is_ahead = 32, is_writing = 64, is_written = 128, is_node = 256, has_unsettled = 512,
                                   is_named = 1024;
    std::uint64_t address = 0;
    FrameId next = no_frame;  ///< in its bucket
    std::uint32_t place = 0;  ///< dirty: index in dirty_; loading: index in loads_
    std::uint32_t hints = 0;  ///< index in hints_ + 1
    std::uint32_t pins = 0;
    std::uint32_t birth = 0;  ///< its block's generation, the lower half
    std::uint16_t flags = 0;
    std::uint8_t rounds = 0;  ///< that it was spared for, being a node that nobody had used since the one before

    [[nodiscard]] bool evictable() const {
      return address != 0 && pins == 0 && (flags & (is_loading | is_dirty | is_frozen | is_doomed | is_writing)) == 0;
    }
  };
  static_assert(sizeof(Frame) == 32);
  class Load;

  /// Neighbours on the disk are neighbours here, since they come and go together; groups are scattered.
  [[nodiscard]] std::size_t bucket_of(std::uint64_t address) const {
    return (address + (address / group_blocks) * 0x9E3779B97F4A7C15ull) & (buckets_.size() - 1);
  }
  void map_arena(std::size_t bytes);
  /// So often the hand passes a node that nobody uses before it has to go. A node leads to 256 blocks, and while it is
  /// missing each of them takes a read more: one pass over much data, a backup for instance, is not to cost others
  /// their maps. The hand comes round twice for data that was used once, so it may be 64 times what the cache holds.
  /// Where nodes are more than a quarter of what may go they stay for one round: the hand would go round and round for
  /// one frame otherwise.
  [[nodiscard]] unsigned node_rounds() const { return node_count_ <= evictable_ / 4 ? 128 : 1; }
  FrameId take();
  void insert(FrameId id, const Slot& slot);
  void remove(FrameId id);
  void set_free(FrameId id);
  void free_if_doomed(FrameId id);
  void loaded(Load& load);
  template <typename Change>
  void change(FrameId id, Change&& change_frame);
  [[nodiscard]] bool named(FrameId id) const { return (frames_[id].flags & Frame::is_named) != 0; }
  void become_dirty(FrameId id, const Slot& slot, bool settles);
  void leave_dirty(FrameId id);

  io::Disk& disk_;
  std::byte* arena_ = nullptr;
  std::size_t arena_size_ = 0;  ///< 0: it comes from the heap
  std::size_t registered_ = 0;  ///< bytes of the arena that the disk has been told of
  std::vector<Frame> frames_;
  std::vector<FrameId> buckets_;
  FreeFrames free_;
  FrameId never_used_ = 0;  ///< frames from here on have not been touched yet
  FrameId hand_ = 0;
  std::size_t evictable_ = 0;  ///< free, never used, and those for which evictable() holds
  std::vector<FrameId> dirty_;
  bool takes_settled_ = true;
  std::deque<Placed> settled_;  ///< in the order in which they became dirty; some have been freed since
  std::size_t leaving_ = 0;     ///< dirty ones that are named
  std::size_t frozen_count_ = 0;
  std::size_t node_count_ = 0;
  std::vector<std::unique_ptr<Hints>> hints_;
  std::vector<std::uint32_t> free_hints_;
  std::size_t most_hints_ = 0;

  std::vector<std::unique_ptr<Load>> loads_;
  std::vector<std::uint32_t> free_loads_;
  struct Missing {
    Slot slot;
    FrameId frame;
    Waiter* waiter;
  };
  std::vector<Missing> missing_;
  std::size_t loads_in_flight_ = 0;
  std::size_t ahead_count_ = 0;
  std::uint64_t misses_ = 0;
  std::uint64_t found_ = 0;
};

/// Every change of what makes a frame evictable goes through here, so that the count stays right.
template <typename Change>
void BlockCache::change(FrameId id, Change&& change_frame) {
  Frame& frame = frames_[id];
  const bool before = frame.evictable();
  change_frame(frame);
  const bool after = frame.evictable();
  if (before != after) after ? ++evictable_ : --evictable_;
}

}  // namespace chimera::devices
