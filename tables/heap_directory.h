#pragma once
// The directory of a chained value: the pieces that it consists of, in their order. A piece of the heap itself, of a
// kilobyte for a value of gigabytes. Total size u64, count u32, 0 u32, then place u64 and bytes in it u64, each.

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "isa/bytes.h"
#include "tables/place.h"

namespace chimera::tables {

/// A look at the bytes of a directory's piece.
class HeapDirectory {
 public:
  static constexpr std::size_t front = 16, entry_size = 16, count_at = 8;
  static constexpr std::uint32_t smallest_piece = 128;     ///< bytes of a new one
  static constexpr std::uint32_t largest_piece = 1 << 20;  ///< so a value has at most 65,535 pieces, 4 TiB

  struct Part {
    Place place;
    std::uint64_t size;  ///< bytes of the value in it, from its beginning
  };

  explicit HeapDirectory(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

  [[nodiscard]] std::uint64_t total() const { return load<std::uint64_t>(bytes_.data()); }
  [[nodiscard]] std::uint32_t count() const { return load<std::uint32_t>(bytes_.data() + count_at); }
  [[nodiscard]] Part part(std::uint32_t i) const {
    const std::uint8_t* const at = bytes_.data() + front + i * entry_size;
    return {Place(load<std::uint64_t>(at)), load<std::uint64_t>(at + sizeof(std::uint64_t))};
  }
  /// Parts that fit.
  [[nodiscard]] std::uint32_t most() const { return static_cast<std::uint32_t>((bytes_.size() - front) / entry_size); }
  /// What is wrong with it, as a clause; empty if nothing. `tail`: of the heap, in granules.
  [[nodiscard]] std::string problem(std::uint64_t tail) const;

  /// Sets a part, which is the last or the one behind it, and the total.
  static void set(std::vector<std::uint8_t>& bytes, std::uint32_t i, const Part& part);

 private:
  std::span<const std::uint8_t> bytes_;
};

}  // namespace chimera::tables
