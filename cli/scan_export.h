#pragma once
// A scan's rows into a file, as far as they can be read.

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "cli/table_session.h"
#include "tables/table.h"
#include "types/schema.h"
#include "types/value.h"

namespace chimera::cli {

struct ScanExport {
  TableTarget at;
  tables::ScanOptions scan;
  std::string file = "-", skip_damaged;
  bool force = false;
};

/// Appends a row's text.
using RowText = std::function<void(const types::Row&, std::string&)>;
/// Appends what stands in front of all rows, of these columns of the relation. What it returns may
/// refer to the relation and the columns, which outlive it; not to `front`.
using BeginText =
    std::function<RowText(const types::Relation&, std::span<const std::uint32_t> columns, std::string& front)>;

/// Opens the table, writes the rows, and puts the file in its place when all are there; with `skip_damaged` all that
/// can be read. Where one cannot, those before it stay in FILE.partial, and the error says how many. `report`: of so
/// many rows, in front of what is left out. The exit status.
[[nodiscard]] int export_scan(const ScanExport& options, const BeginText& begin,
                              const std::function<std::string(std::uint64_t)>& report);

/// `--force` and `--skip-damaged`.
void add_export_options(CLI::App& command, ScanExport& options);

}  // namespace chimera::cli
