#pragma once
// The life of blocks: they are born dirty in the current generation, shared by clones, and freed. Trees are made of
// them.
//
// A block of the current generation may be changed in place: everything that makes a block shared or part of a
// checkpoint begins a new generation. An older block is never changed; whoever wants to writes a copy that is born now
// and releases the old one.

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "devices/block_cache.h"
#include "devices/device.h"
#include "devices/layout.h"
#include "devices/space_map.h"
#include "io/disk.h"

namespace chimera::devices {

class ReferenceCounts;

/// What the second phase of an instruction will take; filled by its first phase.
struct Needs {
  std::size_t frames = 0;
  std::size_t blocks = 0;
  void add(std::size_t count) {
    frames += count;
    blocks += count;
  }
};

/// How far a first phase has come: it collects everything that is missing before it waits.
struct Collected {
  bool waits = false;
  bool starved = false;  ///< no frame could be had for something
  Status failed = Status::ok;
  std::uint64_t failed_index = 0;  ///< the block of the tree that could not be had
};

class BlockStore {
 public:
  BlockStore(io::Disk& disk, std::uint64_t cache_bytes);
  ~BlockStore();

  BlockCache& cache() { return cache_; }
  SpaceMap& space() { return space_; }
  [[nodiscard]] const BlockCache& cache() const { return cache_; }
  [[nodiscard]] const SpaceMap& space() const { return space_; }
  ReferenceCounts& references() { return *references_; }
  [[nodiscard]] std::uint64_t generation() const { return generation_; }
  void set_generation(std::uint64_t generation) { generation_ = generation; }
  /// All blocks born so far are from now on changed by copying only.
  void begin_generation() { ++generation_; }

  // First phase.
  /// The frame of this block, pinned for the waiter and loaded; or no_frame, and `collected` says why. From level 1 on
  /// it is a node.
  FrameId hold(Waiter& waiter, const Slot& slot, FrameId& hint, unsigned level, Collected& collected);
  /// Sends off what `hold` found missing and says how it came out.
  Outcome conclude(Waiter& waiter, const Collected& collected);
  enum class Purpose : std::uint8_t {
    user,       ///< leaves all that is kept back to the others
    shrinking,  ///< clears and roll backs go on in a full store; they leave half of it
    freeing,    ///< deletes and what they free always find what they need
  };
  /// Whether the second phase would find these frames and blocks.
  Outcome provide(Waiter& waiter, const Needs& needs, Purpose purpose);
  /// Blocks that users do not get, so that clears, deletes and checkpoints find theirs.
  [[nodiscard]] std::uint64_t kept_back() const { return checkpoint_needs() + kept_for(Purpose::user); }

  // Second phase.
  [[nodiscard]] std::uint64_t allocate(SpaceMap::Use use);
  /// A new block for this slot; its bytes are undefined. The slot is unsettled.
  FrameId birth(Slot& slot, SpaceMap::Use use);
  /// The block is not used by this tree any more. `maybe_shared`: the reference counts have to be asked.
  void release(const Slot& slot, bool maybe_shared);
  /// The slot's block becomes one of the current generation with the same bytes (`keep_bytes`) or undefined ones.
  FrameId renew(Slot& slot, FrameId old_frame, bool shared, bool keep_bytes, SpaceMap::Use use);

  /// A discard leaves so many blocks, so that nobody finds too few while it is under way.
  [[nodiscard]] std::uint64_t kept_from_discards() const;

  /// The waiter's instruction has ended, however it did.
  void release_waiter(Waiter& waiter);
  /// Wakes whoever waits for space, a bitmap or a checkpoint, and the first that waits for memory.
  void wake_waiting();
  /// Some of what records name has been written: whoever is first in the queue for memory looks, if that is much or
  /// all.
  void note_written_out();
  void wait_for_event(Waiter& waiter);
  /// Asks for a checkpoint if somebody waits for the space that it would bring, and either that is much or nothing else
  /// will come: while graves are being emptied a checkpoint for each few of their blocks would take all of the disk's
  /// time. To be called when blocks have been freed.
  void look_for_space();

  /// Two places hold the same block, or one that is booked as free: what is in memory may be wrong. From now on every
  /// block is `corrupt`, and nothing is written any more; the store opens with its last published state.
  void contradict() { contradictory_ = true; }
  [[nodiscard]] bool contradictory() const { return contradictory_; }
  [[nodiscard]] bool anyone_waits() const { return !events_.empty() || !memory_queue_.empty(); }

  /// Nothing will ever be written: what is born gets an address that is on no disk, and needs no space.
  bool off_the_map = false;
  /// Everybody finds all room that there is.
  bool keeps_nothing_back = false;
  /// Set by the pool: what to do about too many dirty blocks or too little space, and whether more space may come.
  std::function<void()> want_checkpoint = [] {};
  std::function<bool()> is_freeing = [] { return false; };
  /// False from the first write on that has failed.
  std::function<bool()> can_write = [] { return true; };
  /// False while no checkpoint makes clean what is dirty: a write has failed, or a checkpoint finds no space.
  std::function<bool()> can_clean = [] { return true; };
  /// Blocks that the next checkpoint allocates itself, whatever changes before it. Nobody is given them.
  std::function<std::size_t()> checkpoint_needs = [] { return std::size_t{0}; };

 private:
  Outcome wait_for_memory(Waiter& waiter);
  void wake_for_memory();
  /// Frames become clean without a checkpoint, and then `note_written_out` is called.
  [[nodiscard]] bool is_writing_out() const { return cache_.leaving_count() != 0 && can_write(); }
  Outcome fail_for_space(Waiter& waiter, std::uint64_t wanted) const;
  [[nodiscard]] bool is_worth_a_checkpoint() const;
  [[nodiscard]] std::uint64_t kept_for(Purpose purpose) const;
  [[nodiscard]] bool may_take(const Waiter& waiter, std::size_t frames) const;

  BlockCache cache_;
  SpaceMap space_;
  std::unique_ptr<ReferenceCounts> references_;
  std::uint64_t generation_ = 1;
  std::deque<Waiter*> memory_queue_;  ///< the first keeps its pins, and nobody else takes frames before it has run
  std::vector<Waiter*> events_;
  bool contradictory_ = false;
  bool space_is_wanted_ = false;  ///< by one of those that wait for an event
  std::uint64_t missed_ = 0;      ///< the most blocks that somebody did not find because of a discard
  std::uint64_t unreal_ = 0;      ///< addresses given out that are on no disk
};

}  // namespace chimera::devices
