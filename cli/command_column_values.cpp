// chimera table column get and put: all values of a column, as lines of JSON or as CSV.

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>

#include "cli/commands.h"
#include "cli/format_options.h"
#include "cli/image_file.h"
#include "cli/render.h"
#include "cli/row_printer.h"
#include "cli/row_source.h"
#include "cli/scan_export.h"
#include "cli/table_commands.h"
#include "cli/table_session.h"
#include "cli/text_source.h"
#include "types/check.h"
#include "types/json.h"

namespace chimera::cli {
namespace {

struct Options {
  TableTarget at;
  RowFormatOptions format;
  std::string column, file;

  [[nodiscard]] RowFormat row_format() const { return format.of(file, RowFormat::Kind::json); }
};

std::expected<const types::Column*, std::string> column_of(const types::Relation& relation, const Options& options) {
  const auto place = relation.find(options.column);
  if (place) return &relation.columns[*place];
  return std::unexpected(fmt::format("{} has no column {}.", options.at.table, options.column));
}

// ── get ──────────────────────────────────────────────────────────────────────────────────────────────────────────

struct GetOptions : ScanExport {
  RowFormatOptions format;
  std::string column;
};

int get(const GetOptions& options) {
  ScanExport all = options;
  all.scan.columns = {options.column};
  all.scan.along = "rows";
  const RowFormat format = options.format.of(options.file, RowFormat::Kind::json);
  const auto begin = [&](const types::Relation& relation, std::span<const std::uint32_t> columns,
                         std::string& front) -> RowText {
    // A value alone is JSON too, and shorter than an object with one field.
    if (format.kind == RowFormat::Kind::json) {
      const types::Type& type = relation.columns[columns[0]].type;
      return [&type](const types::Row& row, std::string& text) { text += types::to_json(row[0], type) + '\n'; };
    }
    auto printer = std::make_shared<RowPrinter>(format, relation, columns);
    printer->append_header(front);
    return [printer](const types::Row& row, std::string& text) { printer->append_row(row, text); };
  };
  return export_scan(all, begin, [&](std::uint64_t values) {
    return fmt::format("{} of column {}", counted(values, "value"), options.column);
  });
}

// ── put ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/// A value a line.
class ValueLines {
 public:
  ValueLines(const std::string& path, const types::Column& column) : path_(path), column_(column), file_(path) {}

  [[nodiscard]] bool is_open() const { return file_.is_open(); }
  /// False at the end.
  std::expected<bool, std::string> next(types::Value& value) {
    if (!std::getline(file_, text_)) {
      if (file_.eof()) return false;
      return std::unexpected(fmt::format("{} cannot be read.", path_));
    }
    ++line_;
    auto parsed = types::from_json(text_, column_.type, column_.nullable);
    if (!parsed) return wrong(parsed.error(), std::max<std::size_t>(parsed.error().offset + 1, 1));
    value = std::move(*parsed);
    if (const auto problem = types::conform(value, column_.type, column_.nullable)) return wrong(*problem);
    return true;
  }

 private:
  std::unexpected<std::string> wrong(const types::Error& error, std::size_t at = 1) const {
    return std::unexpected(
        fmt::format("{}:{}:{}: column {}: {}\nNothing is changed.", path_, line_, at, column_.name, error.text()));
  }

  std::string path_;
  const types::Column& column_;
  std::ifstream file_;
  std::string text_;
  std::uint64_t line_ = 0;
};

/// CSV of one column, with its name in the first line.
class ValueCells {
 public:
  static std::expected<std::shared_ptr<ValueCells>, std::string> open(const std::string& path, const RowFormat& format,
                                                                      const types::Column& column) {
    auto source = TextSource::open(path);
    if (!source) return std::unexpected(source.error());
    auto cells = std::make_shared<ValueCells>(std::move(*source), column);
    auto rows = read_rows(cells->source_, format, cells->relation_);
    if (!rows) return std::unexpected(rows.error());
    cells->rows_ = std::move(*rows);
    return cells;
  }
  ValueCells(TextSource source, const types::Column& column) : source_(std::move(source)) {
    relation_.columns.push_back(column);
    relation_.columns[0].default_value.reset();
  }

  std::expected<bool, std::string> next(types::Value& value) {
    types::Row row;
    const auto some = rows_->next(row);
    if (!some) return std::unexpected(text_of(some.error(), source_.name()) + "\nNothing is changed.");
    if (!*some) return false;
    value = std::move(row[0]);
    const types::Column& column = relation_.columns[0];
    const auto problem = types::conform(value, column.type, column.nullable);
    if (!problem) return true;
    return std::unexpected(fmt::format("{}:{}:1: column {}: {}\nNothing is changed.", source_.name(), rows_->line(),
                                       column.name, problem->text()));
  }

