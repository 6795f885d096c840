#pragma once
// Whether a B+tree is whole: its nodes, their order, its counts, and every block either a node or free.

#include <functional>
#include <string>

#include "tables/btree_node.h"
#include "tables/link.h"
#include "tables/version.h"

namespace chimera::tables {

struct BTreeReport {
  /// Told of each problem as a whole sentence.
  std::function<void(std::string)> problem;
  /// Given each entry, in order; may be empty.
  std::function<void(const BTreeEntry&)> entry;
};

/// Reads all of it. Damage does not end the check; a failure is the link's, or a `conflict`.
[[nodiscard]] Result<> check_btree(Link& link, const Version& version, const Uuid& device, const std::string& name,
                                   const BTreeReport& report);

}  // namespace chimera::tables
