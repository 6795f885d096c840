#pragma once
// The part of an index in which all rows lie that a predicate can find.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "tables/predicate.h"
#include "types/schema.h"

namespace chimera::tables {

/// Keys from `low` on, below `high`.
struct KeyRange {
  std::vector<std::uint8_t> low;                  ///< empty: from the first on
  std::optional<std::vector<std::uint8_t>> high;  ///< none: to the last
  unsigned equal_columns = 0;                     ///< so many columns at the front of the key have one value each
  bool is_bounded = false;                        ///< it is not all of the index

  [[nodiscard]] bool is_empty() const { return high && *high <= low; }
};

/// Of an index whose keys begin with those of `columns`, one behind the other.
[[nodiscard]] KeyRange key_range(const Predicate& predicate, const types::Relation& relation,
                                 std::span<const std::uint32_t> columns);

/// All keys that begin with these bytes.
[[nodiscard]] KeyRange keys_with_prefix(std::vector<std::uint8_t> prefix);

}  // namespace chimera::tables
