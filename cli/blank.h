#pragma once
// Whether a file or block device holds anything, before a store is made in it.

#include <cstdint>
#include <optional>

#include "cli/image_file.h"

namespace chimera::cli {

/// The offset of a block that is not all zeros; nothing if none is found. Looked at are the first and the last MiB,
/// where btrfs keeps its further superblocks, 64 KiB at each of 64 places spread over the rest, and of a file, whose
/// holes need not be read, the first 256 MiB of data.
[[nodiscard]] ImageFile::Result<std::optional<std::uint64_t>> find_content(const ImageFile& image);

}  // namespace chimera::cli
