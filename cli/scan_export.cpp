#include "cli/scan_export.h"

#include <fmt/format.h>

#include <vector>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/render.h"
#include "cli/text_target.h"
#include "cli/unreadable_rows.h"
#include "tables/scan.h"
#include "tables/unreadable_row.h"

namespace chimera::cli {
namespace {

struct Exported {
  std::uint64_t rows = 0;
  Done done;
  bool is_cut_short = false;  ///< at a row that cannot be read
};

Exported export_rows(tables::Table& table, const ScanExport& options, const BeginText& begin,
                     UnreadableRows& unreadable, TextTarget& to) {
  Exported result;
  tables::ScanOptions wanted = options.scan;
  if (result.done = unreadable.pass_over(wanted.unreadable); !result.done) return result;
  auto scan = table.scan(wanted);
  if (!scan) return {.rows = 0, .done = words_of(scan)};
  const types::Relation relation = table.relation();
  const std::vector<std::uint32_t> columns = scan->columns();
  std::string text;
  const RowText append = begin(relation, columns, text);
  std::vector<types::Row> rows;
  for (;;) {
    const auto written = to.append(text);
    if (!written) result.done = std::unexpected(written.error());
    if (!written || !*written) return result;
    const auto some = scan->next(rows);
    if (!some) {
      result.done = std::unexpected(unreadable.words_of(some.error()));
      result.is_cut_short = tables::is_of_its_place(some.error());
    }
    if (!some || !*some) return result;
    text.clear();
    for (const types::Row& row : rows) append(row, text);
    result.rows += rows.size();
  }
}

/// What was exported before a row that cannot be read stays.
Done leave_rows(const Exported& exported, TextTarget& target) {
  const auto left = target.leave();
  if (!left) return std::unexpected(left.error());
  return std::unexpected(fmt::format("{}\n{} exported{}{}, and nothing of what follows.", exported.done.error(),
                                     rows_are(exported.rows), left->empty() ? "" : " to ", *left));
}

}  // namespace

int export_scan(const ScanExport& options, const BeginText& begin,
                const std::function<std::string(std::uint64_t)>& report) {
  if (options.skip_damaged == options.file) {
    return fail(options.file + " cannot hold both the rows and what is left out of them.");
  }
  return with_table(options.at.to_scan(options.scan), [&](tables::Table& table) -> Done {
    auto target = TextTarget::open(options.file, options.force, options.at.explain);
    if (!target) return std::unexpected(target.error());
    UnreadableRows unreadable(options.skip_damaged);
    Exported exported = export_rows(table, options, begin, unreadable, *target);
    const Done closed = unreadable.close();
    if (exported.is_cut_short && !options.at.explain) return leave_rows(exported, *target);
    Done done = exported.done ? closed : exported.done;
    if (done) done = target->keep();
    if (!done) target->discard();
    if (!done || output_is_closed() || options.at.explain) return done;
    const std::string left_out = unreadable.report();
    fmt::print(target->report(), "{}: {}{}{}.\n", options.at.table, report(exported.rows), left_out.empty() ? "" : ", ",
               left_out);
    return {};
  });
}

void add_export_options(CLI::App& command, ScanExport& options) {
  add_skip_damaged_option(command, options.skip_damaged);
  add_flag(command, "--force", options.force, "Overwrite a file that exists");
}

}  // namespace chimera::cli
