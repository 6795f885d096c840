#pragma once
// What is left of a transfer: its buffers as few spans as possible, and the place where the first of them belongs.

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "io/disk.h"

namespace chimera::io {

class TransferParts {
 public:
  TransferParts() { parts_.reserve(Disk::most_blocks); }

  /// Nothing yet, at this offset in bytes.
  void begin(std::uint64_t offset) {
    parts_.clear();
    first_ = 0;
    offset_ = offset;
  }
  void add(std::byte* buffer, std::size_t size) {
    if (!parts_.empty()) {
      iovec& last = parts_.back();
      if (static_cast<std::byte*>(last.iov_base) + last.iov_len == buffer) {
        last.iov_len += size;
        return;
      }
    }
    parts_.push_back({buffer, size});
  }
  /// So many bytes from the front on have been moved, no more than are left.
  void advance(std::size_t moved) {
    offset_ += moved;
    while (moved > 0) {
      iovec& part = parts_[first_];
      if (moved < part.iov_len) {
        part.iov_base = static_cast<std::byte*>(part.iov_base) + moved;
        part.iov_len -= moved;
        return;
      }
      moved -= part.iov_len;
      ++first_;
    }
  }

  [[nodiscard]] bool empty() const { return first_ == parts_.size(); }
  [[nodiscard]] const iovec* data() const { return parts_.data() + first_; }
  [[nodiscard]] unsigned count() const { return static_cast<unsigned>(parts_.size() - first_); }
  [[nodiscard]] std::uint64_t offset() const { return offset_; }

 private:
  std::vector<iovec> parts_;
  std::size_t first_ = 0;  ///< those before have been moved
  std::uint64_t offset_ = 0;
};

}  // namespace chimera::io
