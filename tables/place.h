#pragma once
// Where a value lies in a heap, in 8 bytes, as slots keep it.

#include <cassert>
#include <cstdint>

#include "tables/heap_classes.h"

namespace chimera::tables {

/// A piece of the heap: granule number in the low 40 bits, size class in the 8 above, flags in the highest.
class Place {
 public:
  static constexpr std::uint64_t most_granules = std::uint64_t{1} << 40;
  static constexpr std::uint64_t chained_flag = std::uint64_t{1} << 63;  ///< the piece lists others (heap_chain.h)
  static constexpr std::uint64_t compressed_flag = std::uint64_t{1}
                                                   << 62;  ///< the user's: the heap does not look at it

  constexpr Place() = default;
  constexpr explicit Place(std::uint64_t raw) : raw_(raw) {}
  constexpr Place(std::uint64_t granule, unsigned size_class) : raw_(granule | std::uint64_t{size_class} << 40) {
    assert(granule < most_granules && size_class < heap_classes);
  }

  [[nodiscard]] constexpr std::uint64_t raw() const { return raw_; }
  [[nodiscard]] constexpr std::uint64_t granule() const { return raw_ & (most_granules - 1); }
  [[nodiscard]] constexpr unsigned size_class() const { return static_cast<unsigned>(raw_ >> 40 & 0xFF); }
  [[nodiscard]] constexpr bool is_chained() const { return (raw_ & chained_flag) != 0; }
  [[nodiscard]] constexpr bool is_compressed() const { return (raw_ & compressed_flag) != 0; }
  /// Of the device, in bytes.
  [[nodiscard]] constexpr std::uint64_t offset() const { return granule() * heap_granule; }
  /// Bytes of the piece. Only where the class is one.
  [[nodiscard]] constexpr std::uint64_t capacity() const { return heap_class_size(size_class()); }
  /// Names a piece that a heap can have: behind the header, of a class that there is, no bits but those above.
  [[nodiscard]] constexpr bool is_sound() const {
    constexpr std::uint64_t known = (most_granules - 1) | (std::uint64_t{0xFF} << 40) | chained_flag | compressed_flag;
    return (raw_ & ~known) == 0 && granule() >= heap_first_granule && size_class() < heap_classes;
  }
  [[nodiscard]] constexpr Place with(std::uint64_t flag) const { return Place(raw_ | flag); }
  [[nodiscard]] constexpr Place without(std::uint64_t flag) const { return Place(raw_ & ~flag); }
  friend constexpr bool operator==(const Place&, const Place&) = default;

 private:
  std::uint64_t raw_ = 0;
};

}  // namespace chimera::tables
