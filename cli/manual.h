#pragma once
// The manual pages, made from the command line's own table and from the instruction set's.

#include <string>
#include <vector>

#include "cli/command_table.h"

namespace chimera::cli {

struct ManualPage {
  std::string name;  ///< `chimera-serve`
  int section;
  std::string text;  ///< man(7)

  /// `chimera-serve.1`
  [[nodiscard]] std::string file_name() const;
};

/// chimera(1), one page a command, and chimera-isa(7). `version` and `date` (YYYY-MM-DD) stand at the pages' feet.
[[nodiscard]] std::vector<ManualPage> manual_pages(const CommandTable& table, const std::string& version,
                                                   const std::string& date);

}  // namespace chimera::cli
