#include "io/open_store_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "io/file_lock.h"
#include "isa/limits.h"

namespace chimera::io {
namespace {

int flags_of(OpenMode mode) {
  switch (mode) {
    case OpenMode::read_only: return O_RDONLY;
    case OpenMode::read_write: return O_RDWR;
    case OpenMode::create: return O_RDWR | O_CREAT;
  }
  return O_RDONLY;
}

/// Whether direct transfers of whole blocks work. A medium may take O_DIRECT and still ask for more than we align to.
bool takes_direct_blocks(int fd) {
  struct statx status {};
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &status) != 0 || (status.stx_mask & STATX_DIOALIGN) == 0) {
    return true;  // the kernel is too old to tell; it took the flag
  }
  const auto is_fine = [](unsigned alignment) { return alignment > 0 && alignment <= limits::block_size; };
  return is_fine(status.stx_dio_mem_align) && is_fine(status.stx_dio_offset_align);
}

/// Sets or takes away O_DIRECT on the open file: no second open, so no moment without the lock.
bool set_direct(int fd, bool is_direct) {
  const int flags = ::fcntl(fd, F_GETFL);
  return flags >= 0 && ::fcntl(fd, F_SETFL, is_direct ? flags | O_DIRECT : flags & ~O_DIRECT) == 0;
}

std::expected<StoreFile, std::string> refuse(int fd, std::string message) {
  ::close(fd);
  return std::unexpected(std::move(message));
}

}  // namespace

std::expected<StoreFile, std::string> open_store_file(const std::string& path, OpenMode mode) {
  struct stat status {};
  const bool is_there = ::stat(path.c_str(), &status) == 0;
  const bool is_device = is_there && S_ISBLK(status.st_mode);
  // Opening a pipe would wait for whoever opens its other end.
  if (is_there && S_ISFIFO(status.st_mode)) return std::unexpected(path + " is neither a file nor a block device");
  // On a block device O_EXCL asks the kernel for the whole device: it refuses one that is mounted.
  const bool is_exclusive = is_device && mode != OpenMode::read_only;
  const int flags = is_device ? flags_of(mode) & ~O_CREAT : flags_of(mode);
  const int fd =
      open_patiently([&] { return ::open(path.c_str(), flags | O_CLOEXEC | (is_exclusive ? O_EXCL : 0), 0600); });
  if (fd < 0 && errno == EBUSY) return std::unexpected(path + " is mounted or in use by another process");
  if (fd < 0) return std::unexpected(fmt::format("{} cannot be opened: {}", path, std::strerror(errno)));

  if (::fstat(fd, &status) != 0) return refuse(fd, fmt::format("{} cannot be read: {}", path, std::strerror(errno)));
  if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode)) {
    return refuse(fd, path + " is neither a file nor a block device");
  }
  if (auto locked = lock_file(fd, path, mode == OpenMode::read_only); !locked) {
    return refuse(fd, std::move(locked.error().message));
  }
  StoreFile file{fd, false, S_ISBLK(status.st_mode)};
  file.is_direct = takes_direct_blocks(fd) && set_direct(fd, true);
  return file;
}

}  // namespace chimera::io
