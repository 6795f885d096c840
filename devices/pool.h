#pragma once
// The devices that live on a disk: their blocks, the manifest that lists them, the checkpoints that make them durable,
// and the graves of those that were deleted, whose blocks are freed in the background.

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "devices/block_store.h"
#include "devices/catalogue.h"
#include "devices/checkpoint.h"
#include "devices/discards.h"
#include "devices/journal.h"
#include "devices/journal_scan.h"
#include "devices/manifest.h"
#include "devices/owned_pool.h"
#include "devices/pool_device.h"
#include "devices/store_figures.h"
#include "io/loop.h"

namespace chimera::devices {

class Pool final : private Checkpoint::Source {
 public:
  Pool(io::Loop& loop, io::Disk& disk, std::uint64_t cache_bytes);
  /// Waits for what is under way on the disk. What is not durable by then is lost.
  ~Pool();

  /// Runs `work`, which gives an std::expected; if it throws the pool is broken off. Behind an error nothing is under
  /// way on the disk any more, so that the pool can go without having to wait.
  template <typename Work>
  auto amid_operation(const Work& work) {
    is_broken_off_ = true;
    auto result = work();
    if (!result) wait_for_io();
    is_broken_off_ = false;
    return result;
  }
  /// Until nothing is under way on the disk.
  void wait_for_io();

  /// Begins an empty store over the whole disk, with the identity of this superblock; the first checkpoint makes it.
  [[nodiscard]] std::string make(const Superblock& blank);
  /// Takes over a store as this superblock (at the place with this index) describes it. An error is a sentence.
  [[nodiscard]] std::string open(const Superblock& superblock, unsigned place);
  /// The devices found by `open`; the caller owns them from now on.
  [[nodiscard]] std::vector<std::unique_ptr<PoolDevice>> take_devices() { return std::move(opened_); }

  Outcome create(Waiter&, const Uuid&, std::string_view name, std::span<const std::uint8_t> columns,
                 const CreateOptions&, std::unique_ptr<PoolDevice>& made);
  // pool_clones.cpp
  struct Clone {
    PoolDevice* origin;
    Uuid uuid;
    std::string name;
  };
  Outcome clone(Waiter&, std::span<const Clone>, std::vector<std::unique_ptr<PoolDevice>>& made);
  struct RollBack {
    PoolDevice* device;
    PoolDevice* content;
  };
  /// All at one moment: each device takes what its content had before. None is named twice as a device.
  Outcome roll_back(Waiter&, std::span<const RollBack>);
  /// The device's blocks are freed in the background; the object may go.
  Outcome remove(Waiter&, PoolDevice&);

  // hidden_devices.cpp: those that only a transaction knows. Of the pairs the first is to be rehearsed.
  [[nodiscard]] std::unique_ptr<PoolDevice> make_hidden(const Uuid&, std::string_view name, bool fixed_length,
                                                        std::uint64_t length);
  /// `clone`, which is hidden and empty, gets the content that `origin` has now. It is shared, not copied.
  Outcome clone_hidden(Waiter&, PoolDevice& origin, PoolDevice& clone);
  Outcome prepare_entry(Waiter&);
  /// From now on it is a device like others, with the content of `origin`, or new where that is null.
  void enter_hidden(PoolDevice& hidden, const PoolDevice* origin);
  /// The device of outcomes.h, as it is on the disk; hidden and empty if there is none yet.
  [[nodiscard]] std::unique_ptr<PoolDevice> take_outcomes();
  void enter_outcomes(PoolDevice& hidden);
  Outcome prepare_replacement(Waiter&, PoolDevice&);
  /// The device takes the content of a hidden one. Whose that is the journal is told for all that are replaced.
  void replace(PoolDevice&, PoolDevice& hidden);

