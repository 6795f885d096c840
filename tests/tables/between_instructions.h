#pragma once
// Whoever reads a table sees it as it was at some moment, between whichever two instructions of his others change it.

#include <string>

namespace chimera::tables::testing {

/// Reads with each of some changes between each two instructions. Returns what was wrong.
[[nodiscard]] std::string read_between_changes();
/// The same, where the change brings the table back to what the reader has in memory.
[[nodiscard]] std::string read_between_rollbacks();

}  // namespace chimera::tables::testing
