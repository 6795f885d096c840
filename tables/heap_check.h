#pragma once
// Whether a heap is whole: every granule belongs to one value, one list or one free piece.

#include <functional>
#include <string>

#include "tables/cover.h"
#include "tables/heap.h"
#include "tables/heap_header.h"
#include "tables/heap_pieces.h"
#include "tables/link.h"
#include "tables/version.h"

namespace chimera::tables {

/// `begin`, then `value` for all that there are, then `finish`. Damage is told as whole sentences and does not end the
/// check; a failure is the link's, or a `conflict`.
class HeapCheck {
 public:
  using Tell = std::function<void(std::string)>;

  HeapCheck(Link& link, const Version& version, const Uuid& device, std::string name, Tell tell)
      : pieces_(link, version, device, std::move(name)), tell_(std::move(tell)) {}

  [[nodiscard]] Result<> begin();
  /// One that somebody owns. False, and told, if it is not whole or lies where something else does.
  [[nodiscard]] Result<bool> value(const HeapValue& value);
  [[nodiscard]] Result<> finish();

 private:
  [[nodiscard]] Result<> walk(std::uint64_t trunk, std::uint32_t size_class, std::uint64_t& listed);
  [[nodiscard]] bool take(std::uint64_t granule, std::uint64_t size, std::string_view what);
  [[nodiscard]] bool take_piece(Place place, std::uint64_t size);
  [[nodiscard]] Result<bool> take_parts(const HeapValue& value);
  bool tell(std::uint64_t granule, std::string_view problem);

  HeapPieces pieces_;
  Tell tell_;
  bool is_open_ = false;
  HeapHeader header_;
  Cover cover_;
  std::uint64_t used_ = 0;
};

}  // namespace chimera::tables
