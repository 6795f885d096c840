#pragma once
// Which pieces of a heap are free.

#include <cstdint>
#include <string_view>

#include "tables/heap_header.h"
#include "tables/heap_pieces.h"
#include "tables/link.h"
#include "tables/place.h"
#include "tables/script.h"

namespace chimera::tables {

/// Plans in memory, as HeapPieces does, whose part it takes: `emit` and the others are for both.
class HeapSpace {
 public:
  explicit HeapSpace(HeapPieces& pieces) : pieces_(pieces) {}

  /// Reads the header, if it is not there.
  [[nodiscard]] Result<> open();
  [[nodiscard]] bool is_open() const { return is_open_; }
  /// Once it is open; what is planned.
  [[nodiscard]] const HeapHeader& header() const { return header_; }
  /// One of the stages, to be changed.
  [[nodiscard]] HeapHeader::Stage& stage(std::size_t i) { return header_.stages[i]; }
  /// A piece that holds `size` bytes (1 to heap_largest_piece): a free one of its class, or the next behind all.
  [[nodiscard]] Result<Place> allocate(std::uint64_t size);
  [[nodiscard]] Result<> release(Place place);
  /// `corrupt` if it cannot be a piece of this heap.
  [[nodiscard]] Result<> check(Place place) const;

  void emit(Script& script) const;
  void keep();
  void abandon();
  void forget();

 private:
  [[nodiscard]] Result<HeapPiece*> trunk(std::uint64_t granule, std::uint32_t size_class);
  [[nodiscard]] Result<std::uint64_t> take_trunk();
  [[nodiscard]] Result<> list_free(std::uint64_t granule, unsigned size_class);
  [[nodiscard]] Result<std::uint64_t> take_free(unsigned size_class);
  [[nodiscard]] Result<std::uint64_t> take_tail(std::uint64_t granules);
  [[nodiscard]] Result<> align_tail();

  HeapPieces& pieces_;
  bool is_open_ = false;
  HeapHeader header_;
  HeapHeader header_before_;  ///< what the device has
};

}  // namespace chimera::tables
