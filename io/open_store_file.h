#pragma once
// Opening the file or block device behind a store: direct where the medium takes it, under a lock always.

#include <expected>
#include <string>

#include "io/file_disk.h"

namespace chimera::io {

struct StoreFile {
  int fd;  ///< close-on-exec; the caller closes it, which gives up the lock
  bool is_direct;
  bool is_block_device;
};

[[nodiscard]] std::expected<StoreFile, std::string> open_store_file(const std::string& path, OpenMode mode);

}  // namespace chimera::io
