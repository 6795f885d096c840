#include "cli/terminal.h"

#include <doctest/doctest.h>

#include <limits>

using namespace chimera::cli;

TEST_CASE("sizes for people") {
  CHECK(human_size(0) == "0");
  CHECK(human_size(1023) == "1023");
  CHECK(human_size(1024) == "1K");
  CHECK(human_size(1536) == "1.5K");
  CHECK(human_size((1u << 20) - 1) == "1M");
  CHECK(human_size(1u << 30) == "1G");
  CHECK(human_size(std::uint64_t{5} << 40) == "5T");
  CHECK(human_size(std::numeric_limits<std::uint64_t>::max()) == "16E");
}

TEST_CASE("texts are cut and padded by characters, not by bytes") {
  CHECK(display_width("äöü") == 3);
  CHECK(cut_to_width("äöü", 3) == "äöü");
  CHECK(cut_to_width("äöüß", 3) == "äö…");
  CHECK(cut_to_width("abcdef", 1) == "…");
  CHECK(pad_to_width("ä", 3) == "ä  ");
  CHECK(pad_to_width("abcd", 3) == "abcd");
}

TEST_CASE("colours only where they are wanted") {
  CHECK(paint("ok", Colour::green, false) == "ok");
  CHECK(paint("ok", Colour::none, true) == "ok");
  CHECK(paint("ok", Colour::green, true) == "\x1b[32mok\x1b[0m");
}
