#pragma once
// Whether the tables of a store are whole: their rows, indexes and heaps against each other.

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "cli/options.h"
#include "tables/link.h"

namespace chimera::cli {

struct TablesReport {
  std::uint64_t tables = 0;
  std::uint64_t rows = 0;
  std::uint64_t fillings = 0;  ///< devices that were filled for columns and are no columns yet, or will never be
  std::uint64_t strays = 0;    ///< devices of unfinished columns and blobs of tables that are not there; no problem
  std::uint64_t moments = 0;   ///< scans of one moment whose clones are there, under way or ended early; no problem
  std::uint64_t problem_count = 0;
  std::uint64_t catalogue_problems = 0;  ///< of these, those of the catalogue
  std::vector<std::string> problems;     ///< a line each, at most 100
};

/// Of a store or server that is opened for this. Whether that cannot be is told, unless the store `is_damaged`, which
/// has been told then.
[[nodiscard]] TablesReport check_tables_of(const std::string& target, const StoreOptions& options, bool is_damaged);
/// Of all tables that the catalogue lists, its own among them. What cannot be read is in the report.
[[nodiscard]] TablesReport check_tables(tables::Link& link);

}  // namespace chimera::cli