 private:
  TextSource source_;
  types::Relation relation_;
  std::unique_ptr<RowSource> rows_;
};

using NextValue = std::function<std::expected<bool, std::string>(types::Value&)>;

std::expected<NextValue, std::string> open_values(const Options& options, const types::Column& column) {
  std::error_code missing;
  const auto kind = std::filesystem::status(options.file, missing).type();
  if (options.file == standard_stream || kind == std::filesystem::file_type::fifo ||
      kind == std::filesystem::file_type::character || kind == std::filesystem::file_type::socket) {
    return std::unexpected(fmt::format(
        "{} cannot be taken: all values are looked at before the first is put, so they are read twice, from a "
        "file and not from a pipe.",
        options.file));
  }
  const auto lines = std::make_shared<ValueLines>(options.file, column);
  if (!lines->is_open()) return std::unexpected(fmt::format("{} cannot be opened.", options.file));
  if (options.row_format().kind == RowFormat::Kind::json) {
    return [lines](types::Value& value) { return lines->next(value); };
  }
  const auto cells = ValueCells::open(options.file, options.row_format(), column);
  if (!cells) return std::unexpected(cells.error());
  return [cells = *cells](types::Value& value) { return cells->next(value); };
}

/// How many there are, all of which fit.
std::expected<std::uint64_t, std::string> count_values(const NextValue& next) {
  types::Value value;
  for (std::uint64_t count = 0;; ++count) {
    const auto some = next(value);
    if (!some) return std::unexpected(some.error());
    if (!*some) return count;
  }
}

int put(const Options& options) {
  return with_table(options.at, [&](tables::Table& table) -> Done {
    const types::Relation relation = table.relation();
    const auto column = column_of(relation, options);
    if (!column) return std::unexpected(column.error());
    const auto looked_at = open_values(options, **column);
    if (!looked_at) return std::unexpected(looked_at.error());
    const auto count = count_values(*looked_at);
    if (!count) return std::unexpected(count.error());
    const auto values = open_values(options, **column);
    if (!values) return std::unexpected(values.error());
    const auto done = table.put_column(options.column, *count, [&]() -> tables::Result<types::Value> {
      types::Value value;
      const auto some = (*values)(value);
      if (some && *some) return value;
      return std::unexpected(tables::Failure{
          Status::bad_text, fmt::format("{} is no longer what it was when it was looked through.", options.file)});
    });
    if (!done) return words_of(done);
    if (!options.at.explain) {
      fmt::print("{}: {} of column {} put.\n", options.at.table, counted(*count, "value"), options.column);
    }
    return {};
  });
}

constexpr const char* column_format = "without: as the file's name ends, .csv, else JSON, a value a line";

}  // namespace

Command make_column_get_command(CLI::App& group) {
  CLI::App& command =
      add_command(group, "get", "Write all values of a column, a line of JSON each, or as CSV",
                  "  chimera table column get store.img shop/main/orders price prices.jsonl\n"
                  "  chimera table column get store.img shop/main/orders price prices.csv\n"
                  "\nIn the order of the rows, which `put` takes them in too, one for each row.\n"
                  "\nAt a value that cannot be read, since the store is damaged, it ends, says which row\n"
                  "that is and how many values are in FILE.partial; --skip-damaged goes on behind it.");
  auto options = std::make_shared<GetOptions>();
  options->at.store.read_only = true;
  add_table_operands(command, options->at);
  add_operand(command, "COLUMN", options->column, "The column's name").required();
  add_operand(command, "FILE", options->file, "Where to, - for standard output (default)");
  add_format_options(command, options->format, column_format);
  add_export_options(command, *options);
  add_session_options(command, options->at);
  return {&command, [options] { return get(*options); }};
}

Command make_column_put_command(CLI::App& group) {
  CLI::App& command = add_command(
      group, "put", "Give every row another value of a column, from a file of JSON lines or CSV",
      "  chimera table column put store.img shop/main/orders price prices.jsonl\n"
      "\nIn the order of the rows, as `get` writes them. All values are looked at before the first is put: they\n"
      "have to fit, and to be as many as there are rows. They are put in pieces of up to 8,192 rows, while others\n"
      "read; if it is interrupted the rows at the front have their new values, and it can be done again. A\n"
      "column of the key or of a unique index is not put as a whole.");
  auto options = std::make_shared<Options>();
  add_table_operands(command, options->at);
  add_operand(command, "COLUMN", options->column, "The column's name").required();
  add_operand(command, "FILE", options->file, "The values: a file, which is read twice, and no pipe").required();
  add_format_options(command, options->format, column_format);
  add_session_options(command, options->at);
  return {&command, [options] { return put(*options); }};
}

}  // namespace chimera::cli
