#include "cli/live_terminal.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <string_view>

#include "io/clock.h"

namespace chimera::cli {
namespace {

constexpr std::string_view enter_screen = "\x1b[?1049h\x1b[?25l\x1b[2J";
constexpr std::string_view leave_screen = "\x1b[?25h\x1b[?1049l";
constexpr std::array ending{SIGINT, SIGTERM, SIGHUP, SIGQUIT};

// What a signal handler can reach.
termios before;
volatile std::sig_atomic_t is_ended = 0;
volatile std::sig_atomic_t is_resized = 0;

void put(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

void set_raw() {
  termios raw = before;
  raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  raw.c_cc[VMIN] = 0;
  raw.c_cc[VTIME] = 0;
  ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

void on_signal(int number) {
  if (number == SIGWINCH) {
    is_resized = 1;
  } else if (is_ended == 0) {
    is_ended = 1;
  } else {
    // Nobody has looked since the last one: what we wait for does not come.
    put(leave_screen);
    ::tcsetattr(STDIN_FILENO, TCSANOW, &before);
    ::_exit(128 + number);
  }
}

/// Suspended by ^Z, the terminal is the shell's until we go on.
void on_stop(int) {
  const int error = errno;
  put(leave_screen);
  ::tcsetattr(STDIN_FILENO, TCSANOW, &before);
  ::raise(SIGSTOP);
  set_raw();
  put(enter_screen);
  is_resized = 1;
  errno = error;
}

void handle(int number, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  ::sigaction(number, &action, nullptr);
}

}  // namespace

LiveTerminal::LiveTerminal() {
  is_ended = 0;
  is_resized = 0;
  ::tcgetattr(STDIN_FILENO, &before);
  for (const int number : ending) handle(number, on_signal);
  handle(SIGWINCH, on_signal);
  handle(SIGTSTP, on_stop);
  set_raw();
  put(enter_screen);
}

LiveTerminal::~LiveTerminal() {
  put(leave_screen);
  ::tcsetattr(STDIN_FILENO, TCSANOW, &before);
  for (const int number : ending) handle(number, SIG_DFL);
  handle(SIGWINCH, SIG_DFL);
  handle(SIGTSTP, SIG_DFL);
}

LiveTerminal::Size LiveTerminal::size() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {80, 24};
  return {size.ws_col, size.ws_row};
}

void LiveTerminal::show(const std::vector<std::string>& lines) {
  // In one write, each line over the old one: nothing flickers.
  std::string text = "\x1b[H";
  const std::size_t count = std::min(lines.size(), size().rows);
  for (std::size_t n = 0; n < count; ++n) text += lines[n] + "\x1b[K" + (n + 1 < count ? "\r\n" : "");
  put(text + "\x1b[J");
}

LiveTerminal::Event LiveTerminal::wait(std::uint64_t milliseconds) {
  const std::uint64_t end = io::monotonic_ns() + milliseconds * 1'000'000;
  for (;;) {
    if (is_ended != 0) return Event::ended;
    if (is_resized != 0) {
      is_resized = 0;
      return Event::resized;
    }
    const std::uint64_t now = io::monotonic_ns();
    if (now >= end) return Event::none;
    pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
    if (::poll(&input, 1, static_cast<int>((end - now) / 1'000'000) + 1) <= 0) continue;
    char key = 0;
    const ssize_t got = ::read(STDIN_FILENO, &key, 1);
    const bool is_gone = got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN);
    if (is_gone || (got == 1 && (key == 'q' || key == 'Q'))) return Event::ended;
  }
}

}  // namespace chimera::cli
