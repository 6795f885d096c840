#pragma once
// A bit of a superblock turns over. The other superblock is there for that.

#include <string>

namespace chimera::devices::testing {

/// Bits all over both superblocks, one at a time, in stores with and without a journal. Returns what is wrong, or an
/// empty string.
[[nodiscard]] std::string run_superblock_test();

}  // namespace chimera::devices::testing
