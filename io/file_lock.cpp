#include "io/file_lock.h"

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

#include "io/process.h"

namespace chimera::io {
namespace {

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

constexpr timespec pause{.tv_sec = 0, .tv_nsec = 10'000'000};

/// 0 or an error. The kernel takes apart the ring of a process that has ended when it finds time, and the lock lives as
/// long, without a holder or with one that has ended: such a lock is worth waiting for.
int lock(int fd, bool shared, int most_tries) {
  for (int tries = 1;; ++tries) {
    if (::flock(fd, (shared ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0) return 0;
    const int error = errno;
    if (error != EWOULDBLOCK || tries == most_tries || is_living(find_lock_holder(fd))) return error;
    ::nanosleep(&pause, nullptr);
  }
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

std::expected<void, LockError> lock_file(int fd, const std::string& path, bool shared, int tries) {
  const int error = lock(fd, shared, tries);
  if (error == 0) return {};
  if (error == EWOULDBLOCK) return std::unexpected(LockError{true, in_use(path, find_lock_holder(fd))});
  return std::unexpected(LockError{false, fmt::format("{} cannot be locked: {}", path, std::strerror(error))});
}

int open_patiently(const std::function<int()>& open, int tries) {
  for (;; --tries) {
    const int fd = open();
    if (fd >= 0 || errno != EBUSY || tries <= 1) return fd;
    ::nanosleep(&pause, nullptr);
  }
}

void unlock_and_close(int fd, int process) noexcept {
  if (::getpid() == process) ::flock(fd, LOCK_UN);
  ::close(fd);
}

}  // namespace chimera::io
