#pragma once
// The blocks of a served file that are in memory: those that instructions at work need, those that have been written
// and are on their way to the file, and some that were used lately. A write changes memory and is carried out in place
// in the background; a flush waits for that and for the medium.
//
// A file whose write or flush has failed takes no more of them until it is opened again: the kernel forgets what it
// could not write. What is in memory can still be read.

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "devices/device.h"
#include "devices/layout.h"
#include "io/file.h"

namespace chimera::devices {

class FileBlocks;

/// What all served files of a store share: how much of them is in memory. Must outlive them.
struct FileBudget {
  /// Blocks that wait to be written in place, and those that nobody needs at the moment.
  static constexpr std::size_t most_dirty = 16384, most_idle = 8192;
  std::size_t dirty = 0;
  std::list<std::pair<FileBlocks*, std::uint64_t>> idle;  ///< the longest unused first
  std::vector<Waiter*> waiting;                           ///< for others to be written
  std::unordered_map<Waiter*, std::vector<FileBlocks*>> users;

  /// The waiter's instruction has ended: no file keeps anything for it.
  void release(Waiter& waiter);
};

class FileBlocks {
 public:
  FileBlocks(std::unique_ptr<io::File> file, FileBudget& budget);
  /// Nothing is under way (`at_rest`).
  ~FileBlocks();
  FileBlocks(const FileBlocks&) = delete;
  FileBlocks& operator=(const FileBlocks&) = delete;

  [[nodiscard]] std::uint64_t length() const { return length_; }  ///< bytes, what is on its way included
  [[nodiscard]] bool fixed_length() const { return file_->fixed_length(); }
  [[nodiscard]] bool failed() const { return !failure_.empty(); }

  // First phase, of ranges of bytes that are not empty. What is found stays for the waiter until it is released.
  Outcome fetch(Waiter&, std::uint64_t offset, std::uint64_t count);
  Outcome prepare(Waiter&, std::uint64_t offset, std::uint64_t count);
  /// The file may become as long as this range asks.
  Outcome check_reach(Waiter&, std::uint64_t offset, std::uint64_t count) const;
  /// The file takes writes, and nothing that wants it unchanged is under way.
  Outcome admit_change(Waiter&);

  // Second phase.
  void read(std::uint64_t offset, std::span<std::uint8_t> out) const;
  /// The file becomes longer where the range passes its end, unless its length is fixed: then that part is left out.
  void write(std::uint64_t offset, std::span<const std::uint8_t> bytes);

  // Whole operations. Others wait meanwhile.
  Outcome set_length(Waiter&, std::uint64_t length);
  /// The same for what has been committed: the file takes no more writes if it fails.
  Outcome set_committed_length(Waiter&, std::uint64_t length);
  Outcome clear(Waiter&, std::uint64_t offset, std::uint64_t count);
  /// The waiter does not want to be alone any more.
  void let_go(const Waiter& waiter);
  /// From the file system. What has been written and is not in the file yet is data.
  void extents(std::uint64_t offset, std::uint64_t count, std::vector<Extent>& out);
  /// While somebody reads it in pieces nobody changes it.
  void begin_reading() { ++readers_; }
  void end_reading();

  /// What makes all changes so far durable.
  [[nodiscard]] std::uint64_t ticket() const { return changes_; }
  Outcome flush(Waiter&, std::uint64_t ticket);
  /// Sends changes off to the file.
  void work();
  [[nodiscard]] bool at_rest() const { return loads_.empty() && writes_.empty() && !flushing_; }
  /// The waiter is woken when something has been loaded, written or flushed, or by `wake_waiting`.
  Outcome wait_for_event(Waiter& waiter);
  void wake_waiting();
  void release(Waiter& waiter);
  void evict(std::uint64_t index) { entries_.erase(index); }
  /// The failure, as an answer.
  Outcome fail(Waiter& waiter) const;

 private:
  /// Blocks side by side on their way from or to the file; or a flush.
  class Request final : public io::DiskRequest {
   public:
    Request(FileBlocks& owner, Kind of_kind) : owner_(owner) { kind = of_kind; }
    void finished() override { owner_.finished(*this); }

    std::vector<std::byte*> places;
    std::vector<std::shared_ptr<Block>> blocks;  ///< that are written, as they were when it was started
    std::vector<Waiter*> waiting;                ///< for what is loaded
    std::uint64_t change = 0;                    ///< the oldest that is written, the youngest that a flush covers

   private:
    FileBlocks& owner_;
  };
  using Requests = std::vector<std::unique_ptr<Request>>;

  struct Entry {
    std::shared_ptr<Block> bytes;  ///< shared with a write under way, which must not see a change
    Request* load = nullptr;       ///< that brings them
    bool is_writing = false;
    bool is_idle = false;
    std::uint64_t since = 0;  ///< the first change that is not on its way to the file; 0: none
    std::size_t pins = 0;
    std::list<std::pair<FileBlocks*, std::uint64_t>>::iterator place;  ///< among the idle ones
  };
  /// What is kept for a waiter.
  struct Held {
    std::unordered_set<std::uint64_t> pins;
    int error = 0;  ///< of a load that it waited for
  };

  Held& hold(Waiter& waiter);
  Outcome admit(Waiter& waiter);
  Outcome be_alone(Waiter& waiter);
  Outcome fetch_blocks(Waiter&, std::uint64_t first, std::uint64_t last);
  void start_loads(Waiter& waiter, const std::vector<std::uint64_t>& missing);
  Outcome wait_for_loads(Waiter&, std::uint64_t first, std::uint64_t last);
  void finished(Request& request);
  void loaded(Request& load);
  Entry& changed(std::uint64_t index);
  void zero(std::uint64_t offset, std::uint64_t count);
  void set_idle(std::uint64_t index, Entry& entry);
  void set_used(Entry& entry);
  bool start_write();
  void written(const Request& write);
  void advance_flush();
  void flushed(const Request& flush);
  void set_failed(const char* what, int error);
  int change_length(std::uint64_t length);
  [[nodiscard]] std::uint64_t oldest_change() const;
  Outcome clear_whole(Waiter&, std::uint64_t offset, std::uint64_t end);

  std::unique_ptr<io::File> file_;
  FileBudget& budget_;
  std::uint64_t length_;
  std::unordered_map<std::uint64_t, Entry> entries_;  ///< by the block's index
  std::unordered_map<Waiter*, Held> held_;
  std::vector<Waiter*> events_;
  const Waiter* alone_ = nullptr;  ///< everybody else waits
  std::size_t readers_ = 0;
  std::string failure_;

  Requests loads_;
  Requests writes_;
  std::map<std::uint64_t, std::uint64_t> dirty_;  ///< blocks by the change that made them so
  std::set<std::uint64_t> under_way_;             ///< the first changes of the writes
  std::size_t dirty_count_ = 0;                   ///< blocks that are dirty or being written
  /// Changes are counted. One is there before the first: what another process wrote before it was killed.
  std::uint64_t changes_ = 1;
  std::uint64_t durable_ = 0;
  std::uint64_t wanted_ = 0;
  std::unique_ptr<Request> flushing_;
};

}  // namespace chimera::devices
