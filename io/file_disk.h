#pragma once
// A disk that is a file or a raw block device, on the kernel's loop.

#include <unistd.h>

#include <cstdint>
#include <deque>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "io/disk.h"
#include "io/loop.h"

namespace chimera::io {

enum class OpenMode : std::uint8_t {
  read_only,   ///< under a shared lock; writes fail with EBADF
  read_write,  ///< under an exclusive lock
  create,      ///< as read_write; a file that does not exist is made, empty, for its owner alone
};

class FileDisk final : public Disk {
 public:
  /// Opens past the page cache (O_DIRECT) where the medium allows it. The loop must outlive the disk, and all
  /// requests must have ended before the disk goes. Errors are whole sentences for the user; where another
  /// process has the store, they name it.
  [[nodiscard]] static std::expected<std::unique_ptr<FileDisk>, std::string> open(KernelLoop& loop,
                                                                                  const std::string& path,
                                                                                  OpenMode mode);
  ~FileDisk() override;
  FileDisk(const FileDisk&) = delete;
  FileDisk& operator=(const FileDisk&) = delete;

  [[nodiscard]] std::uint64_t block_count() const noexcept override { return block_count_; }
  void start(DiskRequest& request) override;
  /// A file grows by a hole; a block device cannot grow and answers ENOSPC if it is smaller.
  [[nodiscard]] int grow(std::uint64_t block_count) override;
  void register_memory(void* base, std::size_t size) override { loop_.register_memory(base, size); }

  // For whoever was interrupted amid an operation by a lack of memory. Nothing may be started any more.
  /// Nobody is told any more of what ends.
  void forget() noexcept;
  /// The same; waits for what is under way in the kernel, and closes the file, which gives up its lock.
  void abandon() noexcept;
  [[nodiscard]] const DiskStatistics* statistics() const noexcept override { return &statistics_; }

  [[nodiscard]] bool is_direct() const noexcept { return is_direct_; }
  [[nodiscard]] bool is_block_device() const noexcept { return is_block_device_; }

 private:
  class Transfer;

  explicit FileDisk(KernelLoop& loop);
  [[nodiscard]] int measure();
  [[nodiscard]] int discard(const DiskRequest& request);
  void begin(DiskRequest& request);
  void begin_waiting();

  KernelLoop& loop_;
  int fd_ = -1;
  int process_ = ::getpid();  ///< that has the lock
  bool is_direct_ = false;
  bool is_forgotten_ = false;
  bool is_block_device_ = false;
  std::uint64_t block_count_ = 0;
  std::vector<std::unique_ptr<Transfer>> transfers_;  ///< as many as there may be under way
  std::vector<Transfer*> spare_;                      ///< those that are not under way
  std::deque<DiskRequest*> waiting_;                  ///< for one of the others to end
  DiskStatistics statistics_;
};

}  // namespace chimera::io
