#pragma once
// chimera check --salvage: what a damaged store has lost, and a store of what is left.

#include <string>

#include "cli/options.h"

namespace chimera::cli {

struct SalvageOptions {
  bool json = false;
  bool dry_run = false;  ///< only the list
};

/// Prints what is lost before anything is written; returns the exit status: 0 where the store passes its check then, or
/// would have lost nothing.
[[nodiscard]] int salvage_store(const std::string& path, const StoreOptions& store, const SalvageOptions& options);

}  // namespace chimera::cli
