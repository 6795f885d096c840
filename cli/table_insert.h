#pragma once
// Rows from a file into a table, in batches. Memory is bounded whatever the file's size.

#include <cstdint>
#include <expected>
#include <string>

#include "cli/row_source.h"
#include "tables/table.h"

namespace chimera::cli {

struct InsertOptions {
  std::string file;  ///< "-" for standard input
  RowFormat format;
  bool upsert = false;
  std::string aside;              ///< where rows go that do not fit; empty: the first one is the end
  std::uint64_t skip = 0;         ///< rows at the file's beginning that are passed over
  bool first_batch_only = false;  ///< for explain
};

struct Inserted {
  std::uint64_t rows = 0;
  std::uint64_t set_aside = 0;
};

/// Each batch is a transaction (or several where it does not fit one), so after a failure, or a crash, a number of rows
/// from the front of the file is there with all their indexes, and nothing of the others. Errors are whole texts that
/// say how many, and how to go on. The first few rows that are set aside are told on standard error.
[[nodiscard]] std::expected<Inserted, std::string> insert_file(tables::Table& table, const InsertOptions& options);

}  // namespace chimera::cli
