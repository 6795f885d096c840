#pragma once
// How much a connection receives at a time: it grows and shrinks with what the client sends.

#include <algorithm>
#include <cstddef>

#include "vm/machine.h"

namespace chimera::server {

class ReceiveSize {
 public:
  // What an idle connection holds, and what one receive of a busy one brings at most, in bytes.
  static constexpr std::size_t smallest = 4096;
  static constexpr std::size_t largest = vm::Session::largest_receive;

  [[nodiscard]] std::size_t get() const noexcept { return size_; }
  /// So many have come.
  void note(std::size_t received) noexcept {
    if (received >= size_) {
      size_ = std::min(2 * size_, largest);
    } else if (received < size_ / 4) {
      size_ = std::max(size_ / 2, smallest);
    }
  }

 private:
  std::size_t size_ = smallest;
};

}  // namespace chimera::server
