#pragma once
// A machine in this process as a host: on a file or block device, in memory, or on a disk of the caller's own.

#include <memory>
#include <string>

#include "embed/caller_disk.h"
#include "embed/failure.h"
#include "embed/host.h"
#include "embed/options.h"

namespace chimera::embed {

/// Exactly one of `path` and `disk` is there; the disk is closed when the host goes, or could not be made.
[[nodiscard]] Outcome<std::unique_ptr<Host>> open_machine(const char* path, std::unique_ptr<CallerDisk> disk,
                                                          const chimera_options& options);

/// Makes an empty store where that overwrites nothing, or is told to.
[[nodiscard]] Outcome<> format_store(const char* path, std::unique_ptr<CallerDisk> disk,
                                     const chimera_options& options);

}  // namespace chimera::embed
