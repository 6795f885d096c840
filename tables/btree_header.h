#pragma once
// The first block of a B+tree's device. docs/table-format.md has the bytes.

#include <array>
#include <cstdint>
#include <expected>
#include <span>
#include <string>

namespace chimera::tables {

/// What a tree is made for; it never changes.
struct BTreeShape {
  /// Longer keys could leave a node with fewer than three.
  static constexpr std::uint16_t longest_key = 1032;
  static constexpr std::uint16_t widest_value = 64;

  std::uint16_t key_width = 0;    ///< bytes of every key; 0: each has its own length
  std::uint16_t value_width = 8;  ///< bytes, perhaps 0

  friend bool operator==(const BTreeShape&, const BTreeShape&) = default;
};

struct BTreeHeader {
  static constexpr std::size_t size = 64;  ///< bytes; the rest of the block is not looked at
  static constexpr std::uint8_t greatest_height = 24;
  using Bytes = std::array<std::uint8_t, size>;

  BTreeShape shape;
  std::uint8_t height = 0;    ///< levels of nodes; 0: there is none
  std::uint64_t root = 0;     ///< a block; 0: there is none
  std::uint64_t entries = 0;  ///< in all leaves
  std::uint64_t blocks = 1;   ///< that have ever been used, this one included: the number of the next new one
  std::uint64_t free = 0;     ///< blocks that may be used again, those that list them included
  std::uint64_t trunk = 0;    ///< the block that lists some of them, and the next such; 0: there is none

  [[nodiscard]] Bytes bytes() const;
  /// What stands at the front of `bytes`, if it can be a header. The error is a clause, such as "its magic is wrong".
  [[nodiscard]] static std::expected<BTreeHeader, std::string> parse(std::span<const std::uint8_t> bytes);
  friend bool operator==(const BTreeHeader&, const BTreeHeader&) = default;
};

}  // namespace chimera::tables
