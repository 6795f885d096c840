#pragma once
// Contents that are too long for their slots: where they are put, and reading many of them by few instructions.

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "tables/compression.h"
#include "tables/encoded_rows.h"
#include "tables/open_table.h"
#include "types/slot.h"

namespace chimera::tables {

/// What a slot that is placed leads to.
[[nodiscard]] HeapValue heap_value(const types::Slot& slot);

/// Of the rows of a chunk, one after the other: whether what is read of their contents still fits. However long values
/// are, a chunk takes no more of memory than this, and what it takes to decode it; a row that has more is alone.
class ContentBudget {
 public:
  static constexpr std::uint64_t most = 32 << 20;  ///< bytes

  /// The next row; whether it fits. The first one always does.
  [[nodiscard]] bool take(std::uint64_t bytes) {
    taken_ += bytes;
    return std::exchange(has_row_, true) ? taken_ <= most : true;
  }
  /// What it takes to read a placed slot's content, in bytes.
  [[nodiscard]] static std::uint64_t bytes_of(const types::Slot& slot);

 private:
  std::uint64_t taken_ = 0;
  bool has_row_ = false;
};

/// Plans contents in a heap and fills their slots in `entries`, which are those of all encoded rows. Those of rows that
/// are not among `places` are passed over.
[[nodiscard]] Result<> place_contents(OpenTable& table, std::uint32_t column, std::span<const LongContent> longs,
                                      std::span<const std::uint32_t> places, std::span<std::uint8_t> entries);

/// Plans one content in a column's heap, compressed if that is wanted and gains enough, and fills its slot.
[[nodiscard]] Result<> place_content(OpenTable& table, std::uint32_t column, bool compressed,
                                     std::span<const std::uint8_t> content, std::uint8_t* slot);

/// Used again and again it allocates little.
class ContentReader {
 public:
  /// Larger contents are not read as a whole (bytes).
  static constexpr std::uint64_t largest = largest_content;

  explicit ContentReader(OpenTable& table) : table_(table) {}

  void clear();
  /// Returns the number of the content. The slot is placed. Its bytes must stay until `read`.
  std::size_t want(std::size_t heap, const types::Slot& slot);
  [[nodiscard]] bool empty() const { return wanted_.empty(); }
  /// Reads all that is wanted.
  [[nodiscard]] Result<> read();
  /// A view that holds until the next `read`.
  [[nodiscard]] std::span<const std::uint8_t> operator[](std::size_t number) const { return wanted_[number].content; }

 private:
  struct Wanted {
    std::size_t heap;
    HeapValue value;
    std::size_t first_part, part_count;
    std::span<const std::uint8_t> content;
  };
  struct Part {
    std::size_t heap;
    HeapPart at;
    std::size_t read;  ///< which of reads_ has it
  };
  /// What one instruction reads.
  struct Read {
    std::size_t heap;
    std::uint64_t offset, size;
  };
  [[nodiscard]] Result<> locate();
  void plan_reads();
  [[nodiscard]] Result<> run();
  void find_contents();

  OpenTable& table_;
  std::vector<Wanted> wanted_;
  std::vector<HeapPart> located_;
  std::vector<Part> parts_;
  std::vector<std::uint32_t> order_;
  std::vector<Read> reads_;
  std::vector<std::vector<std::uint8_t>> joined_;  ///< contents that are in several parts
  Answers answers_;
};

}  // namespace chimera::tables
