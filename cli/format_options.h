#pragma once
// The options that say how rows stand in a file.

#include <string>

#include "cli/options.h"
#include "cli/row_source.h"

namespace chimera::cli {

struct RowFormatOptions {
  std::string format, separator = ",", null;

  /// Where no format is said it is what the file's name ends in, or else `usual`.
  [[nodiscard]] RowFormat of(const std::string& file, RowFormat::Kind usual) const;
};

/// `--format`, `--separator`, `--null`. `without`: what is so without --format, as a part of the help's sentence.
void add_format_options(CLI::App& command, RowFormatOptions& options, const std::string& without);

}  // namespace chimera::cli
