#include "io/kernel_file.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <utility>

#include "io/file_lock.h"
#include "io/transfer_parts.h"
#include "isa/limits.h"

namespace chimera::io {
namespace {

constexpr std::uint64_t block_size = limits::block_size;

/// What the file system and the process's limit (ulimit -f) allow. A seek asks the first without touching the file.
std::uint64_t most_length_of(int fd) {
  std::uint64_t most = 0;
  for (std::uint64_t bit = std::uint64_t{1} << 62; bit > 0; bit >>= 1) {
    if (::lseek(fd, static_cast<off_t>(most | bit), SEEK_SET) >= 0) most |= bit;
  }
  rlimit limit{};
  const bool is_limited = ::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
  return is_limited ? std::min<std::uint64_t>(most, limit.rlim_cur) : most;
}

}  // namespace

/// A request under way: the part of its buffers that the file has, as few spans as possible, and how far it has come.
class KernelFile::Transfer final : public Completion {
 public:
  explicit Transfer(KernelFile& file) : file_(file) {}

  void start(DiskRequest& request, std::uint64_t end) {
    request_ = &request;
    parts_.begin(request.first_block * block_size);
    if (request.kind == DiskRequest::Kind::read) end = std::min(end, file_.length_);
    std::uint64_t at = parts_.offset();
    for (std::byte* const buffer : request.buffers) {
      const auto size = static_cast<std::size_t>(at < end ? std::min(block_size, end - at) : 0);
      if (size > 0) parts_.add(buffer, size);
      if (request.kind == DiskRequest::Kind::read) std::memset(buffer + size, 0, block_size - size);
      at += block_size;
    }
    go_on();
  }

  void complete(int result) override {
    if (file_.is_forgotten_) return file_.spare_.push_back(this);
    if (has_nothing()) return end(0);
    if (result == -EINTR || result == -EAGAIN) return go_on();
    if (result < 0) return end(-result);
    if (request_->kind == DiskRequest::Kind::flush) return end(0);
    // A file that ends where it did not end before has been cut by somebody else.
    if (result == 0) return end(EIO);
    parts_.advance(static_cast<std::size_t>(result));
    if (request_->kind == DiskRequest::Kind::write) file_.length_ = std::max(file_.length_, parts_.offset());
    if (parts_.empty()) return end(0);
    go_on();
  }

 private:
  /// All of it lies behind the end.
  [[nodiscard]] bool has_nothing() const { return request_->kind != DiskRequest::Kind::flush && parts_.empty(); }

  void go_on() {
    try {
      start_next();
    } catch (...) {
      file_.spare_.push_back(this);  // nothing is under way
      throw;
    }
  }

  void start_next() {
    if (has_nothing()) return file_.loop_.after(0, *this);
    switch (request_->kind) {
      case DiskRequest::Kind::read:
        return file_.loop_.readv(file_.fd_, parts_.data(), parts_.count(), parts_.offset(), *this);
      case DiskRequest::Kind::write:
        return file_.loop_.writev(file_.fd_, parts_.data(), parts_.count(), parts_.offset(),
                                  request_->durable ? Durable::yes : Durable::no, *this);
      case DiskRequest::Kind::flush: return file_.loop_.sync_data(file_.fd_, *this);
      case DiskRequest::Kind::discard: assert(false && "a served file is punched at once");
    }
  }

  void end(int error) {
    DiskRequest& request = *request_;
    // Spare before the call: whoever is told may start the next request at once.
    file_.spare_.push_back(this);
    request.error = error;
    request.finished();
  }

  KernelFile& file_;
  DiskRequest* request_ = nullptr;
  TransferParts parts_;
};

KernelFile::KernelFile(KernelLoop& loop, std::shared_ptr<Opened> opened) : loop_(loop), opened_(std::move(opened)) {
  opened_->push_back(this);
}

std::unique_ptr<KernelFile> KernelFile::take(KernelLoop& loop, int fd, std::shared_ptr<Opened> opened, int& error) {
  std::unique_ptr<KernelFile> file;
  try {
    file.reset(new KernelFile(loop, std::move(opened)));
  } catch (...) {
    unlock_and_close(fd, ::getpid());
    throw;
  }
  file->fd_ = fd;
  struct stat status {};
  error = ::fstat(fd, &status) != 0 ? errno : 0;
  if (error != 0) return nullptr;
  file->is_block_device_ = S_ISBLK(status.st_mode);
  file->length_ = static_cast<std::uint64_t>(status.st_size);
  if (file->is_block_device_ && ::ioctl(fd, BLKGETSIZE64, &file->length_) != 0) {
    error = errno;
    return nullptr;
  }
  file->most_length_ = file->is_block_device_ ? file->length_ : most_length_of(fd);
  return file;
}

KernelFile::~KernelFile() {
  assert(spare_.size() == transfers_.size() && "all requests have ended");
  abandon();
  std::erase(*opened_, this);
}

void KernelFile::abandon() noexcept {
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

void KernelFile::start(DiskRequest& request, std::uint64_t end) {
  if (spare_.empty()) {
    // So that what ends finds room among those that are spare.
    spare_.reserve(transfers_.size() + 1);
    transfers_.push_back(std::make_unique<Transfer>(*this));
    spare_.push_back(transfers_.back().get());
  }
  Transfer& transfer = *spare_.back();
  spare_.pop_back();
  transfer.start(request, end);
}

int KernelFile::set_length(std::uint64_t length) {
  if (::ftruncate(fd_, static_cast<off_t>(length)) != 0) return errno;
  length_ = length;
  return 0;
}

int KernelFile::punch(std::uint64_t offset, std::uint64_t count) {
  const int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  int done = 0;
  do {
    done = ::fallocate(fd_, mode, static_cast<off_t>(offset), static_cast<off_t>(count));
  } while (done != 0 && errno == EINTR);
  return done == 0 ? 0 : errno;
}

File::Run KernelFile::run_at(std::uint64_t offset) {
  constexpr std::uint64_t for_ever = ~std::uint64_t{0};
  const off_t data = ::lseek(fd_, static_cast<off_t>(offset), SEEK_DATA);
  // No data from here on, or (a block device, an old file system) nobody who knows.
  if (data < 0) return {for_ever, errno == ENXIO && !is_block_device_};
  if (static_cast<std::uint64_t>(data) > offset) return {static_cast<std::uint64_t>(data), true};
  const off_t hole = ::lseek(fd_, static_cast<off_t>(offset), SEEK_HOLE);
  return {hole < 0 ? for_ever : static_cast<std::uint64_t>(hole), false};
}

}  // namespace chimera::io
