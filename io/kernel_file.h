#pragma once
// A served file on the kernel's loop. Its bytes go through the page cache, so that its end may lie anywhere.

#include <unistd.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "io/file.h"
#include "io/loop.h"

namespace chimera::io {

class KernelFile final : public File {
 public:
  /// Those that were opened from one folder.
  using Opened = std::vector<KernelFile*>;

  /// Takes over the open descriptor of a regular file or a block device, also where there is no memory. Null, and an
  /// errno in `error`, if its length cannot be told. The loop must outlive the file, and all requests have ended before
  /// the file goes. It is among the opened ones while it lives.
  [[nodiscard]] static std::unique_ptr<KernelFile> take(KernelLoop& loop, int fd, std::shared_ptr<Opened> opened,
                                                        int& error);
  ~KernelFile() override;

  /// As Folder's, for this file.
  void forget() noexcept { is_forgotten_ = true; }
  void abandon() noexcept;

  [[nodiscard]] std::uint64_t length() const noexcept override { return length_; }
  [[nodiscard]] std::uint64_t most_length() const noexcept override { return most_length_; }
  [[nodiscard]] bool fixed_length() const noexcept override { return is_block_device_; }
  void start(DiskRequest& request, std::uint64_t end) override;
  [[nodiscard]] int set_length(std::uint64_t length) override;
  [[nodiscard]] int punch(std::uint64_t offset, std::uint64_t count) override;
  [[nodiscard]] Run run_at(std::uint64_t offset) override;

 private:
  class Transfer;

  KernelFile(KernelLoop& loop, std::shared_ptr<Opened> opened);

  KernelLoop& loop_;
  std::shared_ptr<Opened> opened_;
  int fd_ = -1;
  int process_ = ::getpid();  ///< that has the lock
  bool is_forgotten_ = false;
  bool is_block_device_ = false;
  std::uint64_t length_ = 0;  ///< bytes that are there: at first, and as far as writes have come since
  std::uint64_t most_length_ = 0;
  std::vector<std::unique_ptr<Transfer>> transfers_;  ///< all that were ever made
  std::vector<Transfer*> spare_;                      ///< those that are not under way
};

}  // namespace chimera::io
