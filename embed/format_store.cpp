// Making an empty store, in the one case where nothing can be lost by it, or where the caller says so.

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "devices/open.h"
#include "embed/ground.h"
#include "embed/machine_host.h"
#include "isa/limits.h"

namespace chimera::embed {
namespace {

constexpr std::uint64_t default_size = std::uint64_t{1} << 30;
constexpr std::uint64_t smallest_size = std::uint64_t{16} << 20;

/// Gives a file the size that its store is to have. Block devices have theirs.
Outcome<> resize(io::FileDisk& file, const char* path, std::uint64_t wanted) {
  const std::uint64_t present = file.block_count() * limits::block_size;
  if (wanted == 0) wanted = present == 0 ? default_size : present;
  if (wanted < smallest_size || wanted > limits::greatest_length) {
    return failure(CHIMERA_E_ARGUMENT, fmt::format("A store has at least 16 MiB: {} bytes cannot be.", wanted));
  }
  if (wanted / limits::block_size == file.block_count()) return {};
  if (wanted < present || file.is_block_device()) {
    return failure(CHIMERA_E_OPEN, fmt::format("{} has {} bytes, and a store takes all of them.", path, present));
  }
  const int error = file.grow(wanted / limits::block_size);
  if (error == 0) return {};
  return failure(CHIMERA_E_OPEN, fmt::format("{} cannot have {} bytes: {}.", path, wanted, std::strerror(error)));
}

/// A file of less than a block has no blocks, and is not empty all the same.
bool is_empty_file(const char* path) {
  struct stat status {};
  return ::stat(path, &status) == 0 && S_ISREG(status.st_mode) && status.st_size == 0;
}

Outcome<> may_overwrite(const Ground& ground, const char* path, const chimera_options& options) {
  if (options.overwrite != 0) return {};
  if (ground.file) {
    if (is_empty_file(path)) return {};
    return failure(CHIMERA_E_OPEN, fmt::format("{} holds something: with `overwrite` it is lost.", path));
  }
  const auto contents = devices::identify(ground.loop(), *ground.callers);
  if (!contents) return failure(CHIMERA_E_OPEN, fmt::format("Cannot look at the disk: {}.", contents.error()));
  if (*contents == devices::Contents::blank) return {};
  return failure(CHIMERA_E_OPEN, "The disk holds something: with `overwrite` it is lost.");
}

Outcome<> format(const Ground& ground, const char* path, const chimera_options& options) {
  if (auto may = may_overwrite(ground, path, options); !may) return may;
  if (ground.file) {
    if (auto resized = resize(*ground.file, path, options.size); !resized) return resized;
  }
  devices::FormatOptions wanted;
  if (options.journal_bytes == CHIMERA_NO_JOURNAL) {
    wanted.journal_bytes = 0;
  } else if (options.journal_bytes != 0) {
    wanted.journal_bytes = options.journal_bytes;
  }
  if (auto formatted = devices::format(ground.loop(), *ground.disk(), wanted); !formatted) {
    return failure(CHIMERA_E_OPEN, fmt::format("Cannot make a store: {}.", formatted.error()));
  }
  return {};
}

}  // namespace

Outcome<> format_store(const char* path, std::unique_ptr<CallerDisk> disk, const chimera_options& options) {
  if (is_memory(path)) return failure(CHIMERA_E_ARGUMENT, ":memory: is no file: it needs no format.");
  if (options.read_only != 0) return failure(CHIMERA_E_ARGUMENT, "What is read only cannot be made a store.");
  struct stat status {};
  const bool existed = path == nullptr || ::stat(path, &status) == 0;
  auto ground = make_ground(path, std::move(disk), options, io::OpenMode::create);
  if (!ground) return std::unexpected(std::move(ground.error()));
  try {
    auto done = format(*ground, path, options);
    if (!done && !existed) ::unlink(path);
    return done;
  } catch (...) {
    if (!existed) ::unlink(path);
    throw;
  }
}

}  // namespace chimera::embed
