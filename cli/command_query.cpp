// chimera table get, scan, count and aggregate: what is in a table.

#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <numeric>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/render.h"
#include "cli/row_printer.h"
#include "cli/table_commands.h"
#include "cli/table_session.h"
#include "cli/table_words.h"
#include "cli/unreadable_rows.h"
#include "tables/scan.h"
#include "types/json.h"
#include "types/text.h"

namespace chimera::cli {
namespace {

struct Options {
  TableTarget at;
  tables::ScanOptions scan;
  std::vector<std::string> key;
  std::string columns, from, to, column, skip_damaged;
  std::size_t limit = std::numeric_limits<std::size_t>::max();
  bool json = false;
};

// ── get ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/// A line for each column, its name and its value. What is a text is shown as JSON, so a line is a line.
std::string lines_of(const types::Relation& relation, const types::Row& row) {
  std::size_t width = 0;
  for (const types::Column& column : relation.columns) width = std::max(width, column.name.size());
  std::string text;
  for (std::size_t i = 0; i < row.size(); ++i) {
    text += fmt::format("{:<{}}  ", relation.columns[i].name, width);
    types::append_json(row[i], relation.columns[i].type, text);
    text += '\n';
  }
  return text;
}

int get(const Options& options) {
  return with_table(options.at, [&](tables::Table& table) -> Done {
    auto key = key_of(table, options.key);
    if (!key) return std::unexpected(key.error());
    const auto row = table.get(std::move(*key));
    if (!row) return words_of(row);
    if (options.at.explain) return {};
    if (!*row) return std::unexpected(fmt::format("{} has no row of that key.", table.name()));
    const types::Relation& relation = table.relation();
    if (!options.json) {
      fmt::print("{}", lines_of(relation, **row));
      return {};
    }
    std::string text;
    types::append_json_row(**row, relation.row_type().members, text);
    fmt::print("{}\n", text);
    return {};
  });
}

// ── scan ─────────────────────────────────────────────────────────────────────────────────────────────────────────

Done print_rows(tables::Table& table, const Options& options, const tables::ScanOptions& wanted,
                const UnreadableRows& unreadable) {
  auto scan = table.scan(wanted);
  if (!scan) return words_of(scan);
  const types::Relation relation = table.relation();
  const RowFormat format{.kind = options.json ? RowFormat::Kind::json : RowFormat::Kind::csv};
  RowPrinter printer(format, relation, scan->columns());
  std::string text;
  printer.append_header(text);
  for (std::vector<types::Row> rows;;) {
    if (!options.at.explain) std::fwrite(text.data(), 1, text.size(), stdout);
    if (output_is_closed()) return {};
    const auto some = scan->next(rows);
    if (!some) return std::unexpected(unreadable.words_of(some.error()));
    if (!*some) return {};
    text.clear();
    for (const types::Row& row : rows) printer.append_row(row, text);
  }
}

int scan(const Options& options) {
  return with_table(options.at.to_scan(options.scan), [&](tables::Table& table) -> Done {
    tables::ScanOptions wanted = options.scan;
    const auto where = condition_of_range(table.relation(), wanted.along, options.from, options.to, wanted.where);
    if (!where) return std::unexpected(where.error());
    wanted.where = *where;
    wanted.columns = names_in(options.columns);
    wanted.limit = options.limit;
    UnreadableRows unreadable(options.skip_damaged);
    if (auto fresh = unreadable.pass_over(wanted.unreadable); !fresh) return fresh;
    Done done = print_rows(table, options, wanted, unreadable);
    if (auto closed = unreadable.close(); done) done = std::move(closed);
    const std::string report = unreadable.report();
    if (done && !report.empty()) fmt::print(stderr, "{}: {}.\n", options.at.table, report);
    return done;
  });
}

// ── count, aggregate ─────────────────────────────────────────────────────────────────────────────────────────────

int count(const Options& options) {
  return with_table(options.at, [&](tables::Table& table) -> Done {
    std::uint64_t rows = 0;
    if (options.scan.where.empty()) {
      const auto all = table.count();
      if (!all) return words_of(all);
      rows = *all;
    } else {
      const auto found = table.aggregate({}, options.scan.where);
      if (!found) return words_of(found);
      rows = found->rows;
    }
    if (options.at.explain) return {};
    if (options.json) {
      fmt::print("{{\"rows\": {}}}\n", rows);
    } else {
      fmt::print("{}\n", rows);
    }
    return {};
  });
}

int aggregate(const Options& options) {
  return with_table(options.at, [&](tables::Table& table) -> Done {
    const auto found = table.aggregate(options.column, options.scan.where);
    if (!found) return words_of(found);
    if (options.at.explain) return {};
    const auto place = table.relation().find(options.column);
    const types::Type type = place ? table.relation().columns[*place].type : types::Type();
    const types::Type sum_type = types::Type::of(found->sum.kind());
    const std::string sum = found->sum.is_null() ? "null" : types::to_json(found->sum, sum_type);
    const std::string least = types::to_json(found->least, type), greatest = types::to_json(found->greatest, type);
    if (options.json) {
      fmt::print("{{\"rows\": {}, \"values\": {}, \"sum\": {}, \"least\": {}, \"greatest\": {}}}\n", found->rows,
                 found->values, sum, least, greatest);
      return {};
    }
    fmt::print("{:<10}{}\n{:<10}{}\n", "rows", found->rows, "values", found->values);
    // A type without a sum, or without an order that is looked at, has no line for it.
    const bool is_empty = found->values == 0;
    if (is_empty || !found->sum.is_null()) fmt::print("{:<10}{}\n", "sum", sum);
    if (is_empty || !found->least.is_null()) fmt::print("{:<10}{}\n{:<10}{}\n", "least", least, "greatest", greatest);
    return {};
  });
}

void add_where(CLI::App& command, Options& options) {
  add_option(command, "--where", "CONDITION", options.scan.where, "Only rows for which this is true");
}

std::shared_ptr<Options> reading_options(CLI::App& command) {
  auto options = std::make_shared<Options>();
  options->at.store.read_only = true;
  add_table_operands(command, options->at);
  return options;
}

}  // namespace

Command make_table_get_command(CLI::App& group) {
  CLI::App& command = add_command(group, "get", "Print the row with a primary key",
                                  "  chimera table get store.img shop/main/orders 17\n"
                                  "  chimera table get unix:chimera.socket shop/main/lines 17 3 --json\n"
                                  "  chimera table get store.img lab/main/levels -- -5\n"
                                  "\nThe key's columns are given in their order, a word each, as they stand in CSV.");
  auto options = reading_options(command);
  add_operand(command, "KEY", options->key, "The key's values").required();
  add_flag(command, "--json", options->json, "Print one JSON object: the columns");
  add_session_options(command, options->at);
  return {&command, [options] { return get(*options); }};
}

Command make_table_scan_command(CLI::App& group) {
  CLI::App& command = add_command(
      group, "scan", "Print rows: as CSV, or JSON lines",
      "  chimera table scan store.img shop/main/orders --where \"price > 100 and not paid\" --columns id,price\n"
      "  chimera table scan unix:chimera.socket shop/main/orders --index day --from 2024-05-01 --limit 10\n"
      "  chimera table scan store.img shop/main/orders --index key --reverse --limit 1 --json\n"
      "\nConditions compare columns with values (=, <>, <, <=, >, >=, between, in, like 'ab%', is null), with and,\n"
      "or, not and parentheses. Without --index the shortest way is taken, and the order is nobody's.");
  auto options = reading_options(command);
  add_where(command, *options);
  add_option(command, "--columns", "NAMES", options->columns, "These alone, in this order, with commas between");
  add_option(command, "--index", "NAME", options->scan.along,
             "In the order of this index, or of the primary key (key), or of the rows as they lie (rows)");
  add_option(command, "--from", "VALUE", options->from,
             "No rows before this value of the first column of the index, or of the primary key, nor nulls");
  add_option(command, "--to", "VALUE", options->to,
             "No rows behind this value, nor nulls, which are before all values");
  add_flag(command, "--reverse", options->scan.backwards, "The other way round");
  add_count_option(command, "--limit", options->limit, 0, std::size_t{1} << 48, "At most N rows");
  add_snapshot_option(command, options->scan);
  add_skip_damaged_option(command, options->skip_damaged);
  add_flag(command, "--json", options->json, "Print JSON, an object a line");
  add_session_options(command, options->at);
  return {&command, [options] { return scan(*options); }};
}

Command make_table_count_command(CLI::App& group) {
  CLI::App& command = add_command(group, "count", "Print how many rows there are",
                                  "  chimera table count store.img shop/main/orders --where \"price > 100\"\n");
  auto options = reading_options(command);
  add_where(command, *options);
  add_flag(command, "--json", options->json, "Print one JSON object: rows");
  add_session_options(command, options->at);
  return {&command, [options] { return count(*options); }};
}

Command make_table_aggregate_command(CLI::App& group) {
  CLI::App& command = add_command(group, "aggregate", "Print sum, least and greatest value of a column",
                                  "  chimera table aggregate store.img shop/main/orders price --where \"day >= "
                                  "'2024-05-01'\"\n"
                                  "\nOf the values that are not null, in the rows for which the condition is true.");
  auto options = reading_options(command);
  add_operand(command, "COLUMN", options->column, "The column").required();
  add_where(command, *options);
  add_flag(command, "--json", options->json, "Print one JSON object: rows, values, sum, least, greatest");
  add_session_options(command, options->at);
  return {&command, [options] { return aggregate(*options); }};
}

}  // namespace chimera::cli
