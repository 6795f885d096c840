#include "io/file_disk.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <cstring>
#include <exception>
#include <utility>

#include "io/clock.h"
#include "io/file_lock.h"
#include "io/open_store_file.h"
#include "io/transfer_parts.h"
#include "isa/limits.h"

namespace chimera::io {
namespace {

constexpr std::uint64_t block_size = limits::block_size;
// Where a direct transfer may be continued, on media of either sector size: those of 4096 never stop in between.
constexpr std::size_t sector_size = 512;
// What the kernel is given at a time: a little more than a disk's driver takes at once (virtio's ring of 256
// descriptors holds 85 reads), so that some are at hand when others end. With fewer the disk waits for us; with many
// more each costs the kernel longer.
constexpr std::size_t most_under_way = 100;

}  // namespace

/// A request under way: its buffers as few spans as possible, and how far it has come.
class FileDisk::Transfer final : public Completion {
 public:
  explicit Transfer(FileDisk& disk) : disk_(disk) {}

  void start(DiskRequest& request) {
    request_ = &request;
    is_written_through_ = request.durable && (request.buffers.size() == 1 || disk_.loop_.flushes_itself());
    is_syncing_ = false;
    parts_.begin(request.first_block * block_size);
    for (std::byte* const buffer : request.buffers) {
      assert(reinterpret_cast<std::uintptr_t>(buffer) % block_size == 0 && "buffers are aligned to a block");
      parts_.add(buffer, block_size);
    }
    go_on();
  }

  /// Ends the request with this errno, from the next step.
  void refuse(DiskRequest& request, int error) {
    request_ = &request;
    refusal_ = error;
    go_on();
  }

  void complete(int result) override {
    if (disk_.is_forgotten_) return disk_.spare_.push_back(this);
    if (refusal_ != 0) return end(std::exchange(refusal_, 0));
    if (result == -EINTR || result == -EAGAIN) return go_on();
    if (result == -EOPNOTSUPP && request_->kind == DiskRequest::Kind::discard) return end(disk_.discard(*request_));
    if (result < 0) return end(-result);
    if (request_->buffers.empty() || is_syncing_) return end(0);
    const std::size_t moved = static_cast<std::size_t>(result) / sector_size * sector_size;
    if (moved == 0) return end(EIO);
    parts_.advance(moved);
    if (parts_.empty()) {
      if (!request_->durable || is_written_through_) return end(0);
      is_syncing_ = true;
    }
    go_on();
  }

 private:
  void go_on() {
    try {
      start_next();
    } catch (...) {
      disk_.spare_.push_back(this);  // nothing is under way
      throw;
    }
  }

  void start_next() {
    if (refusal_ != 0) return disk_.loop_.after(0, *this);
    if (is_syncing_) return disk_.loop_.sync_data(disk_.fd_, *this);
    switch (request_->kind) {
      case DiskRequest::Kind::read:
        return disk_.loop_.readv(disk_.fd_, parts_.data(), parts_.count(), parts_.offset(), *this);
      case DiskRequest::Kind::write:
        return disk_.loop_.writev(disk_.fd_, parts_.data(), parts_.count(), parts_.offset(), durable(), *this);
      case DiskRequest::Kind::flush: return disk_.loop_.sync_data(disk_.fd_, *this);
      case DiskRequest::Kind::discard:
        return disk_.loop_.punch_hole(disk_.fd_, parts_.offset(), request_->discarded_blocks * block_size, *this);
    }
  }

  [[nodiscard]] Durable durable() const {
    if (!is_written_through_) return Durable::no;
    return request_->ahead ? Durable::ahead : Durable::yes;
  }

  void end(int error) {
    DiskRequest& request = *request_;
    DiskStatistics::OfKind& statistics = disk_.statistics_.of(request.kind);
    statistics.duration.add(monotonic_ns() - request.started_ns);
    if (request.kind == DiskRequest::Kind::read) disk_.loop_.waited_for_disk();
    if (error == 0) statistics.bytes += (request.buffers.size() + request.discarded_blocks) * block_size;
    // Spare before the call: whoever is told may start the next request at once.
    disk_.spare_.push_back(this);
    request.error = error;
    try {
      request.finished();
    } catch (...) {
      // Who waits for its turn has nothing to do with it.
      disk_.begin_waiting();
      throw;
    }
    disk_.begin_waiting();
  }