  /// Its name, length or flags have changed.
  void mark(PoolDevice& device) { manifest_.mark(device.number_); }
  void renamed(PoolDevice& device) { mark(device), journal_.renamed(device); }
  void protection_changed(PoolDevice& device) { mark(device), journal_.protection_changed(device); }
  Outcome sync(Waiter&);        ///< all is durable, in the journal or in a checkpoint
  Outcome checkpoint(Waiter&);  ///< all is part of a published checkpoint
  void release(Waiter& waiter);
  /// Whether anything may be written: not read only, no write has failed, and the journal has room for a record with
  /// so many bytes more.
  Outcome admit(Waiter&, std::uint64_t record_bytes = largest_addition);

  /// The records of the journal that are not part of the state on the disk, as `open` found them: to be run by the
  /// machine, in their order, before anything else.
  [[nodiscard]] const JournalLog& log() const { return log_; }
  /// Replay: nothing will be copied any more of what is held under this number.
  void let_go(std::uint64_t hold);
  /// So many of them have been run, and so many bytes of the next one's instructions. After the last one the pool is
  /// open to all.
  void replayed(std::size_t records, std::size_t bytes);
  [[nodiscard]] StoreFigures figures(std::size_t device_count) const;
  /// A slice of background work. True if more could be done at once.
  bool work();

  [[nodiscard]] BlockStore& blocks() { return blocks_; }
  [[nodiscard]] Manifest& manifest() { return manifest_; }
  [[nodiscard]] Journal& journal() { return journal_; }
  [[nodiscard]] const Checkpoint& checkpoint() const { return checkpoint_; }
  [[nodiscard]] bool failed() const { return checkpoint_.failed(); }
  /// What has failed, and what to do, for people; empty while nothing has.
  [[nodiscard]] std::string failure() const;
  [[nodiscard]] io::Loop& loop() { return loop_; }
  [[nodiscard]] io::Disk& disk() { return disk_; }
  [[nodiscard]] std::size_t grave_count() const { return graves_.size(); }
  /// Nothing is left to free or to write; or nothing may be written.
  [[nodiscard]] bool at_rest() const;
  /// Requests are under way on the disk.
  [[nodiscard]] bool io_pending() const;
  [[nodiscard]] bool read_only() const { return read_only_; }
  /// False where everything stays as it is: read only, or the disk has failed.
  [[nodiscard]] bool may_change() const { return !read_only_ && !failed(); }
  /// The log is being replayed: records of the journal's own are carried out, and changes find all room there is.
  [[nodiscard]] bool replaying() const { return replaying_; }
  void set_read_only() { read_only_ = true; }
  /// Only the state of the last checkpoint is wanted, and only to be read. Before `open`.
  void leave_journal() { read_only_ = without_journal_ = true; }
  /// Of a state that was published in the midst of a replay: the record of which it holds the first instructions and
  /// not the last ones; 0 if there is none. It is whole again when the journal is replayed.
  [[nodiscard]] std::uint64_t record_in_part() const {
    const Superblock& state = checkpoint_.superblock();
    return (state.flags & Superblock::amid_replay) != 0 && state.journal_done != 0 ? state.journal.sequence : 0;
  }
  /// What is damaged in the journal is cut off, and what cannot be replayed left out. Before `open`.
  void set_salvaging() { salvaging_ = true; }
  [[nodiscard]] bool salvaging() const { return salvaging_; }
  /// One begins soon, even if nothing has changed.
  void want_checkpoint() { checkpoint_.want_even_if_unchanged(); }
  /// Free space is given back to the disk (Discards). Before anything has happened.
  void enable_discards(const Discards::Options& options) { discards_.enable(options); }
  [[nodiscard]] const Discards& discards() const { return discards_; }
  /// What is free now is given back too, whoever has freed it, behind two checkpoints more.
  void discard_all_free();
  /// From now on little is enough: nobody will come back for it.
  void give_back_at_end() { is_ending_ = discards_.enabled(); }
  /// Something that was deleted is on its way to be given back.
  [[nodiscard]] bool is_giving_back() const;
  /// Every tree of the store with its share generation, for the check.
  void each_tree(const std::function<void(const std::string& name, Tree&)>& visit);

 private:
  friend class PoolDevice;
  friend struct PoolEnder;
  friend class Hold;
  friend class ShareProgress;
  struct Grave {
    Tree tree;
    bool held = false;       ///< still read by a long operation
    std::uint64_t hold = 0;  ///< the journal's number for it, if it is the source of a copy
  };

