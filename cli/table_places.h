#pragma once
// Namespaces and databases, by their names on a command line.

#include <string>

#include "cli/table_session.h"
#include "tables/catalogue.h"

namespace chimera::cli {

/// Whether a `NAMESPACE` or `NAMESPACE/DATABASE` is there. If not, the error names what may have been meant, or what
/// there is.
[[nodiscard]] Done check_is_there(tables::Catalogue& catalogue, const std::string& within);

}  // namespace chimera::cli