  FileDisk& disk_;
  DiskRequest* request_ = nullptr;
  TransferParts parts_;
  /// Durable by the kernel's doing (RWF_DSYNC): a write of one block, and any that the loop carries out itself. A
  /// longer one is followed by a flush of ours. On a computer with nothing else to do the former is faster; but for a
  /// ring the kernel then flushes in a thread that is bound to the processor that the disk has interrupted, and where
  /// that one computes something, it took a tick, 4 ms.
  bool is_written_through_ = false;
  bool is_syncing_ = false;  ///< all has been moved, and is to be on the medium
  int refusal_ = 0;
};

std::expected<std::unique_ptr<FileDisk>, std::string> FileDisk::open(KernelLoop& loop, const std::string& path,
                                                                     OpenMode mode) {
  // First what takes memory: nobody else would close the file, and give up its lock.
  std::unique_ptr<FileDisk> disk(new FileDisk(loop));
  auto file = open_store_file(path, mode);
  if (!file) return std::unexpected(std::move(file.error()));
  disk->fd_ = file->fd;
  disk->is_direct_ = file->is_direct;
  disk->is_block_device_ = file->is_block_device;
  if (const int error = disk->measure(); error != 0) {
    return std::unexpected("the size of " + path + " cannot be read: " + std::strerror(error));
  }
  return disk;
}

FileDisk::FileDisk(KernelLoop& loop) : loop_(loop) {
  // All of them now: a request that waits its turn must not find that there is no memory for it.
  transfers_.reserve(most_under_way);
  spare_.reserve(most_under_way);
  while (transfers_.size() < most_under_way) {
    transfers_.push_back(std::make_unique<Transfer>(*this));
    spare_.push_back(transfers_.back().get());
  }
}

FileDisk::~FileDisk() {
  // But for a pool that was left amid an operation, with its memory.
  assert((spare_.size() == transfers_.size() || std::uncaught_exceptions() > 0) && "all requests have ended");
  abandon();
}

/// A block device that could not promise zeros. It is told at once: only `trim` asks that of one, and nobody else is
/// there to wait.
int FileDisk::discard(const DiskRequest& request) {
  if (!is_block_device_) return EOPNOTSUPP;
  std::uint64_t range[] = {request.first_block * block_size, request.discarded_blocks * block_size};
  return ::ioctl(fd_, BLKDISCARD, range) == 0 ? 0 : errno;
}

void FileDisk::forget() noexcept {
  is_forgotten_ = true;
  waiting_.clear();
}

/// Not by closing the file alone: the kernel keeps it, and its lock, for what is under way, and ends that only in a
/// step.
void FileDisk::abandon() noexcept {
  forget();
  while (spare_.size() < transfers_.size()) {
    try {
      loop_.step(Loop::forever);
    } catch (...) {
      // Somebody else's.
    }
  }
  if (fd_ >= 0) unlock_and_close(std::exchange(fd_, -1), process_);
}

int FileDisk::measure() {
  std::uint64_t bytes = 0;
  if (is_block_device_) {
    if (::ioctl(fd_, BLKGETSIZE64, &bytes) != 0) return errno;
  } else {
    struct stat status {};
    if (::fstat(fd_, &status) != 0) return errno;
    bytes = static_cast<std::uint64_t>(status.st_size);
  }
  block_count_ = bytes / block_size;
  return 0;
}

void FileDisk::start(DiskRequest& request) {
  request.started_ns = monotonic_ns();
  if (request.urgent) {
    waiting_.push_front(&request);
  } else {
    waiting_.push_back(&request);
  }
  begin_waiting();
}

void FileDisk::begin_waiting() {
  while (!waiting_.empty() && !spare_.empty()) {
    DiskRequest& request = *waiting_.front();
    waiting_.pop_front();
    begin(request);
  }
}

void FileDisk::begin(DiskRequest& request) {
  const std::uint64_t count = request.buffers.size() + request.discarded_blocks;
  assert(request.buffers.size() <= most_blocks && (count == 0) == (request.kind == DiskRequest::Kind::flush));
  Transfer& transfer = *spare_.back();
  spare_.pop_back();
  // A write past the end would grow the file behind the back of whoever keeps books of it.
  const bool is_inside = request.first_block <= block_count_ && count <= block_count_ - request.first_block;
  if (!is_inside && count > 0) return transfer.refuse(request, EIO);
  transfer.start(request);
}

int FileDisk::grow(std::uint64_t block_count) {
  if (const int error = measure(); error != 0) return error;
  if (block_count <= block_count_) return 0;
  if (is_block_device_) return ENOSPC;
  if (block_count > limits::greatest_length / block_size) return EFBIG;
  if (::ftruncate(fd_, static_cast<off_t>(block_count * block_size)) != 0) return errno;
  block_count_ = block_count;
  return 0;
}

}  // namespace chimera::io
