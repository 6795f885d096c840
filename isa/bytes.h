#pragma once
// Integers as the stream holds them: little-endian, at any address.

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <vector>

namespace chimera {

static_assert(std::endian::native == std::endian::little, "loads and stores copy the machine's own representation");

template <std::unsigned_integral Integer>
[[nodiscard]] inline Integer load(const std::uint8_t* from) noexcept {
  Integer value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <std::unsigned_integral Integer>
inline void append_integer(std::vector<std::uint8_t>& to, Integer value) {
  const std::size_t end = to.size();
  to.resize(end + sizeof value);
  std::memcpy(to.data() + end, &value, sizeof value);
}

}  // namespace chimera
