#include "io/process.h"

#include <fmt/format.h>

#include <cerrno>
#include <csignal>
#include <fstream>
#include <sstream>

namespace chimera::io {

// Nothing else tells it: a process is there for signals until its parent has asked for it.
bool is_ending(const std::string& line) {
  // 4711 (a name) S, then numbers; a name may have anything in it.
  std::istringstream fields(line.substr(line.rfind(')') + 1));
  char state = 0;
  unsigned long flags = 0, pending = 0;
  std::string other;
  fields >> state;
  for (int field = 4; field < 9; ++field) fields >> other;
  fields >> flags;
  for (int field = 10; field < 31; ++field) fields >> other;
  fields >> pending;
  constexpr unsigned long exiting = 0x4;  // PF_EXITING
  const bool is_killed = (pending >> (SIGKILL - 1) & 1) != 0;
  return state == 'Z' || state == 'X' || (flags & exiting) != 0 || is_killed;
}

bool is_living(int pid) {
  if (pid <= 0 || (::kill(pid, 0) != 0 && errno == ESRCH)) return false;
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string line;
  return !std::getline(file, line) || !is_ending(line);
}

}  // namespace chimera::io
