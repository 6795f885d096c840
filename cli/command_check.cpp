// chimera check: is everything there, and as it was written?

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/check_report.h"
#include "cli/check_tables.h"
#include "cli/commands.h"
#include "cli/embedded_endpoint.h"
#include "cli/endpoint.h"
#include "cli/progress.h"
#include "cli/remote_check.h"
#include "cli/render.h"
#include "cli/salvage.h"
#include "cli/terminal.h"
#include "devices/open.h"
#include "isa/limits.h"

namespace chimera::cli {
namespace {

using Json = nlohmann::ordered_json;

struct CheckOptions {
  std::string target;
  StoreOptions store{.read_only = true};
  bool json = false;
  bool salvage = false;
  bool dry_run = false;
};

/// What the journal holds is verified as it lies there; the walk is over the state that it would be replayed on.
std::expected<devices::CheckReport, std::string> check_as_it_lies(const CheckOptions& options) {
  StoreOptions as_it_lies = options.store;
  as_it_lies.without_journal = true;
  auto opened = open_machine(options.target, as_it_lies);
  if (!opened) return std::unexpected(opened.error());
  ProgressBar bar("check", 0, limits::block_size);
  return devices::check(*opened->loop, opened->machine->store(), [&bar](std::uint64_t done, std::uint64_t all) {
    bar.set_all(all);
    bar.show(done);
  });
}

int check_store(const CheckOptions& options) {
  if (options.target == memory_store) return fail(":memory: holds nothing that could be checked.");
  if (options.salvage) return salvage_store(options.target, options.store, {options.json, options.dry_run});
  const auto report = check_as_it_lies(options);
  if (!report) return fail(report.error());
  const TablesReport tables = check_tables_of(options.target, options.store, report->problem_count > 0);
  if (!options.json) return print_store_report(*report, tables);
  Json json = to_json(*report);
  add_tables(json, tables);
  fmt::print("{}\n", to_text(json, 2));
  return report->problem_count + tables.problem_count == 0 ? exit_done : exit_failed;
}

int check_server(const CheckOptions& options) {
  if (options.salvage) return fail("Only a store that no server has open can be salvaged: name its file.");
  const auto endpoint = open_endpoint(options.target, options.store);
  if (!endpoint) return fail(endpoint.error());
  const auto report = check_through(**endpoint);
  if (!report) return fail(report.error());
  static_cast<void>((*endpoint)->close());  // all answers have come
  const TablesReport tables = check_tables_of(options.target, options.store, report->problem_count > 0);
  const std::uint64_t problem_count = report->problem_count + tables.problem_count;
  if (options.json) {
    Json json{{"devices", report->devices},
              {"data_bytes", report->data_bytes},
              {"metadata_bytes", report->metadata_bytes},
              {"problem_count", report->problem_count},
              {"problems", report->problems}};
    add_tables(json, tables);
    fmt::print("{}\n", to_text(json, 2));
    return problem_count == 0 ? exit_done : exit_failed;
  }
  fmt::print("{:<20}{:>16}\n", "devices", grouped(report->devices));
  fmt::print("{:<20}{:>16}\n", "data verified", human_size(report->data_bytes));
  fmt::print("{:<20}{:>16}\n", "metadata verified", human_size(report->metadata_bytes));
  print_tables(tables);
  return print_verdict(problem_count, all_problems(report->problems, tables), advice_for(tables));
}

}  // namespace

Command make_check_command(CLI::App& program) {
  CLI::App& command =
      add_command(program, "check", "Verify every checksum, the books of free space, and tables",
                  "  chimera check store.img\n"
                  "  chimera check unix:chimera.socket\n"
                  "  chimera check store.img --salvage --dry-run\n"
                  "\nOf a running server, all that its devices hold is read and verified; the books of\n"
                  "free space can be verified only while no server has the store open. Of tables, rows, indexes\n"
                  "and heaps are compared, with what the journal holds.\n"
                  "\n--salvage makes a store of what is left of a damaged one: it lists what is lost, cuts the\n"
                  "journal off at its damage, puts holes where blocks cannot be had, and makes the books anew.\n"
                  "What is lost is lost for good then: keep a copy of the store as it is, and look with\n"
                  "--dry-run first.");
  auto options = std::make_shared<CheckOptions>();
  add_operand(command, "STORE|ADDRESS", options->target, "A store, or a running server").required();
  add_flag(command, "--json", options->json,
           "Print one JSON object: devices, what was verified, problem_count, problems");
  const Option salvage =
      add_flag(command, "--salvage", options->salvage, "Make a store of what is left; lists what is lost");
  add_flag(command, "--dry-run", options->dry_run, "Only list what would be lost").needs(salvage);
  add_store_options(command, options->store);
  return {&command, [options] { return is_address(options->target) ? check_server(*options) : check_store(*options); }};
}

}  // namespace chimera::cli
