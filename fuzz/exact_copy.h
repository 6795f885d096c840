#pragma once
// Bytes for a decoder, such that a read past their end is noticed.

#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

/// Of just that size on the heap, where the sanitizer sees any read past the end.
struct ExactCopy {
  explicit ExactCopy(std::span<const std::uint8_t> bytes) : data{new std::uint8_t[bytes.size()]}, size{bytes.size()} {
    if (size > 0) std::memcpy(data.get(), bytes.data(), size);
  }
  [[nodiscard]] std::span<const std::uint8_t> bytes() const { return {data.get(), size}; }

  std::unique_ptr<std::uint8_t[]> data;
  std::size_t size;
};