  [[nodiscard]] bool make_durable(const Superblock& superblock, unsigned place);
  void settle() override;
  bool settle_some(std::size_t budget) override;
  void fill(std::uint32_t number, DeviceRecord& record) override;
  void freeze_journal(Superblock& next) override;
  [[nodiscard]] bool journal_is_written() const override { return journal_.frozen_is_written(); }
  [[nodiscard]] bool journal_has_priority() override { return journal_.has_priority(); }
  void published() override;
  void stop_journal() override;
  [[nodiscard]] bool may_write_ahead() const override { return !journal_.records(); }
  Outcome check_health(Waiter&) const;
  Outcome wait_until_durable(Waiter&, std::uint64_t record);
  [[nodiscard]] std::string open_journal(const Superblock& superblock);
  [[nodiscard]] bool write_again(std::vector<std::uint64_t> addresses);
  [[nodiscard]] bool much_has_changed() const;
  void wake_record_waiters();
  [[nodiscard]] bool too_many_open_graves() const;
  Outcome wait_for_graves(Waiter&);
  std::uint32_t bury(const Tree& tree);
  std::uint32_t dig(const Grave& grave);
  /// The record number of the grave that the journal calls so, if there is one.
  [[nodiscard]] std::optional<std::uint32_t> find_hold(std::uint64_t hold) const;
  void release_hold(std::uint32_t number);
  /// What the journal held for copies that did not come to their end goes.
  void release_holds();
  void share_trees(std::span<Tree> trees);
  Outcome prepare_sharing(Waiter&, std::span<PoolDevice* const> origins, std::size_t records, BlockStore::Purpose,
                          std::vector<std::uint64_t>& roots);
  void mark_holds(PoolDevice& hidden);
  void drop_holds(PoolDevice& hidden);
  bool reap();
  bool reap_some();
  bool give_back();
  [[nodiscard]] bool is_worth_giving_back() const;

  class Reaper final : public Waiter {
   public:
    void wake() override { waits = false; }
    bool waits = false;
  };

  io::Loop& loop_;
  io::Disk& disk_;
  BlockStore blocks_;
  Manifest manifest_;
  Checkpoint checkpoint_;
  std::unordered_map<std::uint32_t, PoolDevice*> devices_;  ///< by record number
  Journal journal_;
  JournalLog log_;
  Discards discards_;
  std::uint64_t reclaimed_ = 0;                      ///< blocks freed by graves that no checkpoint was asked for yet
  unsigned ripening_ = 0;                            ///< checkpoints that are to be made until they may be given back
  std::uint64_t gives_back_until_ = 0;               ///< so many checkpoints, while others write
  bool is_ending_ = false;                           ///< and what else was freed of late is to be given back, too
  std::unordered_map<std::uint32_t, Grave> graves_;  ///< by record number
  bool is_settling_ = false;                         ///< settle_some has been called, and has not come to its end
  std::vector<std::uint32_t> unsettled_;             ///< devices that are left to it, by record number
  std::vector<std::unique_ptr<PoolDevice>> opened_;
  std::size_t hidden_holds_ = 0;          ///< graves that hidden clones are booked as
  std::unique_ptr<PoolDevice> outcomes_;  ///< until it is taken
  /// Devices that a long copy is being made into, and by whom.
  std::vector<std::pair<std::uint32_t, const Waiter*>> locks_;
  Reaper reaper_;
  bool is_broken_off_ = false;
  bool read_only_ = false;
  bool without_journal_ = false;
  bool salvaging_ = false;
  bool replaying_ = false;
  std::size_t replayed_ = 0;        ///< records
  std::size_t replayed_bytes_ = 0;  ///< of the next one
  bool frozen_amid_replay_ = false;
  std::vector<Waiter*> record_waiters_;
};

/// Runs a pool that nobody else uses until all that was done to it is durable. The error is a sentence.
[[nodiscard]] std::expected<void, std::string> settle_store(io::Loop& loop, Pool& pool);

}  // namespace chimera::devices
