#pragma once
// Whether a table is whole: its header, states, columns, indexes, heaps and free rows against each other.

#include <cstdint>
#include <functional>
#include <string>

#include "tables/link.h"

namespace chimera::tables {

struct TableReport {
  std::uint64_t rows = 0;      ///< that are there
  std::uint64_t problems = 0;  ///< that were told
  std::uint64_t fillings = 0;  ///< devices of columns that are being added, or were before a crash; no problem
};

/// Reads all of it. Damage is told as whole sentences and does not end the check, unless the table cannot be opened.
/// Where others change the table meanwhile it begins again, a few times; what was told before is told once more.
[[nodiscard]] Result<TableReport> check_table(Link& link, const std::string& name,
                                              const std::function<void(std::string)>& tell);

}  // namespace chimera::tables
