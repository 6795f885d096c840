#pragma once
// Namespaces, databases and tables, by their names on a command line.

#include <string>

#include "cli/table_session.h"
#include "tables/catalogue.h"

namespace chimera::cli {

/// Whether a `NAMESPACE` or `NAMESPACE/DATABASE` is there. If not, the error names what may have been meant, or what
/// there is.
[[nodiscard]] Done check_is_there(tables::Catalogue& catalogue, const std::string& within);

/// A failure's words; where it is that there is no such table, and none is listed either, what may have been meant, or
/// what there is.
[[nodiscard]] std::string words_of_table(tables::Link& link, const std::string& name, const tables::Failure& failure);

}  // namespace chimera::cli
