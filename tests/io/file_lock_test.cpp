// Block devices that somebody holds.

#include "io/file_lock.h"

#include <doctest/doctest.h>

#include <cerrno>

namespace chimera::io {
namespace {

TEST_CASE("what is busy is tried again, and nothing else") {
  int calls = 0;
  const auto busy_until = [&](int last, int then) {
    return [&calls, last, then] {
      errno = calls++ < last ? EBUSY : EACCES;
      return calls <= last ? -1 : then;
    };
  };
  CHECK(open_patiently(busy_until(3, 7), 5) == 7);
  CHECK(calls == 4);
  calls = 0;
  CHECK(open_patiently(busy_until(9, 7), 5) == -1);
  CHECK(calls == 5);
  CHECK(errno == EBUSY);
  calls = 0;
  CHECK(open_patiently(busy_until(0, -1), 5) == -1);
  CHECK(calls == 1);
}

}  // namespace
}  // namespace chimera::io
