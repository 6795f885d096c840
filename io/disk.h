#pragma once
// The one door to a disk. Two implementations: FileDisk on a KernelLoop, and SimulatedDisk on a seed.

#include <cstddef>
#include <cstdint>
#include <span>

#include "io/histogram.h"

namespace chimera::io {

/// One transfer of whole blocks of 4096 bytes that lie side by side on the disk, each with a buffer of its own,
/// aligned to 4096 bytes. Owned by the caller; it and its buffers live until `finished` has been called.
///
/// A discard has no buffers: what its blocks hold is not needed any more, and whoever lends their space (a file system,
/// a disk) may take it back. Until they are written again nobody can rely on what they hold: what they held, or zeros,
/// and a crash may change that. Who cannot discard answers with an error, and nothing has happened.
class DiskRequest {
 public:
  enum class Kind : std::uint8_t { read, write, flush, discard };
  Kind kind = Kind::read;
  std::uint64_t first_block = 0;
  std::span<std::byte* const> buffers;  ///< one a block; empty for a flush or a discard
  std::uint64_t discarded_blocks = 0;   ///< of a discard, from first_block on
  bool urgent = false;                  ///< goes before those that still wait for their turn
  /// A write that is on the medium when it has finished. It says nothing of others.
  bool durable = false;
  /// Of a durable one: nobody waits for it yet, but somebody is about to.
  bool ahead = false;
  int error = 0;                 ///< 0 or an errno, set before `finished`
  std::uint64_t started_ns = 0;  ///< the disk's own: when it was started

  /// Called once for each start, from Loop::step only. Short transfers have been continued by then; a read past
  /// the end of the disk is EIO. A flush covers the writes that had finished before it was started.
  virtual void finished() = 0;

 protected:
  ~DiskRequest() = default;
};

/// What a disk has done since it was opened.
struct DiskStatistics {
  struct OfKind {
    std::uint64_t bytes = 0;
    io::Histogram duration;  ///< from `start` to `finished`, so with the wait for its turn; failed ones too
  };
  OfKind reads, writes, flushes, discards;

  [[nodiscard]] OfKind& of(DiskRequest::Kind kind) {
    switch (kind) {
      case DiskRequest::Kind::read: return reads;
      case DiskRequest::Kind::write: return writes;
      case DiskRequest::Kind::flush: return flushes;
      case DiskRequest::Kind::discard: break;
    }
    return discards;
  }
};

class Disk {
 public:
  /// The most blocks of one request.
  static constexpr std::size_t most_blocks = 256;

  virtual ~Disk() = default;
  [[nodiscard]] virtual std::uint64_t block_count() const noexcept = 0;
  /// Any number of requests may be under way; they may be carried out in any order.
  virtual void start(DiskRequest& request) = 0;
  /// Grows (never shrinks) to this many blocks; synchronous. Returns 0 or an errno.
  [[nodiscard]] virtual int grow(std::uint64_t block_count) = 0;
  /// A hint that requests will use this memory often.
  virtual void register_memory(void*, std::size_t) {}
  /// Null where nobody counts.
  [[nodiscard]] virtual const DiskStatistics* statistics() const noexcept { return nullptr; }
};

}  // namespace chimera::io
