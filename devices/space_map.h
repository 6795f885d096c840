#pragma once
// Which blocks of the store are free: a bitmap for each group of 32,768 blocks (128 MiB), loaded when it is needed, and
// a small summary of all groups that stays in memory.
//
// The bitmaps and the summary's pages are written by checkpoints only, each to the one of its two homes that the
// published state does not name; so they take no space and change no map. A block that has been freed is pending until
// a checkpoint writes that down, held until that checkpoint is published, and only then free for use: until then a
// crash would bring back the state that still needs it.
//
// A bitmap that could not be read is tried again for whoever needs it next; what is freed in its group meanwhile stays
// stranded: remembered, and booked as used. The group of a damaged bitmap is lost: nothing is allocated in it any more,
// and what is freed there stays booked as used. A block that nobody has does no harm, one that two have does.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "devices/device.h"
#include "devices/freed_chunks.h"
#include "devices/io_buffer.h"
#include "devices/layout.h"
#include "io/disk.h"
#include "io/loop.h"

namespace chimera::devices {

class SpaceMap {
 public:
  /// Calls `changed` (from Loop::step) when a bitmap has arrived or could not be had.
  SpaceMap(io::Disk& disk, std::function<void()> changed);
  ~SpaceMap();

  enum class Reserved : std::uint8_t { ready, loading, failed };

  /// The map of an empty store.
  void make(std::uint64_t block_count);
  /// The map of a store as its superblock describes it. False if a page is damaged.
  [[nodiscard]] bool open(io::Loop& loop, std::uint64_t block_count, const SpaceEntry& root);
  /// Has a page written by the next checkpoint although nothing has changed. For a map that has just been made.
  void touch() { mark_dirty(groups_.begin()->first, *groups_.begin()->second); }
  /// Reads of bitmaps that have failed so far. Whoever begins to need bitmaps notes it as his `since`: a bitmap that
  /// fails later has failed for him, one that failed before is tried again.
  [[nodiscard]] std::uint64_t failures() const { return failures_; }
  /// Whether `grow` may be called: it needs the bitmap of the last group.
  [[nodiscard]] Reserved prepare_grow(std::uint64_t since);
  void grow(std::uint64_t block_count);

  [[nodiscard]] std::uint64_t block_count() const { return block_count_; }
  /// Blocks that are free once all that has been freed is published. None of a lost group is.
  [[nodiscard]] std::uint64_t free_count() const { return free_ + pending_.size(); }
  /// Blocks that may be allocated now, in whatever group.
  [[nodiscard]] std::uint64_t available() const { return free_ - held_; }
  /// Whether waiting for a checkpoint would make more available.
  [[nodiscard]] bool more_to_come() const { return held_ != discarding_count() || !pending_.empty(); }
  /// Free blocks of groups whose bitmaps are damaged.
  [[nodiscard]] std::uint64_t lost_count() const { return lost_; }
  [[nodiscard]] std::size_t pending_count() const { return pending_.size(); }
  /// Groups that pending blocks lie in.
  [[nodiscard]] std::size_t pending_groups() const { return pending_groups_; }

  /// Makes sure that the next `count` calls of allocate succeed without loading. Needs available() >= count. Groups
  /// whose bitmaps could not be read come last.
  [[nodiscard]] Reserved reserve(std::uint64_t count, std::uint64_t since);
  enum class Use : std::uint8_t { data, nodes };
  /// A block that was free. Data and nodes grow towards each other from the two ends of a group, so that each lies in
  /// long runs.
  [[nodiscard]] std::uint64_t allocate(Use use);
  void release(std::uint64_t address);
  /// Of an empty store that has just been made: blocks of the first group that are nobody's to allocate.
  void claim_run(std::uint64_t first, std::uint64_t count);
  /// Marks these blocks (sorted) as used. False if one cannot be, or is, unless `may_be_used`.
  [[nodiscard]] bool claim(io::Loop& loop, const std::vector<std::uint64_t>& addresses, bool may_be_used);

  // A checkpoint: `load_released` until it is ready, `images` in the run that freezes the state, `published` at its
  // end.
  /// Loads the bitmaps of all that has been released, and of `also`, as far as they can be had. False while some are on
  /// their way.
  [[nodiscard]] bool load_released(const std::vector<std::uint64_t>& also, std::uint64_t since);
  struct Image {
    std::uint64_t address;
    BlockBuffer bytes;
  };
  /// Books all pending blocks as free whose bitmaps are there, and gives what has to be written; the root entry is for
  /// the superblock.
  [[nodiscard]] std::vector<Image> images(std::uint64_t generation, SpaceEntry& root);
  void published();
  /// A block was freed that was free already: two trees hold it, and what `images` gave must not be published.
  [[nodiscard]] bool contradicts() const { return contradicts_; }
  [[nodiscard]] bool any_loading() const { return !loads_.empty(); }
  [[nodiscard]] bool dirty() const { return !dirty_groups_.empty() || !pending_.empty(); }

