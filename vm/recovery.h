#pragma once
// Opening a store on a disk for a machine: what the journal holds beyond the last checkpoint is run again first.

#include <expected>
#include <memory>
#include <string>

#include "devices/open.h"
#include "devices/store.h"

namespace chimera::vm {

/// Loop and disk must outlive the store. Errors are whole sentences for the user.
[[nodiscard]] std::expected<std::unique_ptr<devices::Store>, std::string> open_store(
    io::Loop& loop, io::Disk& disk, const devices::OpenOptions& options);

}  // namespace chimera::vm
