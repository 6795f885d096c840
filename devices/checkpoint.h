#pragma once
// How a state of the pool gets onto the disk: everything that is dirty to its place, a flush, the superblock, a flush.
// Data is written ahead, while the state is still changing, so that the disk is busy before anyone asks for a flush.
// The state is frozen in one step; from then on the machine goes on changing the next one while this one is written.

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "devices/block_store.h"
#include "devices/layout.h"
#include "devices/manifest.h"
#include "io/disk.h"
#include "io/histogram.h"

namespace chimera::devices {

class Checkpoint {
 public:
  /// What a checkpoint needs of the pool.
  class Source {
   public:
    /// Settles every tree and marks the records that have changed. Called first when a state is frozen.
    virtual void settle() = 0;
    /// Does some of it before, at most so many blocks. True if none was left.
    virtual bool settle_some(std::size_t budget) = 0;
    virtual void fill(std::uint32_t number, DeviceRecord& record) = 0;
    /// Notes where the journal goes on behind this state.
    virtual void freeze_journal(Superblock& next) = 0;
    /// All that the journal was writing then has been written.
    [[nodiscard]] virtual bool journal_is_written() const = 0;
    /// Records are being waited for meanwhile.
    [[nodiscard]] virtual bool journal_has_priority() = 0;
    virtual void published() = 0;
    /// A write or a flush has failed: nothing more is to be written, ever.
    virtual void stop_journal() = 0;
    /// Whether data may be written before anybody asks for it.
    [[nodiscard]] virtual bool may_write_ahead() const = 0;

   protected:
    ~Source() = default;
  };

  Checkpoint(io::Disk& disk, BlockStore& blocks, Manifest& manifest, Source& source);
  ~Checkpoint();

  /// Takes over from the superblock that the store was opened with, which lies at the place with this index.
  void open(const Superblock& superblock, unsigned place);

  /// One is to begin as soon as it can.
  void want() { wanted_ = true; }
  void want_even_if_unchanged() { wanted_ = forced_ = true; }
  /// Goes on as far as is possible without waiting. Call it often. True if it did something.
  bool work();
  [[nodiscard]] bool idle() const { return stage_ == Stage::idle; }
  /// Nothing of it is under way on the disk.
  [[nodiscard]] bool at_rest() const { return in_flight_ + ahead_in_flight_ == 0; }
  [[nodiscard]] bool wanted() const { return wanted_; }
  /// The generation whose publication makes everything done so far durable.
  [[nodiscard]] std::uint64_t ticket() const;
  [[nodiscard]] std::uint64_t published() const { return superblock_.generation; }
  /// Attempts that were given up because no space could be had for them. There is another one when it is wanted again.
  [[nodiscard]] std::uint64_t refusals() const { return refusals_; }
  /// Whether the last attempt was one of them.
  [[nodiscard]] bool refused() const { return refused_; }
  /// A write or a flush has failed, or what should be written contradicts itself: nothing more is written, ever.
  [[nodiscard]] bool failed() const { return failed_; }
  /// The errno of that write or flush; 0 where none has failed.
  [[nodiscard]] int error() const { return error_; }
  /// Somebody else's write has, with this errno.
  void fail(int error);
  /// The journal has come further: perhaps this can too.
  void go_on();
  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] const Superblock& superblock() const { return superblock_; }
  /// When the last one was published, or the store opened, on io::monotonic_ns.
  [[nodiscard]] std::uint64_t published_ns() const { return published_ns_; }
  /// From the freeze of each to its publication.
  [[nodiscard]] const io::Histogram& durations() const { return durations_; }

 private:
  enum class Stage : std::uint8_t { idle, blocks, first_flush, superblock, last_flush };
  class Write;

  [[nodiscard]] bool anything_changed() const;
  bool settle_ahead();
  bool freeze();
  bool give_up();
  void set_failed(int error);
  bool write_ahead();
  [[nodiscard]] std::size_t idle_count() const;
  Write& next_write(io::DiskRequest::Kind kind, std::uint64_t first_block);
  void start(Write& write);
  void write_more();
  void finished(Write& write);
  [[nodiscard]] unsigned next_place() const;
  void advance();
  void publish();

  io::Disk& disk_;
  BlockStore& blocks_;
  Manifest& manifest_;
  Source& source_;
  Stage stage_ = Stage::idle;
  bool wanted_ = false;
  bool forced_ = false;
  bool failed_ = false;
  int error_ = 0;
  bool refused_ = false;
  std::uint64_t refusals_ = 0;
  std::optional<std::uint64_t> bitmap_failures_;  ///< when the present attempt began
  std::uint64_t count_ = 0;
  std::uint64_t frozen_ns_ = 0;
  std::uint64_t published_ns_ = 0;
  io::Histogram durations_;
  unsigned settling_turns_ = 0;  ///< of the attempt that is to come

  Superblock superblock_{};  ///< the published one
  unsigned place_ = 0;
  BlockBuffer next_superblock_;
  struct Piece {
    std::uint64_t address;
    std::byte* bytes;
    FrameId frame;
  };
  std::vector<Piece> pieces_;  ///< by address
  std::size_t next_piece_ = 0;
  std::vector<SpaceMap::Image> images_;
  std::vector<std::unique_ptr<Write>> writes_;
  std::vector<Write*> idle_writes_;
  std::size_t in_flight_ = 0;        ///< of the state that is being published
  std::size_t ahead_in_flight_ = 0;  ///< of the one that is still changing
};

}  // namespace chimera::devices
