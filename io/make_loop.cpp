#include "io/make_loop.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "io/posix_loop.h"
#include "io/ring_loop.h"

namespace chimera::io {
namespace {

int read_sysctl() {
  std::ifstream file("/proc/sys/kernel/io_uring_disabled");
  int value = -1;
  return file >> value ? value : -1;
}

std::string likely_cause(int error, int sysctl) {
  switch (error) {
    case EPERM:
    case EACCES:
      if (sysctl == 2) return "the setting kernel.io_uring_disabled=2 forbids it to everyone";
      if (sysctl == 1) return "the setting kernel.io_uring_disabled=1 forbids it outside of kernel.io_uring_group";
      return "a seccomp filter forbids it, as containers do by default";
    case ENOSYS: return "the kernel has none or one older than 5.11, or a seccomp filter hides it";
    case ENOMEM: return "the locked-memory limit is too low (see ulimit -l)";
    case EMFILE:
    case ENFILE: return "too many files are open";
    default: return {};
  }
}

}  // namespace

std::string explain_refusal(int error, int sysctl) {
  const std::string cause = likely_cause(error, sysctl);
  const std::string reason = std::strerror(error);
  return fmt::format("io_uring is refused ({}){}{}", reason, cause.empty() ? "" : ": ", cause);
}

std::expected<std::unique_ptr<KernelLoop>, std::string> make_loop(LoopKind kind, std::string& warning,
                                                                  const RingMaker& make_ring) {
  warning.clear();
  if (kind == LoopKind::posix) return std::make_unique<PosixLoop>();
  auto ring = make_ring();
  if (ring) return std::move(*ring);
  const std::string refusal = explain_refusal(-ring.error(), read_sysctl());
  if (kind == LoopKind::uring) return std::unexpected(refusal);
  warning = refusal + "; going on with pread, pwrite and poll";
  return std::make_unique<PosixLoop>();
}

std::expected<std::unique_ptr<KernelLoop>, std::string> make_loop(LoopKind kind, std::string& warning) {
  return make_loop(kind, warning, &RingLoop::make);
}

}  // namespace chimera::io
