#include "cli/figures.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "cli/terminal.h"
#include "cli/top_screen.h"

using namespace chimera::cli;

namespace {

/// What a server tells after so many seconds of one read each millisecond.
Figures figures_after(unsigned seconds) {
  const std::string reads = std::to_string(1000 * seconds);
  const auto figures =
      parse_figures(R"({"stats": {"uptime_seconds": )" + std::to_string(seconds) +
                    R"(.5, "instructions_total": {"read byte": )" + reads + R"(, "write byte": 7, "begin": 0},
          "wait_seconds": {"write": {"count": )" +
                    reads + R"(, "sum": 2.0, "buckets": [[0.001, )" + reads +
                    R"(]]}}, "flush_seconds": {"count": 4, "sum": 1.0, "buckets": [[0.002, 3], [null, 1]]}}})");
  REQUIRE(figures);
  return *figures;
}

}  // namespace

TEST_CASE("figures are taken out of a description, with their labels") {
  const Figures figures = figures_after(2);
  CHECK(figures.number("uptime_seconds") == 2.5);
  CHECK(figures.number("instructions_total{read byte}") == 2000);
  CHECK(figures.number("instructions_total{none}") == 0);
  CHECK(figures.labelled("instructions_total").size() == 3);
  CHECK(figures.durations_of("flush_seconds").count == 4);
  CHECK(figures.durations_of("wait_seconds{write}").mean() == doctest::Approx(0.001));
  for (const char* text : {"", "[]", "{}", R"({"stats": 1})", "no json"}) {
    CHECK(!parse_figures(text));
  }
  for (const char* odd : {R"({"stats": {"a": "text", "b": [1], "c": {"d": {"e": {"f": 1}}}, "g": null}})",
                          R"({"stats": {"h": {"count": 1, "sum": 1, "buckets": [1, [2], ["x", "y"], [1, null]]}}})"}) {
    CHECK(parse_figures(odd));
  }
}

TEST_CASE("a quantile lies within its bucket") {
  const Durations durations{.count = 100, .sum_seconds = 1, .buckets = {{0.001, 90}, {0.002, 9}, {0.008, 1}}};
  CHECK(durations.quantile(0.5) > 0.00075);
  CHECK(durations.quantile(0.5) <= 0.001);
  CHECK(durations.quantile(0.9) == doctest::Approx(0.001));
  CHECK(durations.quantile(0.95) > 0.0015);
  CHECK(durations.quantile(0.95) <= 0.002);
  CHECK(durations.quantile(0.999) > 0.006);
  CHECK(durations.quantile(1) == doctest::Approx(0.008));
  CHECK(Durations{}.quantile(0.5) == 0);
}

TEST_CASE("what has come between two looks") {
  const Durations passed =
      figures_after(5).durations_of("wait_seconds{write}").since(figures_after(3).durations_of("wait_seconds{write}"));
  CHECK(passed.count == 2000);
  CHECK(passed.buckets.at(0.001) == 2000);
}

TEST_CASE("numbers for people") {
  CHECK(human_time(0) == "0");
  CHECK(human_time(1.25e-6) == "1.25 us");
  CHECK(human_time(0.01234) == "12.3 ms");
  CHECK(human_time(0.9999) == "1.00 s");
  CHECK(human_time(600) == "10 min");
  CHECK(human_time(90'000) == "25 h 0 min");
  CHECK(human_time(3 * 86'400.0) == "3 d 0 h");
  CHECK(human_count(7) == "7");
  CHECK(human_count(0.25) == "0.25");
  CHECK(human_count(1234) == "1.23k");
  CHECK(human_count(999'999) == "1.00M");
}

TEST_CASE("the screen shows rates of the interval, and every line fits") {
  const Figures before = figures_after(3);
  const Figures now = figures_after(5);
  for (std::size_t columns = 1; columns < 200; ++columns) {
    for (const std::string& line : top_lines({"unix:s", before, now, 2, columns})) {
      CHECK(display_width(line) <= columns);
    }
  }
  const auto lines = top_lines({"unix:s", before, now, 2, 80});
  const auto has = [&](const std::string& wanted) {
    return std::ranges::any_of(lines, [&](const std::string& line) { return line.contains(wanted); });
  };
  CHECK(has("read byte              1.00k     5.00k"));
  CHECK(has("write byte                 0         7"));
  CHECK(!has("begin"));
}
