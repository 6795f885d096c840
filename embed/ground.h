#pragma once
// What a machine stands on: a loop and, unless it is in memory, a disk.

#include <memory>
#include <string>

#include "embed/caller_disk.h"
#include "embed/failure.h"
#include "io/attached_folder.h"
#include "io/file_disk.h"
#include "io/loop.h"

namespace chimera::embed {

struct Ground {
  std::unique_ptr<io::KernelLoop> kernel_loop;  ///< none on a disk of the caller's own, which is its own loop
  std::unique_ptr<io::FileDisk> file;
  std::shared_ptr<io::Folder> folder;  ///< below which devices are files, if there is one
  std::unique_ptr<CallerDisk> callers;

  [[nodiscard]] io::Loop& loop() const { return callers ? static_cast<io::Loop&>(*callers) : *kernel_loop; }
  [[nodiscard]] io::Disk* disk() const { return callers ? static_cast<io::Disk*>(callers.get()) : file.get(); }
};

/// The path is not looked at where there is a disk. A null path or `:memory:`: no disk.
[[nodiscard]] Outcome<Ground> make_ground(const char* path, std::unique_ptr<CallerDisk> disk,
                                          const chimera_options& options, io::OpenMode mode);
[[nodiscard]] bool is_memory(const char* path);

}  // namespace chimera::embed
