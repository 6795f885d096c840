#include "cli/check_tables.h"

#include <fmt/format.h>

#include "cli/link_session.h"
#include "tables/catalogue.h"
#include "tables/check_table.h"
#include "tables/moment.h"

namespace chimera::cli {
namespace {

constexpr std::size_t most_told = 100;

void tell(TablesReport& report, const std::string& words) {
  if (++report.problem_count <= most_told) report.problems.push_back(words);
}

void check_one(tables::Link& link, const std::string& name, TablesReport& report) {
  const auto checked = tables::check_table(link, name, [&](const std::string& problem) {
    tell(report, problem.contains(name) ? problem : fmt::format("{}: {}", name, problem));
  });
  // It has gone since it was listed.
  if (!checked && checked.error().status == Status::not_found) return;
  ++report.tables;
  if (!checked) return tell(report, fmt::format("{}: {}", name, checked.error().words));
  report.rows += checked->rows;
  report.fillings += checked->fillings;
}

}  // namespace

TablesReport check_tables(tables::Link& link) {
  TablesReport report;
  const auto all = tables::Catalogue(link).tables();
  if (!all) {
    tell(report, "The catalogue of tables: " + all.error().words);
    return report;
  }
  for (const tables::ListedTable& table : *all) check_one(link, table.name, report);
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
