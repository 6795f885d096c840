#include "io/open_store_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>

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

std::string name_of_process(int pid) {
  std::ifstream file(fmt::format("/proc/{}/comm", pid));
  std::string name;
  std::getline(file, name);
  return name;
}

std::string in_use(const std::string& path, int pid) {
  if (pid <= 0) return fmt::format("{} is in use by another process", path);
  const std::string name = name_of_process(pid);
  if (name.empty()) return fmt::format("{} is in use by process {}", path, pid);
  return fmt::format("{} is in use by process {} ({})", path, pid, name);
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

int find_lock_holder(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return 0;
  std::ifstream locks("/proc/locks");
  std::string line;
  while (std::getline(locks, line)) {
    // 1: FLOCK  ADVISORY  WRITE 4711 08:01:131 0 EOF
    char kind[16] = {};
    int pid = 0;
    unsigned device_major = 0;
    unsigned device_minor = 0;
    unsigned long inode = 0;
    const int fields =
        std::sscanf(line.c_str(), "%*d: %15s %*s %*s %d %x:%x:%lu", kind, &pid, &device_major, &device_minor, &inode);
    if (fields != 5 || std::strcmp(kind, "FLOCK") != 0 || inode != status.st_ino) continue;
    if (device_major == major(status.st_dev) && device_minor == minor(status.st_dev)) return pid > 0 ? pid : 0;
  }
  return 0;
}

namespace {

/// 0 or an error. The kernel takes apart the ring of a process that has ended when it finds time, and the lock lives as
/// long: a lock that is nobody's is worth waiting for.
int lock(int fd, OpenMode mode) {
  constexpr int most_tries = 200;
  constexpr timespec pause{.tv_sec = 0, .tv_nsec = 10'000'000};
  for (int tries = 1;; ++tries) {
    if (::flock(fd, (mode == OpenMode::read_only ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0) return 0;
    const int error = errno;
    if (error != EWOULDBLOCK || tries == most_tries || find_lock_holder(fd) != 0) return error;
    ::nanosleep(&pause, nullptr);
  }
}

}  // namespace

std::expected<StoreFile, std::string> open_store_file(const std::string& path, OpenMode mode) {
  struct stat status {};
  const bool is_device = ::stat(path.c_str(), &status) == 0 && S_ISBLK(status.st_mode);
  // On a block device O_EXCL asks the kernel for the whole device: it refuses one that is mounted.
  const bool is_exclusive = is_device && mode != OpenMode::read_only;
  const int flags = is_device ? flags_of(mode) & ~O_CREAT : flags_of(mode);
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC | (is_exclusive ? O_EXCL : 0), 0600);
  if (fd < 0 && errno == EBUSY) return std::unexpected(path + " is mounted or in use by another process");
  if (fd < 0) return std::unexpected(fmt::format("{} cannot be opened: {}", path, std::strerror(errno)));

  if (::fstat(fd, &status) != 0) return refuse(fd, fmt::format("{} cannot be read: {}", path, std::strerror(errno)));
  if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode)) {
    return refuse(fd, path + " is neither a file nor a block device");
  }
  if (const int error = lock(fd, mode); error != 0) {
    if (error == EWOULDBLOCK) return refuse(fd, in_use(path, find_lock_holder(fd)));
    return refuse(fd, fmt::format("{} cannot be locked: {}", path, std::strerror(error)));
  }
  StoreFile file{fd, false, S_ISBLK(status.st_mode)};
  file.is_direct = takes_direct_blocks(fd) && set_direct(fd, true);
  return file;
}

}  // namespace chimera::io
