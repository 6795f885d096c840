#include "cli/check_tables.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/link_session.h"
#include "isa/answer.h"
#include "isa/builder.h"
#include "tables/all_devices.h"
#include "tables/answers.h"
#include "tables/catalogue.h"
#include "tables/check_table.h"
#include "tables/moment.h"
#include "tables/names.h"
#include "tables/script.h"

namespace chimera::cli {
namespace {

constexpr std::size_t most_told = 100;
constexpr std::string_view list_name = "chimera/catalogue/tables";

/// A problem of the table of this name, or of the catalogue, where that is one of its own.
void tell(TablesReport& report, std::string_view name, const std::string& words) {
  if (tables::is_catalogues_own(name)) ++report.catalogue_problems;
  if (++report.problem_count <= most_told) report.problems.push_back(words);
}

void tell_no_header(TablesReport& report, std::string_view name) {
  tell(report, name, fmt::format("{}: the device of its header is not there.", name));
}

/// Whether the catalogue still lists the same table, which nobody has dropped or made anew since.
bool is_listed_still(tables::Link& link, const tables::ListedTable& table) {
  const auto all = tables::Catalogue(link).tables(table.name.substr(0, table.name.rfind('/')));
  return !all || std::ranges::any_of(*all, [&](const tables::ListedTable& of) {
    return of.name == table.name && of.created == table.created;
  });
}

void check_one(tables::Link& link, const tables::ListedTable& table, TablesReport& report) {
  const std::string& name = table.name;
  const auto checked = tables::check_table(link, name, [&](const std::string& problem) {
    tell(report, name, problem.contains(name) ? problem : fmt::format("{}: {}", name, problem));
  });
  const bool is_gone = !checked && checked.error().status == Status::not_found;
  if (is_gone && !is_listed_still(link, table)) return;
  ++report.tables;
  if (is_gone) return tell_no_header(report, name);
  if (!checked) return tell(report, name, fmt::format("{}: {}", name, checked.error().words));
  report.rows += checked->rows;
  report.fillings += checked->fillings;
}

/// Whether nothing is listed since the list, which lists itself, has no header any more.
bool has_lost_list(tables::Link& link) {
  tables::Script script;
  tables::Answers answers;
  script.add(Program().list_devices(list_name, {}, 1));
  if (!link.run(script, answers)) return false;
  const auto found = devices_of(answers[0]);
  return !found.empty() && found[0].name.starts_with(std::string(list_name) + "/");
}

/// Devices in which somebody was putting a column or a blob of a table that is not listed any more.
std::uint64_t devices_of_no_table(tables::Link& link, const std::vector<tables::ListedTable>& all) {
  std::uint64_t count = 0;
  const auto look = [&](std::string_view name) {
    const std::string_view table = name.substr(0, std::min(name.find(":filling/"), name.find(":stage/")));
    if (table == name || !tables::parse_table_name(table)) return;
    if (std::ranges::find(all, table, &tables::ListedTable::name) == all.end()) ++count;
  };
  // Nothing more is counted where they cannot be listed.
  static_cast<void>(tables::for_each_device(link, false, {}, look));
  return count;
}

}  // namespace

TablesReport check_tables(tables::Link& link) {
  TablesReport report;
  const auto all = tables::Catalogue(link).tables();
  if (!all) {
    tell(report, list_name, "The catalogue of tables: " + all.error().words);
    return report;
  }
  if (all->empty() && has_lost_list(link)) tell_no_header(report, list_name);
  for (const tables::ListedTable& table : *all) check_one(link, table, report);
  report.strays = devices_of_no_table(link, *all);
  if (const auto moments = tables::list_moments(link)) report.moments = moments->size();
  return report;
}

TablesReport check_tables_of(const std::string& target, const StoreOptions& options, bool is_damaged) {
  TablesReport report;
  StoreOptions read_only = options;
  read_only.read_only = true;
  auto session = LinkSession::open(target, read_only);
  if (session) {
    report = check_tables(session->link());
    static_cast<void>(session->close());  // nothing was written
  } else if (!is_damaged) {
    report.problem_count = 1;
    report.problems.push_back("The tables: " + session.error());
  }
  return report;
}

}  // namespace chimera::cli
