#include "cli/check_report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "cli/commands.h"
#include "cli/render.h"
#include "cli/terminal.h"
#include "isa/limits.h"

namespace chimera::cli {

std::string advice_for(const TablesReport& tables) {
  std::string advice;
  if (tables.catalogue_problems > 0) {
    advice += "The catalogue is made anew by `chimera table relist`; tables need none to be read and changed.\n";
  }
  if (tables.problem_count > tables.catalogue_problems) {
    advice +=
        "Of a table that is not whole, first copy what can be read: `chimera table export --skip-damaged FILE`\n"
        "uses no index, goes on behind rows that cannot be read, and writes down in FILE what is left of these.\n"
        "`chimera table scan --columns` leaves out a column. An index but the primary key is\n"
        "made anew by `chimera table index drop` and `chimera table index add`. For all else: `chimera table drop`,\n"
        "`create`, and `insert` what was exported.\n";
  }
  return advice;
}

int print_verdict(std::uint64_t problem_count, const std::vector<std::string>& problems, const std::string& advice,
                  const std::string& all_well) {
  for (const std::string& problem : problems) fmt::print("{}\n", problem);
  if (problem_count > problems.size()) fmt::print("… and {} more\n", grouped(problem_count - problems.size()));
  fmt::print("{}", advice);
  fmt::print("{}\n", problem_count == 0 ? all_well
                                        : fmt::format("{} problem{} found.", grouped(problem_count),
                                                      problem_count == 1 ? " was" : "s were"));
  return problem_count == 0 ? exit_done : exit_failed;
}

std::vector<std::string> all_problems(std::vector<std::string> problems, const TablesReport& tables) {
  problems.insert(problems.end(), tables.problems.begin(), tables.problems.end());
  return problems;
}

void print_tables(const TablesReport& tables) {
  const auto figure = [](const char* name, std::uint64_t count) { fmt::print("{:<20}{:>16}\n", name, grouped(count)); };
  if (tables.tables > 0) {
    figure("tables", tables.tables);
    figure("rows", tables.rows);
  }
  if (tables.fillings > 0) figure("unfinished columns", tables.fillings);
  if (tables.strays > 0) {
    figure("devices of no table", tables.strays);
    fmt::print("  NAME:filling/… and NAME:stage/… were to be parts of tables that have gone: `chimera delete`.\n");
  }
  if (tables.moments > 0) {
    figure("clones of scans", tables.moments);
    fmt::print("  The next scan or export with --snapshot, of any table, deletes those that an ended one has left.\n");
  }
}

int print_store_report(const devices::CheckReport& report, const TablesReport& tables) {
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
  if (report.journal_records > 0) {
    fmt::print("  They are run when the store is opened; what is counted is without what they do.\n");
  }
  fmt::print("{:<20}{:>16}\n", "damaged superblocks", grouped(report.damaged_superblocks));
  for (const auto& [name, count] : faults) fmt::print("{:<20}{:>16}\n", name, grouped(count));
  print_tables(tables);
  return print_verdict(report.problem_count + tables.problem_count, all_problems(report.problems, tables),
                       advice_for(tables));
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

void add_tables(nlohmann::ordered_json& report, const TablesReport& tables) {
  report["tables"] = tables.tables;
  report["rows"] = tables.rows;
  report["unfinished_columns"] = tables.fillings;
  report["devices_of_no_table"] = tables.strays;
  report["scan_clones"] = tables.moments;
  report["problem_count"] = report["problem_count"].get<std::uint64_t>() + tables.problem_count;
  for (const std::string& problem : tables.problems) report["problems"].push_back(problem);
}

}  // namespace chimera::cli
