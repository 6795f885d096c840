#pragma once
// The 16 bytes that stand for a variable value in its column: all of it where it is short, else a prefix and the place
// of all of it in a heap.
//
//     0        4                                16
//     | length | content, zeros behind it       |    length 0 to 12
//     | length | first 4 bytes | place, u64     |    length 13 to FFFFFFFD, and long_length: FFFFFFFE bytes or more
//     | FFFFFFFF | zeros                        |    null
//
// All is little-endian. What a place is, the heap says.

#include <cassert>
#include <cstdint>
#include <cstring>
#include <span>

#include "isa/bytes.h"

namespace chimera::types {

inline constexpr std::size_t slot_size = 16;
inline constexpr std::size_t most_in_slot = 12;
inline constexpr std::uint32_t null_length = 0xFFFFFFFF;
inline constexpr std::uint32_t long_length = 0xFFFFFFFE;

/// A slot picked apart; points into its bytes.
struct Slot {
  std::uint32_t length;    ///< as it stands there
  const std::uint8_t* at;  ///< the content or its prefix

  [[nodiscard]] bool is_null() const { return length == null_length; }
  /// The value is here: `content` has all of it.
  [[nodiscard]] bool is_inside() const { return length <= most_in_slot; }
  /// The value is at `place`.
  [[nodiscard]] bool is_placed() const { return !is_null() && !is_inside(); }
  /// It has `long_length` bytes or more; only the heap knows how many.
  [[nodiscard]] bool is_long() const { return length == long_length; }
  /// All of the value, or the first 4 bytes of one that is placed.
  [[nodiscard]] std::span<const std::uint8_t> content() const {
    return {at, is_inside() ? length : is_null() ? 0u : 4u};
  }
  [[nodiscard]] std::uint64_t place() const { return load<std::uint64_t>(at + 4); }
};

/// Of the `slot_size` bytes at `from`. Any bytes are a slot.
[[nodiscard]] inline Slot read_slot(const std::uint8_t* from) { return {load<std::uint32_t>(from), from + 4}; }

inline void put_null_slot(std::uint8_t* to) {
  std::memset(to, 0, slot_size);
  std::memcpy(to, &null_length, sizeof null_length);
}

/// The content has at most `most_in_slot` bytes.
inline void put_inside_slot(std::uint8_t* to, std::span<const std::uint8_t> content) {
  assert(content.size() <= most_in_slot);
  std::memset(to, 0, slot_size);
  to[0] = static_cast<std::uint8_t>(content.size());
  if (!content.empty()) std::memcpy(to + 4, content.data(), content.size());
}

/// `prefix` has the value's first 4 bytes at least, `size` is that of all of it, more than `most_in_slot`.
inline void put_placed_slot(std::uint8_t* to, std::span<const std::uint8_t> prefix, std::uint64_t size,
                            std::uint64_t place) {
  assert(prefix.size() >= 4 && size > most_in_slot);
  const std::uint32_t length = size < long_length ? static_cast<std::uint32_t>(size) : long_length;
  std::memcpy(to, &length, sizeof length);
  std::memcpy(to + 4, prefix.data(), 4);
  std::memcpy(to + 8, &place, sizeof place);
}

}  // namespace chimera::types
