#include "cli/output.h"

#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>

namespace chimera::cli {
namespace {

bool is_closed = false;

ssize_t write_output(void*, const char* bytes, std::size_t size) {
  std::size_t done = 0;
  while (done < size && !is_closed) {
    const ssize_t put = write(STDOUT_FILENO, bytes + done, size - done);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == EPIPE) {
      is_closed = true;
      break;
    }
    if (put < 0) return 0;  // how a cookie says that it failed
    done += static_cast<std::size_t>(put);
  }
  return static_cast<ssize_t>(size);
}

}  // namespace

void guard_output() {
  // A reader that goes away, of standard output or of a socket, shows as a failed write; so does a file that may not
  // grow (ulimit -f).
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  std::FILE* const guarded =
      fopencookie(nullptr, "w", {.read = nullptr, .write = write_output, .seek = nullptr, .close = nullptr});
  if (guarded == nullptr) return;
  std::setvbuf(guarded, nullptr, isatty(STDOUT_FILENO) == 1 ? _IOLBF : _IOFBF, BUFSIZ);
  stdout = guarded;
}

bool output_is_closed() { return is_closed; }

void end_by_closed_output() {
  std::signal(SIGPIPE, SIG_DFL);
  std::raise(SIGPIPE);
  std::_Exit(128 + SIGPIPE);
}

}  // namespace chimera::cli
