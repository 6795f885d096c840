// chimera stats: the figures of a running server.

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "cli/commands.h"
#include "cli/endpoint.h"
#include "cli/figures.h"
#include "cli/render.h"
#include "cli/terminal.h"

namespace chimera::cli {
namespace {

struct StatsOptions {
  std::string address;
  bool json = false;
};

/// A value with its unit, which stands in the name.
std::string value_text(std::string_view name, double value) {
  const std::string_view bare = name.substr(0, name.find('{'));
  if (bare.contains("_seconds")) return human_time(value);
  const auto whole = static_cast<std::uint64_t>(value);
  if (!bare.contains("_bytes")) return grouped(whole);
  return value < 1024 ? grouped(whole) : fmt::format("{} ({})", grouped(whole), human_size(whole));
}

std::string durations_text(const Durations& durations) {
  if (durations.count == 0) return "none";
  return fmt::format("{}: mean {}, half within {}, 99 % within {}, 99.9 % within {}",
                     grouped(static_cast<std::uint64_t>(durations.count)), human_time(durations.mean()),
                     human_time(durations.quantile(0.5)), human_time(durations.quantile(0.99)),
                     human_time(durations.quantile(0.999)));
}

/// In the order in which the server tells them; of those with a label what is not 0.
void print_figures(const Figures& figures) {
  constexpr std::size_t name_width = 36;
  const auto print_line = [](const std::string& name, const std::string& value) {
    fmt::print("{} {}\n", pad_to_width(name, name_width), value);
  };
  const auto print_one = [&](const std::string& name, bool is_labelled) {
    if (const auto number = figures.numbers.find(name); number != figures.numbers.end()) {
      if (!is_labelled || number->second != 0) print_line(name, value_text(name, number->second));
    } else if (figures.durations.contains(name)) {
      print_line(name, durations_text(figures.durations_of(name)));
    }
  };
  for (const auto& [name, value] : figures.description["stats"].items()) {
    print_one(name, false);
    if (!value.is_object() || value.contains("buckets")) continue;
    for (const auto& [label, labelled] : value.items()) print_one(fmt::format("{}{{{}}}", name, label), true);
  }
}

int run_stats(const StatsOptions& options) {
  const auto endpoint = open_figures(options.address);
  if (!endpoint) return fail(endpoint.error());
  const auto figures = ask_figures(**endpoint);
  if (!figures) return fail(figures.error());
  if (options.json) {
    fmt::print("{}\n", to_text(figures->description["stats"], 2));
  } else {
    print_figures(*figures);
  }
  const auto closed = (*endpoint)->close();
  return closed ? exit_done : fail(closed.error());
}

}  // namespace

Command make_stats_command(CLI::App& program) {
  CLI::App& command = add_command(program, "stats", "Print the figures of a running server",
                                  "  chimera stats unix:chimera.socket\n"
                                  "  chimera stats tcp:localhost:4096 --json\n"
                                  "\nThey are those of the server's --metrics page; docs/operating.md lists them. Of\n"
                                  "figures with a label those that are 0 are left out, but not from --json.");
  auto options = std::make_shared<StatsOptions>();
  add_operand(command, "ADDRESS", options->address, "A running server").required();
  add_flag(command, "--json", options->json, "Print one JSON object; bytes, seconds and counts as they are");
  return {&command, [options] { return run_stats(*options); }};
}

}  // namespace chimera::cli
