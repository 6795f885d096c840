#pragma once
// Everything that a damaged store's maps lead to, and which of it is damaged.

#include <cstdint>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "devices/check_damage.h"
#include "devices/remains.h"
#include "devices/salvage.h"
#include "devices/tree_scan.h"

namespace chimera::devices {

class Survey final : private TreeScan::Visitor {
 public:
  /// `remains` have been read.
  Survey(io::Loop& loop, io::Disk& disk, Remains& remains, const OnProgress& progress);
  void run();

  [[nodiscard]] const Losses& losses() const { return losses_; }
  /// Blocks that something names, whether or not they can be read, and fixed ones.
  [[nodiscard]] const std::vector<bool>& used() const { return used_; }
  [[nodiscard]] bool is_damaged(const Slot& slot) const {
    return !remains_.space.may_hold(slot, remains_.superblock.generation) || damaged_.contains(slot.address());
  }
  [[nodiscard]] const JournalLog& log() const { return log_; }
  /// None of its records can be replayed: they name blocks that hold something else.
  [[nodiscard]] bool journal_contradicts() const { return journal_contradicts_; }
  /// The maps have to be written anew: damage to the journal alone, and to blocks that only it names, is no reason.
  [[nodiscard]] bool maps_are_damaged() const { return maps_are_damaged_; }

 private:
  bool enter(const Slot& slot) override;
  bool visit(const Slot& slot, unsigned level, std::uint64_t index, const Block* bytes) override;
  void repair(std::string line);
  void mark_fixed_blocks();
  void look_at_journal();
  void look_at_names();
  void look_for_devices();
  void walk_counts();
  void walk_devices();
  void list_ranges();
  void compare_counts();
  void compare_bitmaps();
  /// Something is damaged that leads to blocks, so the books cannot be compared with what is found.
  [[nodiscard]] bool hides_blocks() const {
    return holders_.any() || misplaced_ != 0 || counts_are_damaged_ || remains_.lost_records != 0;
  }
  [[nodiscard]] bool bitmap_is_right(std::uint32_t group, const SpaceEntry& entry, const Block& bitmap) const;

  io::Loop& loop_;
  io::Disk& disk_;
  Remains& remains_;
  const OnProgress& progress_;
  TreeScan scan_;
  DamageHolders holders_;
  std::vector<bool> used_;
  std::unordered_set<std::uint64_t> damaged_;
  std::unordered_map<std::uint64_t, std::uint64_t> references_;  ///< beyond the first
  std::unordered_map<std::uint64_t, std::uint64_t> booked_;
  bool in_counts_ = false;
  bool counts_are_damaged_ = false;
  std::uint64_t misplaced_ = 0;  ///< slots that name what cannot be
  std::uint64_t done_ = 0;
  JournalLog log_;
  bool journal_contradicts_ = false;
  bool maps_are_damaged_ = false;
  Losses losses_;
};

}  // namespace chimera::devices
