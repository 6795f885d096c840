#pragma once
// The large device in a store of this process.

#include <cstdint>

#include "bench/embedded_store.h"

namespace chimera::bench {

/// Creates it and writes all of it, in order; durable at the end.
void write_large_device(EmbeddedStore& store, std::uint64_t bytes);

/// A program of writes to the large device, whose places can be changed without building it anew.
class WriteProgram {
 public:
  /// `count` writes of `size` bytes (whole blocks) each.
  WriteProgram(std::uint32_t count, std::size_t size);

  /// The write of this index goes to this block. Its blocks are marked with their numbers.
  void set_place(std::uint32_t index, std::uint64_t first_block);
  [[nodiscard]] std::uint32_t count() const { return count_; }
  [[nodiscard]] std::span<const std::uint8_t> bytes() const { return program_; }
  void run(EmbeddedStore& store) { store.run_fast(program_, count_); }

 private:
  [[nodiscard]] std::uint8_t* instruction(std::uint32_t index) { return program_.data() + index * stride_; }

  std::uint32_t count_;
  std::size_t size_;
  std::vector<std::uint8_t> program_;
  std::size_t stride_;
  std::size_t payload_place_;
};

}  // namespace chimera::bench
