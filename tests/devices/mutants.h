#pragma once
// A check that cannot fail is a defect: a safeguard is taken away, and a test has to notice.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <span>
#include <string>

namespace chimera::devices::testing {

/// Whether a test finds something, in a process of its own: a store without its safeguards may well end in an
/// assertion.
[[nodiscard]] inline bool finds_something(const std::function<std::string()>& test) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const int nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, STDOUT_FILENO);
    dup2(nowhere, STDERR_FILENO);
    try {
      _exit(test().empty() ? 0 : 1);
    } catch (...) {
      _exit(1);
    }
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

struct Mutant {
  std::string what;
  bool& safeguard;
  std::function<std::string()> test;
};

inline void check_all(std::span<const Mutant> all) {
  for (const Mutant& mutant : all) {
    INFO(mutant.what);
    mutant.safeguard = false;
    CHECK(finds_something(mutant.test));
    mutant.safeguard = true;
  }
}

}  // namespace chimera::devices::testing
