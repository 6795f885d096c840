#pragma once
// Memory in huge pages, asked for as the block cache asks for its own.

#include <sys/mman.h>

#include <cstdint>

#include "bench/subject.h"

namespace chimera::bench {

class HugeMemory {
 public:
  explicit HugeMemory(std::uint64_t size) : mapped_size_(size + huge_page) {
    mapped_ = mmap(nullptr, mapped_size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped_ == MAP_FAILED) fail("there is not enough memory");
    const auto start = reinterpret_cast<std::uintptr_t>(mapped_);
    bytes_ = reinterpret_cast<std::uint8_t*>((start + huge_page - 1) / huge_page * huge_page);
    madvise(bytes_, size, MADV_HUGEPAGE);
  }
  ~HugeMemory() { munmap(mapped_, mapped_size_); }
  HugeMemory(const HugeMemory&) = delete;
  HugeMemory& operator=(const HugeMemory&) = delete;

  [[nodiscard]] std::uint8_t* bytes() { return bytes_; }

 private:
  static constexpr std::size_t huge_page = 2 << 20;

  std::uint64_t mapped_size_;
  void* mapped_;
  std::uint8_t* bytes_;
};

}  // namespace chimera::bench
