// chimera check: is everything there, and as it was written?

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/embedded_endpoint.h"
#include "cli/endpoint.h"
#include "cli/progress.h"
#include "cli/remote_check.h"
#include "cli/render.h"
#include "cli/terminal.h"
#include "devices/open.h"
#include "isa/limits.h"

namespace chimera::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string target;
  StoreOptions store{.read_only = true};
  bool json = false;
};

int print_verdict(std::uint64_t problem_count, const std::vector<std::string>& problems) {
  for (const std::string& problem : problems) fmt::print("{}\n", problem);
  if (problem_count > problems.size()) fmt::print("… and {} more\n", grouped(problem_count - problems.size()));
  fmt::print("{}\n", problem_count == 0 ? "No problem was found."
                                        : fmt::format("{} problem{} found.", grouped(problem_count),
                                                      problem_count == 1 ? " was" : "s were"));
  return problem_count == 0 ? exit_done : exit_failed;
}

int print_store_report(const devices::CheckReport& report) {
  const auto blocks = [](const char* name, std::uint64_t count) {
    fmt::print("{:<20}{:>16}  {:>8}\n", name, grouped(count), human_size(count * limits::block_size));
  };
  fmt::print("{:<20}{:>16}\n", "devices", grouped(report.devices));
  blocks("data blocks", report.data_blocks);
  blocks("map blocks", report.map_blocks);
  blocks("other blocks", report.other_blocks);
  blocks("shared blocks", report.shared_blocks);
  blocks("free blocks", report.free_blocks);
  const std::pair<const char*, std::uint64_t> faults[] = {{"bad checksums", report.bad_checksums},
                                                          {"unreadable blocks", report.unreadable_blocks},
                                                          {"leaked blocks", report.leaked_blocks},
                                                          {"misbooked blocks", report.misbooked_blocks}};
  fmt::print("{:<20}{:>16}\n", "waiting records", grouped(report.journal_records));
  for (const auto& [name, count] : faults) fmt::print("{:<20}{:>16}\n", name, grouped(count));
  return print_verdict(report.problem_count, report.problems);
}

Json to_json(const devices::CheckReport& report) {
  return {{"devices", report.devices},
          {"data_blocks", report.data_blocks},
          {"map_blocks", report.map_blocks},
          {"other_blocks", report.other_blocks},
          {"shared_blocks", report.shared_blocks},
          {"free_blocks", report.free_blocks},
          {"journal_records", report.journal_records},
          {"bad_checksums", report.bad_checksums},
          {"unreadable_blocks", report.unreadable_blocks},
          {"leaked_blocks", report.leaked_blocks},
          {"misbooked_blocks", report.misbooked_blocks},
          {"problem_count", report.problem_count},
          {"problems", report.problems}};
}

int check_store(const Options& options) {
  if (options.target == memory_store) return fail(":memory: holds nothing that could be checked.");
  // What the journal holds is verified as it lies there; the walk is over the state that it would be replayed on.
  StoreOptions as_it_lies = options.store;
  as_it_lies.without_journal = true;
  auto opened = open_machine(options.target, as_it_lies);
  if (!opened) return fail(opened.error());
  devices::CheckReport report;
  {
    ProgressBar bar("check", 0, limits::block_size);
    report = devices::check(*opened->loop, opened->machine->store(), [&bar](std::uint64_t done, std::uint64_t all) {
      bar.set_all(all);
      bar.show(done);
    });
  }
  if (!options.json) return print_store_report(report);
  fmt::print("{}\n", to_text(to_json(report), 2));
  return report.problem_count == 0 ? exit_done : exit_failed;
}

int check_server(const Options& options) {
  const auto endpoint = open_endpoint(options.target, options.store);
  if (!endpoint) return fail(endpoint.error());
  const auto report = check_through(**endpoint);
  if (!report) return fail(report.error());
  if (options.json) {
    const Json json{{"devices", report->devices},
                    {"data_bytes", report->data_bytes},
                    {"metadata_bytes", report->metadata_bytes},
                    {"problem_count", report->problem_count},
                    {"problems", report->problems}};
    fmt::print("{}\n", to_text(json, 2));
    return report->problem_count == 0 ? exit_done : exit_failed;
  }
  fmt::print("{:<20}{:>16}\n", "devices", grouped(report->devices));
  fmt::print("{:<20}{:>16}\n", "data verified", human_size(report->data_bytes));
  fmt::print("{:<20}{:>16}\n", "metadata verified", human_size(report->metadata_bytes));
  return print_verdict(report->problem_count, report->problems);
}

}  // namespace

Command make_check_command(CLI::App& program) {
  CLI::App& command =
      add_command(program, "check", "Verify every checksum and the books of free space",
                  "  chimera check store.img\n"
                  "  chimera check unix:chimera.socket\n"
                  "\nOf a running server, all that its devices hold is read and verified; the books of\n"
                  "free space can be verified only while no server has the store open.");
  auto options = std::make_shared<Options>();
  command.add_option("STORE|ADDRESS", options->target, "A store, or a running server")->type_name("")->required();
  command.add_flag("--json", options->json,
                   "Print one JSON object: devices, what was verified, problem_count, problems");
  add_store_options(command, options->store);
  return {&command, [options] { return is_address(options->target) ? check_server(*options) : check_store(*options); }};
}

}  // namespace chimera::cli
