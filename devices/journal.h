#pragma once
// The journal: what has been done to the pool's devices, as instructions to be run again after a crash. The effects of
// one moment to the next are collected in a window; a window is sealed into a record, and a record is durable as soon
// as it and the blocks that it refers to are on the medium, without a checkpoint.
//
// Small payloads stand in the record, and so do whole blocks if they are few and somebody waits for them. Other whole
// blocks are written to their place in the pool, where the next checkpoint wants them too, and the record says where
// that is (7F 80). A block that a record names is not changed any more, and not used again before the record is
// superfluous.
//
// What takes a record that is too long (a snapshot of very many devices) is not written down: after one of these
// nothing is recorded until a checkpoint has begun, and nothing sealed until it is published, so that no record has a
// gap before it.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <set>
#include <span>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "devices/block_cache.h"
#include "devices/device.h"
#include "devices/flush_forecast.h"
#include "devices/journal_format.h"
#include "devices/journal_writer.h"
#include "isa/builder.h"

namespace chimera::devices {

class PoolDevice;

class Journal {
 public:
  /// The devices by their number; the map outlives the journal.
  using Devices = std::unordered_map<std::uint32_t, PoolDevice*>;
  Journal(io::Disk& disk, BlockCache& cache, const Devices& devices);

  /// Goes on at this position, once a checkpoint has said so on the disk.
  void open(std::uint64_t first_block, std::uint64_t block_count, const JournalPosition& next);
  /// The records from this block of the ring on stay where they are: nothing will be written that replaces them.
  void hold_from(std::uint64_t block) { writer_.pass(block); }
  /// As `open`, for a store that nothing has to be replayed for: records may follow at once.
  void go_on() { state_ = writer_.exists() ? State::on : State::off; }

  // Effects, told after they have happened (`sharing` before: until then blocks belong to nobody else).
  void wrote(const PoolDevice& device, Plane plane, std::uint64_t offset, std::span<const std::uint8_t> bytes,
             bool has_grown);
  void set_length(const PoolDevice& device);
  void set_columns_length(const PoolDevice& device);
  void cut_file(const PoolDevice& device);
  void cleared(const PoolDevice& device, Plane plane, std::uint64_t offset, std::uint64_t count);
  void created(const PoolDevice& device);
  void renamed(const PoolDevice& device);
  void protection_changed(const PoolDevice& device);
  void removed(const PoolDevice& device);
  /// Blocks are about to be shared: what has been written so far gets its place in the record now.
  void sharing();
  void cloned(const PoolDevice& origin, const PoolDevice& clone);
  /// Each first one has the content that its second one had before this step.
  using RolledBack = std::pair<const PoolDevice*, const PoolDevice*>;
  void rolled_back(std::span<const RolledBack> pairs);
  void copied(const PoolDevice& from, std::uint64_t from_offset, const PoolDevice& to, std::uint64_t to_offset,
              std::uint64_t count);
  /// A copy that goes on while others have their turns: what it copies is kept, under a number, then it is done, or is
  /// given up.
  void held(const PoolDevice& from, std::uint64_t hold);
  void copied_held(const PoolDevice& to, std::uint64_t to_offset, std::uint64_t hold, std::uint64_t from_offset,
                   std::uint64_t count);
  void let_go(std::uint64_t hold);
  void kept_outcome(std::span<const std::uint8_t, 16> token, std::uint64_t sequence);
  /// Something happened that takes a longer record than there can be.
  void break_off();

  /// The most that one step may add to a record.
  [[nodiscard]] std::uint64_t largest_step() const { return std::max(largest_addition, largest_transaction()); }
  /// Whether so many bytes more are sure to find room: those of one instruction, of whatever size, or of a
  /// transaction. If not, `work` may help, else a checkpoint.
  [[nodiscard]] bool has_room(std::uint64_t bytes) const;
  /// What a transaction may add to a record.
  [[nodiscard]] std::uint64_t largest_transaction() const {
    return writer_.exists() ? writer_.block_count() * block_size / transactions_in_ring : ~std::uint64_t{0};
  }
  /// A checkpoint should begin soon.
  [[nodiscard]] bool wants_checkpoint() const;
  /// Seals a window that has grown large, or that somebody waits for. Call it often; true: soon again.
  bool work();

