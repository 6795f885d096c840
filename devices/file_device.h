#pragma once
// A device whose bytes are a file that is served in place.
//
// It has two halves. The file holds the data. The pool holds everything else in a device of its own, the **part**: the
// record with name and path, the metadata, the columns, and what transactions have committed to the data and the file
// does not hold yet. So a commit is whole like any other, whatever the file does: its blocks are the part's first, in
// the journal and in checkpoints. When they are durable there they are written to the file in place, and when they
// are durable there too they are taken from the part. Who reads looks into the part first.
//
// A commit that sets the length leaves a **cut** in the part: the file is to be cut to that length, get the blocks, and
// then have the part's length. Until then it counts as if it had been cut already: what lies behind is zeros.
//
// Outside of transactions a write goes to the file alone (devices/file_blocks.h). It waits while what it touches is
// still on its way from the part.
//
// While a journal is replayed the device is its part, and the file is not touched.

#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "devices/device.h"
#include "devices/file_blocks.h"
#include "devices/pool_device.h"
#include "io/file.h"

namespace chimera::devices {

class Pool;

class FileDevice final : public Device {
 public:
  /// `folder` is where the file is to be found; null: the store was opened without one. All of them outlive the device.
  FileDevice(Pool& pool, std::unique_ptr<PoolDevice> part, io::Folder* folder, FileBudget& budget);
  /// Waits for what is under way in the file. What was not flushed may be lost.
  ~FileDevice() override;
  /// Until nothing is under way in the file.
  void wait_for_io();
  [[nodiscard]] PoolDevice& part() { return *part_; }
  [[nodiscard]] const std::string& path() const { return part_->path(); }  ///< below the folder
  /// Its file has been opened, which is done when it is first needed.
  [[nodiscard]] bool attached() const { return blocks_ != nullptr; }
  /// Why its file cannot be opened now, in words; empty if it can. It is let go of again.
  [[nodiscard]] std::string why_missing() const;
  /// Nothing is under way in the file.
  [[nodiscard]] bool at_rest() const { return blocks_ == nullptr || blocks_->at_rest(); }
  /// Bytes that the part holds for the file.
  [[nodiscard]] std::uint64_t held_bytes() const { return pending_.size() * block_size; }
  /// A file that has just been opened for it.
  void attach(std::unique_ptr<io::File> file);
  /// Whether the device may go even if the file cannot be given what the part holds for it.
  void give_up(bool may_go) { given_up_ = may_go; }

  Outcome available(Waiter&) override;
  Outcome fetch(Waiter&, Plane, std::uint64_t offset, std::uint64_t count) override;
  Outcome prepare(Waiter&, Plane, std::uint64_t offset, std::uint64_t count) override;
  void read(Plane, std::uint64_t offset, std::span<std::uint8_t> out) override;
  [[nodiscard]] bool equal(Plane, std::uint64_t offset, std::span<const std::uint8_t> bytes) override;
  void write(Plane, std::uint64_t offset, std::span<const std::uint8_t> bytes) override;
  void set_columns_length(std::uint64_t length) override;
  Outcome clear(Waiter&, Plane, std::uint64_t offset, std::uint64_t count) override;
  Outcome set_length(Waiter&, std::uint64_t length) override;
  Outcome extents(Waiter&, Plane, std::uint64_t offset, std::uint64_t count, std::vector<Extent>& out) override;
  Outcome differences(Waiter&, Device& other, std::uint64_t offset, std::uint64_t count,
                      std::vector<Extent>& out) override;
  Outcome share(Waiter&, std::uint64_t offset, Device& from, std::uint64_t from_offset, std::uint64_t count) override;
  /// Nobody changes the file meanwhile.
  Outcome digest(Waiter&, std::uint64_t offset, std::uint64_t count, std::span<std::uint8_t, 32> out) override;

  /// What makes all that has been done to the file so far durable, and part of the file.
  struct Ticket {
    std::uint64_t change = 0, version = 0;
  };
  [[nodiscard]] Ticket ticket() const;
  Outcome flush(Waiter&, const Ticket& ticket);
  /// Ready: it may be deleted. Nothing is left to be done to the file.
  Outcome prepare_removal(Waiter&);
  /// A slice of the way from the part to the file, and on to the medium.
  void work();
  /// `work` could go on at once, because what it waited for has come since.
  [[nodiscard]] bool may_go_on() const {
    const bool has_more = move_.stage != Move::Stage::idle || !all_moved();
    return blocks_ != nullptr && has_more && !mover_.waits && !has_stopped_ && may_move();
  }

 private:
  /// Blocks on their way from the part to the file, each with its version when they set out.
  struct Move {
    enum class Stage : std::uint8_t { idle, record, cut, copy, lengthen, flush, take };  ///< what is next
    Stage stage = Stage::idle;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> blocks;
    std::optional<std::uint64_t> cut;  ///< the version of the cut that goes along
    std::uint64_t length = 0;          ///< of the device
    std::size_t copied = 0;            ///< of the blocks
    std::uint64_t change = 0;          ///< of the file, the last of the copies
  };
  class Mover final : public Waiter {
   public:
    void wake() override { waits = false; }
    bool waits = false;
  };

  [[nodiscard]] bool replaying() const;
  [[nodiscard]] std::expected<std::unique_ptr<io::File>, std::string> reach(bool read_only) const;
  Outcome open(Waiter&);
  Outcome find_pending(Waiter&);
  [[nodiscard]] bool any_pending(std::uint64_t offset, std::uint64_t count) const;
  [[nodiscard]] bool all_moved() const { return pending_.empty() && !part_->cut(); }
  enum class Source : std::uint8_t { file, part, zeros };
  template <typename Visit>
  void each_piece(std::uint64_t offset, std::uint64_t count, Visit&& visit) const;
  Outcome prepare_commit(Waiter&, std::uint64_t offset, std::uint64_t count);
  void write_committed(std::uint64_t offset, std::span<const std::uint8_t> bytes);
  Outcome rehearse_length(Waiter&, std::uint64_t length);
  void commit_length(Waiter&, std::uint64_t length);
  void note_length();
  Outcome wait_for_pending(Waiter&);
  Outcome refuse(Waiter&, const char* what) const;

  // file_move.cpp
  Outcome settle(Waiter&);
  void rest();
  void stop();
  [[nodiscard]] bool may_move() const;
  bool look_for_file();
  void begin_move();
  Outcome set_file_length(std::uint64_t length);
  void fetch_ahead();
  Outcome move_on();
  Outcome copy();
  Outcome take_from_part();
  [[nodiscard]] bool is_current(const std::pair<std::uint64_t, std::uint64_t>& block) const;
  [[nodiscard]] bool is_cut_current() const { return part_->cut() && move_.cut == cut_version_; }

  Pool& pool_;
  std::unique_ptr<PoolDevice> part_;
  io::Folder* folder_;
  FileBudget& budget_;
  std::unique_ptr<FileBlocks> blocks_;  ///< null: the file is not there
  bool tried_ = false;                  ///< to open it, unasked
  bool given_up_ = false;
  bool is_stuck_ = false;  ///< a block of the part is damaged
  bool pending_found_ = false;
  std::map<std::uint64_t, std::uint64_t> pending_;  ///< blocks of data that the part holds, by index: their versions
  std::uint64_t version_ = 0;                       ///< of the last commit
  std::uint64_t cut_version_ = 0;                   ///< of the last one that has set the length
  bool is_commit_ = false;                          ///< what was prepared last, and is written next
  Move move_;
  Mover mover_;
  bool has_stopped_ = false;  ///< until it tries again
};

}  // namespace chimera::devices
