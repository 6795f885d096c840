#include "cli/check_report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "cli/commands.h"
#include "cli/render.h"
#include "cli/terminal.h"
#include "isa/limits.h"

namespace chimera::cli {

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
  fmt::print("{:<20}{:>16}\n", "damaged superblocks", grouped(report.damaged_superblocks));
  for (const auto& [name, count] : faults) fmt::print("{:<20}{:>16}\n", name, grouped(count));
  return print_verdict(report.problem_count, report.problems);
}

nlohmann::ordered_json to_json(const devices::CheckReport& report) {
  return {{"devices", report.devices},
          {"data_blocks", report.data_blocks},
          {"map_blocks", report.map_blocks},
          {"other_blocks", report.other_blocks},
          {"shared_blocks", report.shared_blocks},
          {"free_blocks", report.free_blocks},
          {"journal_records", report.journal_records},
          {"damaged_superblocks", report.damaged_superblocks},
          {"bad_checksums", report.bad_checksums},
          {"unreadable_blocks", report.unreadable_blocks},
          {"leaked_blocks", report.leaked_blocks},
          {"misbooked_blocks", report.misbooked_blocks},
          {"problem_count", report.problem_count},
          {"problems", report.problems}};
}

}  // namespace chimera::cli
