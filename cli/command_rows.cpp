// chimera table insert and export: rows from files and into them.

#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/format_options.h"
#include "cli/render.h"
#include "cli/row_printer.h"
#include "cli/scan_export.h"
#include "cli/table_commands.h"
#include "cli/table_insert.h"
#include "cli/table_session.h"
#include "cli/table_words.h"

namespace chimera::cli {
namespace {

struct Options {
  TableTarget at;
  InsertOptions insert;
  RowFormatOptions format;
  std::string file;
  std::size_t skip = 0;
  bool json = false;
};

// ── insert ───────────────────────────────────────────────────────────────────────────────────────────────────────

void report_inserted(const Options& options, const Inserted& done) {
  if (options.json) {
    const nlohmann::ordered_json json{{"table", options.at.table}, {"rows", done.rows}, {"set_aside", done.set_aside}};
    fmt::print("{}\n", to_text(json, 2));
    return;
  }
  fmt::print(
      "{}: {} inserted{}.\n", options.at.table, counted(done.rows, "row"),
      done.set_aside == 0 ? "" : fmt::format(", {} set aside in {}", grouped(done.set_aside), options.insert.aside));
}

int insert(const Options& options) {
  InsertOptions insert = options.insert;
  insert.file = options.file;
  insert.format = options.format.of(options.file, RowFormat::Kind::csv);
  insert.skip = options.skip;
  insert.first_batch_only = options.at.explain;
  return with_table(options.at, [&](tables::Table& table) -> Done {
    const auto done = insert_file(table, insert);
    if (!done) return std::unexpected(done.error());
    if (!options.at.explain) report_inserted(options, *done);
    return {};
  });
}

// ── export ───────────────────────────────────────────────────────────────────────────────────────────────────────

struct ExportOptions : ScanExport {
  RowFormatOptions format;
  std::string columns;
};

int export_table(const ExportOptions& options) {
  ScanExport all = options;
  all.scan.columns = names_in(options.columns);
  const auto begin = [&](const types::Relation& relation, std::span<const std::uint32_t> columns, std::string& front) {
    auto printer =
        std::make_shared<RowPrinter>(options.format.of(options.file, RowFormat::Kind::csv), relation, columns);
    printer->append_header(front);
    return [printer](const types::Row& row, std::string& text) { printer->append_row(row, text); };
  };
  return export_scan(all, begin, [](std::uint64_t rows) { return counted(rows, "row") + " exported"; });
}

}  // namespace

Command make_table_insert_command(CLI::App& group) {
  CLI::App& command = add_command(
      group, "insert", "Insert rows from a file of CSV or JSON lines",
      "  chimera table insert store.img shop/main/orders orders.csv\n"
      "  zcat orders.jsonl.gz | chimera table insert unix:chimera.socket shop/main/orders - --format json\n"
      "  chimera table insert store.img shop/main/orders orders.csv --set-aside wrong.csv\n"
      "\nThe header of CSV names the columns, in any order; what it lacks has its default, or is null. A cell\n"
      "without anything in it is null where the column may be; \"\" is the empty text.\n"
      "\nRows are inserted in batches of up to 32,768 rows or 4 MiB, with --upsert of up to 2,048 rows, each all at\n"
      "once or not at all. At the first row that does not fit it stops, says where it stands, and inserts nothing\n"
      "of that batch: the batches before it are in the table, how many rows that are is said, and --skip goes on\n"
      "behind them. After a crash the same is true; --upsert may simply be done again.");
  auto options = std::make_shared<Options>();
  add_table_operands(command, options->at);
  add_operand(command, "FILE", options->file, "The rows, - for standard input").required();
  add_format_options(command, options->format, "without: as the file's name ends, .json or .jsonl, else CSV");
  add_flag(command, "--upsert", options->insert.upsert, "Rows take the place of those with the same key");
  add_option(command, "--set-aside", "FILE", options->insert.aside,
             "Go on behind rows that do not fit, which are written into this new file as they are");
  add_count_option(command, "--skip", options->skip, 0, std::size_t{1} << 48, "Pass over the first N rows of the file");
  add_flag(command, "--json", options->json, "Print one JSON object: table, rows, set_aside");
  add_session_options(command, options->at);
  return {&command, [options] { return insert(*options); }};
}

Command make_table_export_command(CLI::App& group) {
  CLI::App& command = add_command(
      group, "export", "Write rows into a file of CSV or JSON lines",
      "  chimera table export store.img shop/main/orders orders.csv\n"
      "  chimera table export unix:chimera.socket shop/main/orders - --format json | gzip > orders.jsonl.gz\n"
      "\nInserted again it gives the same rows. It reads in chunks of one moment each: what others change meanwhile\n"
      "may be in it or not, unless it is told --snapshot. To standard output the report goes to standard error.\n"
      "\nAt a row that cannot be read, since the store is damaged, it ends, says which row and column that is and\n"
      "how many rows are in FILE.partial; --skip-damaged goes on behind such rows.");
  auto options = std::make_shared<ExportOptions>();
  options->at.store.read_only = true;
  add_table_operands(command, options->at);
  add_operand(command, "FILE", options->file, "Where to, - for standard output").required();
  add_format_options(command, options->format, "without: as the file's name ends, .json or .jsonl, else CSV");
  add_option(command, "--where", "CONDITION", options->scan.where, "Only rows for which this is true");
  add_option(command, "--columns", "NAMES", options->columns, "These alone, in this order, with commas between");
  add_snapshot_option(command, options->scan);
  add_export_options(command, *options);
  add_session_options(command, options->at);
  return {&command, [options] { return export_table(*options); }};
}

}  // namespace chimera::cli