  // Discards (space_discard.cpp): free blocks whose space the store's host may have back.
  struct Run {
    std::uint64_t first = 0, count = 0;
  };
  struct DiscardLimits {
    std::uint64_t least, most;  ///< blocks of a run
    bool whole_chunks;          ///< only chunks that are free altogether, and in memory: while others write
  };
  /// From now on it is noted where blocks are freed.
  void note_freed();
  /// The same of all blocks that are free now, whoever has freed them.
  void note_all_free();
  /// There may be more to discard, or some is under way.
  [[nodiscard]] bool any_discardable() const;
  /// A run of blocks that are free in both published states; nobody gets them before `discarded`. Nothing, if there is
  /// none, or a bitmap has to be loaded, or (`more`) others should have their turn.
  [[nodiscard]] std::optional<Run> take_discardable(const DiscardLimits& limits, bool& more);
  void discarded();
  /// Blocks that are held until the discard that is under way has ended.
  [[nodiscard]] std::uint64_t discarding_count() const;
  /// Blocks that were freed of late, which no discard may have yet.
  [[nodiscard]] std::uint64_t unripe_count() const { return freed_.unripe(); }

  // For the check.
  [[nodiscard]] std::uint32_t group_count() const { return static_cast<std::uint32_t>(levels_.front().size()); }
  [[nodiscard]] const SpaceEntry& group_entry(std::uint32_t group) const { return levels_[0][group]; }
  [[nodiscard]] unsigned level_count() const { return static_cast<unsigned>(levels_.size()); }
  [[nodiscard]] const SpaceEntry& entry(unsigned level, std::size_t page) const { return levels_[level][page]; }
  /// The place of a page (level 0: a bitmap) of the map.
  [[nodiscard]] static std::uint64_t home(unsigned level, std::uint64_t page, unsigned which);
  /// Whether a slot may name this block: it is inside the store and not a fixed one.
  [[nodiscard]] bool may_hold(std::uint64_t address) const {
    return address < block_count_ &&
           address % group_blocks >= fixed_blocks(static_cast<std::uint32_t>(address / group_blocks));
  }
  /// Whether what a slot on the disk says can be: a hole, or a block that may be there and was born by `newest`.
  [[nodiscard]] bool may_hold(const Slot& slot, std::uint64_t newest) const {
    return slot.empty() || (slot.well_formed(newest) && may_hold(slot.address()));
  }
  /// Blocks at the start of a group that are never allocated: the homes in it, and in group 0 the superblocks.
  [[nodiscard]] static std::uint32_t fixed_blocks(std::uint32_t group);

 private:
  struct Group;
  class GroupLoad;

  Group* loaded(std::uint32_t group);
  /// Starts loading, if it has not begun.
  void load(std::uint32_t group);
  void arrived(GroupLoad& load);
  [[nodiscard]] std::unique_ptr<Group> verified(const GroupLoad& load) const;
  void lose(std::uint32_t group);
  void take_up_stranded(std::uint32_t group);
  /// Whether the bitmap is not to be asked for, since it has failed for who began at `since`.
  [[nodiscard]] bool refused(std::uint32_t group, std::uint64_t since) const;
  [[nodiscard]] std::uint32_t emptiest(bool waits, std::uint64_t since, std::uint64_t& available) const;
  [[nodiscard]] bool agrees(const Group& group, std::uint32_t number) const;
  void make_fresh(Group& group, std::uint32_t number) const;
  [[nodiscard]] std::uint32_t blocks_in(std::uint32_t group) const;
  void shape_levels();
  [[nodiscard]] std::uint64_t available_in(std::uint32_t group) const;
  void leave_passed_groups();
  std::uint32_t find_data(Group& group) const;
  std::uint32_t find_node(Group& group) const;
  void mark_dirty(std::uint32_t group, Group& state);
  void take(std::uint32_t number, Group& group, std::uint32_t bit);
  void unload_surplus();
  [[nodiscard]] std::uint64_t open_run(const Group& group, std::uint64_t first, std::uint64_t most) const;
  [[nodiscard]] Run find_discardable(const Group& group, std::uint64_t chunk, const DiscardLimits& limits);
  void pass_discardable(std::uint64_t next);
  void hold_discarded(Group& group);

  io::Disk& disk_;
  std::function<void()> changed_;
  std::uint64_t block_count_ = 0;
  std::uint64_t free_ = 0;  ///< not marked in the bitmaps, held ones included
  std::uint64_t held_ = 0;
  std::vector<std::vector<SpaceEntry>> levels_;  ///< [0]: one a group; the last has one entry, the root
  std::unordered_map<std::uint32_t, std::unique_ptr<Group>> groups_;
  std::unordered_map<std::uint32_t, std::unique_ptr<GroupLoad>> loads_;
  std::vector<std::uint32_t> dirty_groups_;
  std::vector<std::uint32_t> held_groups_;
  std::vector<std::uint64_t> pending_;
  std::vector<std::uint64_t> stranded_;
  std::vector<bool> has_pending_;  ///< by group
  std::size_t pending_groups_ = 0;
  /// Loaded groups that allocations are taken from, in this order.
  std::vector<std::uint32_t> reserved_;
  std::uint64_t reserved_blocks_ = 0;  ///< that may be allocated in them
  /// Groups whose bitmaps could not be read, with the number of the last failure, or lost_for_good.
  std::unordered_map<std::uint32_t, std::uint64_t> failed_;
  static constexpr std::uint64_t lost_for_good = ~std::uint64_t{0};
  std::uint64_t failures_ = 0;
  std::uint64_t lost_ = 0;
  bool contradicts_ = false;
  bool notes_freed_ = false;
  FreedChunks freed_;
  Run discarding_;                  ///< the run that was taken and is not `discarded` yet
  std::uint64_t next_discard_ = 0;  ///< runs are looked for from this block on
  bool nothing_ripe_ = true;        ///< until a checkpoint is published
};

}  // namespace chimera::devices