  /// What makes all that has been recorded so far durable; 0: only a checkpoint does.
  [[nodiscard]] std::uint64_t ticket() const;
  /// Somebody asks for all that has been recorded so far to be durable: once, whether it is already or not.
  void asked();
  /// Somebody waits for it.
  void want(std::uint64_t ticket);
  [[nodiscard]] std::uint64_t durable() const {
    return skipped_ == 0 ? writer_.durable() : std::min(writer_.durable(), skipped_ - 1);
  }
  /// Nothing is recorded until the next checkpoint: whoever waits, waits for that.
  [[nodiscard]] bool broken() const { return state_ == State::broken; }
  /// Effects are recorded now, so blocks that have been written whole will be written with a record.
  [[nodiscard]] bool records() const { return state_ == State::on || state_ == State::held; }

  // A checkpoint.
  /// The state is being frozen: gives the position of the first record that will not be part of it.
  JournalPosition freeze();
  /// The blocks that records of before the freeze refer to are written, so a flush would cover them.
  [[nodiscard]] bool frozen_is_written() const { return writer_.written() >= frozen_sequence_; }
  void published();

  /// Somebody waits for records now and then, and there is room for more: the checkpoint should leave the disk to them.
  /// Behind a freeze it is asked so often before it counts as over, unless somebody waits again.
  [[nodiscard]] bool has_priority();

  [[nodiscard]] bool at_rest() const { return writer_.at_rest(); }
  [[nodiscard]] const JournalWriter& writer() const { return writer_; }
  [[nodiscard]] JournalWriter& writer() { return writer_; }

 private:
  enum class State : std::uint8_t {
    off,     ///< there is none
    broken,  ///< nothing is recorded before the next checkpoint begins
    held,    ///< recorded, but not sealed before that checkpoint is published
    on,
  };
  struct Changed {
    std::uint32_t number;
    Plane plane;
    std::uint64_t index;
    auto operator<=>(const Changed&) const = default;
  };

  [[nodiscard]] bool begins_effect();
  [[nodiscard]] bool window_empty() const { return window_.empty() && changed_.empty() && lengths_.empty(); }
  [[nodiscard]] std::uint64_t window_bytes() const;
  [[nodiscard]] bool is_gathering();
  void write_piece(const PoolDevice& device, Plane plane, std::uint64_t offset, std::span<const std::uint8_t> bytes);
  template <typename Visit>
  void take_changed(Visit&& visit);
  void place_changed();
  static constexpr std::size_t side_by_side = 8;
  static void approach(PoolDevice& device, Plane plane, std::span<const Changed> changed);
  void place(PoolDevice& device, Plane plane, std::span<const Changed> changed,
             std::vector<BlockCache::Placed>& to_write);
  [[nodiscard]] bool fits_inside() const;
  void put_changed_inside();
  void put_lengths();
  void drain();
  void seal();
  void clear_window();
  void foresee();

  JournalWriter writer_;
  BlockCache& cache_;
  const Devices& devices_;
  State state_ = State::off;
  bool wanted_ = false;    ///< somebody waits for the window
  bool foreseen_ = false;  ///< somebody will, and nothing more will come before
  FlushForecast forecast_;
  Program window_;
  std::uint64_t gathered_bytes_ = 0;  ///< of the window, when it was last looked at whether more comes
  unsigned gathering_turns_ = 0;
  std::size_t blocks_since_asked_ = 0;
  std::size_t enough_blocks_;        ///< that were written whole: the window is sealed although nobody waits
  std::vector<Changed> changed_;     ///< blocks that were written whole since the last drain
  std::set<std::uint32_t> lengths_;  ///< devices whose lengths these have changed
  std::uint64_t copied_blocks_ = 0;  ///< by what has been recorded since the last freeze
  bool wanted_since_freeze_ = false;
  unsigned wanted_before_freeze_ = 0;  ///< so often it still counts that somebody did
  std::uint64_t skipped_ = 0;  ///< a sequence without a record, until the checkpoint that stands for it is published
  std::uint64_t frozen_sequence_ = 0;
  std::uint64_t frozen_block_ = 0;
};

}  // namespace chimera::devices
