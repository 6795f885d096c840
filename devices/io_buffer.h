#pragma once
// Memory that a disk can take without a cache between: blocks aligned to their size.

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

#include "devices/layout.h"

namespace chimera::devices {

struct FreeMemory {
  void operator()(void* memory) const { std::free(memory); }
};
using BlockBuffer = std::unique_ptr<Block, FreeMemory>;

/// A block of zeros.
[[nodiscard]] inline BlockBuffer make_block_buffer() {
  void* memory = std::aligned_alloc(block_size, block_size);
  if (memory == nullptr) throw std::bad_alloc();
  std::memset(memory, 0, block_size);
  return BlockBuffer(static_cast<Block*>(memory));
}

}  // namespace chimera::devices
