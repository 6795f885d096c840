#pragma once
// The journal's ring on the disk: records are written one behind the other, each with the data that it refers to, and
// flushed when somebody waits for one. A block that holds a record is not written again before a checkpoint has made
// the record superfluous.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "devices/block_cache.h"
#include "devices/io_buffer.h"
#include "devices/layout.h"
#include "io/disk.h"

namespace chimera::devices {

class JournalWriter {
 public:
  JournalWriter(io::Disk& disk, BlockCache& cache);
  ~JournalWriter();

  /// The ring is these blocks of the disk, and the next record goes to this position.
  void open(std::uint64_t first_block, std::uint64_t block_count, const JournalPosition& next);
  [[nodiscard]] bool exists() const { return block_count_ != 0; }
  [[nodiscard]] std::uint64_t block_count() const { return block_count_; }
  [[nodiscard]] std::uint64_t used_blocks() const { return next_.block - tail_; }
  /// Blocks that a record with so many bytes of instructions takes.
  [[nodiscard]] static std::uint64_t blocks_for(std::uint64_t bytes) {
    return (sizeof(JournalHeader) + bytes + block_size - 1) / block_size;
  }

  /// So many records that have been written and are not durable are flushed though nobody waits: when the store is
  /// opened behind a crash all that they name has to be read, and written again.
  static constexpr std::uint64_t most_unflushed = 8;

  /// Writes these blocks, which the next record refers to: it is not durable without them. Their frames are marked as
  /// being written (BlockCache::name).
  void write_data(std::vector<BlockCache::Placed> blocks);
  /// Writes a record of these instructions. The ring must have the room. Returns its sequence. `ahead`: nobody waits
  /// for it yet, but somebody is about to.
  std::uint64_t append(std::span<const std::uint8_t> instructions, bool ahead = false);
  /// A sequence without a record: what would have stood in it is part of the next checkpoint.
  void skip();
  /// The disk has failed, here or elsewhere: nothing more is written, and nothing becomes durable.
  void stop() { has_failed_ = true; }
  [[nodiscard]] bool stopped() const { return has_failed_; }
  /// Somebody waits for this record to be durable.
  void want(std::uint64_t sequence);

  [[nodiscard]] std::uint64_t last() const { return next_.sequence - 1; }  ///< the youngest record
  [[nodiscard]] std::uint64_t written() const { return written_; }         ///< all up to it, with their data
  [[nodiscard]] std::uint64_t durable() const { return durable_; }
  [[nodiscard]] const JournalPosition& next() const { return next_; }
  /// Data or a record is on its way.
  [[nodiscard]] bool writing() const { return writes_in_flight_ != 0; }
  /// And somebody waits for it.
  [[nodiscard]] bool hurries() const { return writing() && !wanted_.empty() && wanted_.front() <= last(); }
  [[nodiscard]] bool at_rest() const { return writes_in_flight_ == 0 && !flushing_; }
  /// A checkpoint has been published: records before this block are not needed any more.
  void pass(std::uint64_t tail) { tail_ = tail; }

  /// Called from Loop::step when records have been written or become durable, and when a write or flush has failed
  /// (with its errno).
  std::function<void()> progressed = [] {};
  std::function<void(int)> failed = [](int) {};

 private:
  class Request;
  /// A record, with its data, on its way to the disk.
  struct Group {
    std::uint64_t sequence = 0;
    std::size_t in_flight = 0;
    bool has_data = false;  ///< blocks that the record refers to
    bool closed = false;    ///< nothing more will belong to it
    bool durable = false;   ///< as soon as it is written
    std::unique_ptr<std::byte, FreeMemory> bytes;
  };

  Request& idle_request();
  void start(Request& request, Group& group);
  void finished(Request& request);
  void advance();
  void close_group();
  void note_durable(std::uint64_t sequence);

  io::Disk& disk_;
  BlockCache& cache_;
  std::uint64_t first_block_ = 0;
  std::uint64_t block_count_ = 0;
  std::uint64_t tail_ = 0;
  JournalPosition next_{};
  std::uint64_t written_ = 0;
  std::uint64_t durable_ = 0;
  std::uint64_t flush_covers_ = 0;
  bool flushing_ = false;
  bool has_failed_ = false;
  std::size_t writes_in_flight_ = 0;
  std::deque<std::uint64_t> wanted_;  ///< rising
  std::deque<Group> groups_;          ///< by sequence; the last one is open
  std::vector<std::unique_ptr<Request>> requests_;
  std::vector<Request*> idle_;
};

}  // namespace chimera::devices
