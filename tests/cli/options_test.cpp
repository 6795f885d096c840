#include "cli/options.h"

#include <doctest/doctest.h>

#include <CLI/CLI.hpp>

using namespace chimera::cli;

namespace {

/// What `--time TEXT` sets, in milliseconds; 7 if it is refused.
std::uint64_t time_of(const std::string& text) {
  CLI::App program;
  std::uint64_t milliseconds = 7;
  add_time_option(program, "--time", milliseconds, "");
  try {
    program.parse("--time " + text);
  } catch (const CLI::ParseError&) {
    CHECK(milliseconds == 7);
  }
  return milliseconds;
}

}  // namespace

TEST_CASE("times") {
  CHECK(time_of("500ms") == 500);
  CHECK(time_of("10s") == 10'000);
  CHECK(time_of("5m") == 300'000);
  CHECK(time_of("2h") == 7'200'000);
  CHECK(time_of("8760h") == 31'536'000'000);
  CHECK(time_of("0") == 0);
  CHECK(time_of("0s") == 0);
  for (const char* wrong : {"5", "s", "1.5s", "5d", "5ms2", "8761h", "99999999999999999999s"}) {
    CAPTURE(wrong);
    CHECK(time_of(wrong) == 7);
  }
}
