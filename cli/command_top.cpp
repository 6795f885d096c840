// chimera top: the figures of a running server, live.

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>
#include <utility>

#include "cli/commands.h"
#include "cli/endpoint.h"
#include "cli/figures.h"
#include "cli/live_terminal.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "cli/top_screen.h"
#include "io/clock.h"

namespace chimera::cli {
namespace {

struct TopOptions {
  std::string address;
  std::uint64_t interval_ms = 1000;
  bool once = false;
};

struct Sample {
  Figures figures;
  std::uint64_t taken_ns = 0;
};

std::expected<Sample, std::string> take_sample(Endpoint& endpoint) {
  auto figures = ask_figures(endpoint);
  if (!figures) return std::unexpected(figures.error());
  return Sample{std::move(*figures), io::monotonic_ns()};
}

std::vector<std::string> lines_of(const TopOptions& options, const Sample& before, const Sample& now,
                                  std::size_t columns, bool colours) {
  const double seconds = static_cast<double>(now.taken_ns - before.taken_ns) / 1e9;
  return top_lines({options.address, before.figures, now.figures, seconds, columns, colours});
}

/// On a terminal, until the user has seen enough. An error is a sentence.
std::string watch(Endpoint& endpoint, const TopOptions& options, Sample before) {
  LiveTerminal terminal;
  const bool colours = takes_colours(STDOUT_FILENO);
  Sample now = before;
  for (;;) {
    terminal.show(lines_of(options, before, now, LiveTerminal::size().columns, colours));
    const std::uint64_t next_ns = now.taken_ns + options.interval_ms * 1'000'000;
    const std::uint64_t clock_ns = io::monotonic_ns();
    switch (terminal.wait(next_ns > clock_ns ? (next_ns - clock_ns) / 1'000'000 : 0)) {
      case LiveTerminal::Event::ended: return {};
      case LiveTerminal::Event::resized: continue;
      case LiveTerminal::Event::none: break;
    }
    auto sample = take_sample(endpoint);
    if (!sample) return sample.error();
    before = std::exchange(now, std::move(*sample));
  }
}

/// Anywhere else: a block of lines each time.
std::string print_on(Endpoint& endpoint, const TopOptions& options, Sample before) {
  for (;;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(options.interval_ms));
    auto now = take_sample(endpoint);
    if (!now) return now.error();
    for (const std::string& line : lines_of(options, before, *now, terminal_width(STDOUT_FILENO), false)) {
      fmt::print("{}\n", line);
    }
    if (!options.once) fmt::print("\n");
    std::fflush(stdout);
    if (options.once || output_is_closed()) return {};
    before = std::move(*now);
  }
}

int run_top(const TopOptions& options) {
  const auto endpoint = open_figures(options.address);
  if (!endpoint) return fail(endpoint.error());
  auto first = take_sample(**endpoint);
  if (!first) return fail(first.error());
  const bool is_live = !options.once && isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1;
  const std::string error = (is_live ? watch : print_on)(**endpoint, options, std::move(*first));
  if (!error.empty()) return fail(error);
  const auto closed = (*endpoint)->close();
  return closed ? exit_done : fail(closed.error());
}

}  // namespace

Command make_top_command(CLI::App& program) {
  CLI::App& command =
      add_command(program, "top", "Show what a running server is doing, live",
                  "  chimera top unix:chimera.socket\n"
                  "  chimera top tcp:localhost:4096 --interval 5s\n"
                  "  chimera top unix:chimera.socket --once\n"
                  "\nq ends it. Rates and latencies are those of the last interval; docs/operating.md says what is\n"
                  "measured. Where standard output is no terminal it prints a block of lines each interval.");
  auto options = std::make_shared<TopOptions>();
  add_operand(command, "ADDRESS", options->address, "A running server").required();
  add_time_option(command, "--interval", options->interval_ms, "Between two looks (default 1s, at least 100ms)")
      .check([](std::string& text) {
        const bool is_enough = text.size() > 2 && text != "0";
        return is_enough ? std::string() : std::string("the interval is at least 100ms");
      });
  add_flag(command, "--once", options->once, "Print what has happened within one interval, and end");
  return {&command, [options] { return run_top(*options); }};
}

}  // namespace chimera::cli
