#pragma once
// The folder below which a store may serve files in place, on the kernel's file systems.

#include <expected>
#include <memory>
#include <string>

#include "io/file.h"
#include "io/loop.h"

namespace chimera::io {

/// Opens the folder itself, by whatever path the operator gave, links included; it stays the same one if that path is
/// renamed. The loop must outlive it. The error is a sentence.
///
/// Below it no path leads out: it is walked name by name, each opened below the one before without following a link,
/// and `..` is no name. What is found is looked at before it is really opened, by a descriptor that only marks the
/// place, so that nothing but regular files and block devices is ever opened, and what is opened is what was looked at.
[[nodiscard]] std::expected<std::shared_ptr<Folder>, std::string> attach_folder(KernelLoop& loop,
                                                                                const std::string& path);

}  // namespace chimera::io
