#pragma once
// The first block of a heap's device, and the pieces that list free ones. docs/table-format.md has the bytes.

#include <array>
#include <cstdint>
#include <expected>
#include <span>
#include <string>

#include "isa/bytes.h"
#include "isa/uuid.h"
#include "tables/heap_classes.h"

namespace chimera::tables {

struct HeapHeader {
  /// The free pieces of one class.
  struct List {
    std::uint64_t trunk = 0;  ///< granule of the piece that lists the last of them, and the next such; 0: there is none
    std::uint64_t free = 0;   ///< pieces
    friend bool operator==(const List&, const List&) = default;
  };
  /// A value that is being put in several transactions, and belongs to no row yet.
  struct Stage {
    Uuid owner{};             ///< the device that who puts it has open; nil: there is none such
    std::uint64_t place = 0;  ///< 0: nothing has come yet
    std::uint64_t size = 0;   ///< bytes
    [[nodiscard]] bool is_taken() const { return !owner.is_nil(); }
    friend bool operator==(const Stage&, const Stage&) = default;
  };
  static constexpr std::size_t lists_at = 64;
  static constexpr std::size_t list_size = 16;
  static constexpr std::size_t stages_at = lists_at + heap_classes * list_size;
  static constexpr std::size_t stage_size = 32;
  static constexpr std::size_t most_stages = 16;
  static constexpr std::size_t size = stages_at + most_stages * stage_size;  ///< bytes; the rest is not looked at
  using Bytes = std::array<std::uint8_t, size>;

  std::uint64_t tail = heap_first_granule;  ///< the first granule that has never been used
  std::uint64_t used = 0;                   ///< pieces that hold values or directories
  std::uint64_t spare = 0;  ///< granule of a trunk that lists nothing, and the next such; 0: there is none
  std::array<List, heap_classes> lists{};
  std::array<Stage, most_stages> stages{};

  [[nodiscard]] Bytes bytes() const;
  /// What stands at the front of `bytes`, if it can be a header. The error is a clause.
  [[nodiscard]] static std::expected<HeapHeader, std::string> parse(std::span<const std::uint8_t> bytes);
  friend bool operator==(const HeapHeader&, const HeapHeader&) = default;
};

/// A look at a trunk: a piece of the heap that lists free pieces of one class. Next trunk u64 (granule or 0), count
/// u32, class u32, granules u64 each.
class HeapTrunk {
 public:
  static constexpr std::size_t size = 1024;  ///< bytes
  static constexpr std::uint64_t granules = size / heap_granule;
  static constexpr std::size_t count_at = 8, class_at = 12, front = 16;
  static constexpr std::uint32_t most_listed = (size - front) / sizeof(std::uint64_t);
  static constexpr std::uint32_t no_class = 0xFFFFFFFF;  ///< of a spare one

  /// Of `size` bytes.
  explicit HeapTrunk(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
  [[nodiscard]] std::uint64_t next() const { return load<std::uint64_t>(bytes_.data()); }
  [[nodiscard]] std::uint32_t count() const { return load<std::uint32_t>(&bytes_[count_at]); }
  [[nodiscard]] std::uint32_t size_class() const { return load<std::uint32_t>(&bytes_[class_at]); }
  [[nodiscard]] std::uint64_t listed(std::uint32_t i) const { return load<std::uint64_t>(&bytes_[entry_at(i)]); }
  [[nodiscard]] static std::size_t entry_at(std::uint32_t i) { return front + i * sizeof(std::uint64_t); }
  /// What is wrong with a trunk of that class, or a spare one, that stands at `granule`, as a clause; empty if nothing.
  [[nodiscard]] std::string problem(std::uint64_t granule, std::uint32_t size_class, const HeapHeader& header) const;

 private:
  [[nodiscard]] std::string overlap(std::uint64_t granule, std::uint64_t taken) const;

  std::span<const std::uint8_t> bytes_;
};

}  // namespace chimera::tables
