#include "embed/ground.h"

#include <string_view>

namespace chimera::embed {
namespace {

io::LoopKind kind_of(int loop) {
  switch (loop) {
    case CHIMERA_LOOP_URING: return io::LoopKind::uring;
    case CHIMERA_LOOP_POSIX: return io::LoopKind::posix;
    default: return io::LoopKind::automatic;
  }
}

}  // namespace

bool is_memory(const char* path) { return path != nullptr && std::string_view(path) == ":memory:"; }

Outcome<Ground> make_ground(const char* path, std::unique_ptr<CallerDisk> disk, const chimera_options& options,
                            io::OpenMode mode) {
  Ground ground;
  if (disk) {
    ground.callers = std::move(disk);
    return ground;
  }
  // What is got round is nobody's business here: a host asks for the ring if it must have it.
  std::string warning;
  auto loop = io::make_loop(kind_of(options.loop), warning);
  if (!loop) return failure(CHIMERA_E_SYSTEM, std::move(loop.error()) + ".");
  ground.kernel_loop = std::move(*loop);
  if (options.attach != nullptr && mode != io::OpenMode::create) {
    auto folder = io::attach_folder(*ground.kernel_loop, options.attach);
    if (!folder) return failure(CHIMERA_E_OPEN, std::move(folder.error()) + ".");
    ground.folder = std::move(*folder);
  }
  if (path == nullptr || is_memory(path)) return ground;
  auto file = io::FileDisk::open(*ground.kernel_loop, path, mode);
  if (!file) return failure(CHIMERA_E_OPEN, std::move(file.error()) + ".");
  ground.file = std::move(*file);
  return ground;
}

}  // namespace chimera::embed
