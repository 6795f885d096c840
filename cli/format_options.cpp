#include "cli/format_options.h"

namespace chimera::cli {
namespace {

std::string wrong_with_format(const std::string& text) {
  return text == "csv" || text == "json" ? "" : "it takes csv or json, and not \"" + text + "\"";
}

std::string wrong_with_separator(const std::string& text) {
  const bool is_one = text.size() == 1 && text[0] > ' ' && text[0] <= '~' && text[0] != '"';
  return is_one || text == "tab" ? "" : "it takes one character, which is no quote, or tab, and not \"" + text + "\"";
}

std::string wrong_with_null(const std::string& text) {
  return text.find_first_of("\"\n\r") == text.npos ? "" : "what means null has no quotes and is one line";
}

}  // namespace

RowFormat RowFormatOptions::of(const std::string& file, RowFormat::Kind usual) const {
  RowFormat found{.kind = usual, .separator = separator == "tab" ? '\t' : separator[0], .null = null};
  if (!format.empty()) {
    found.kind = format == "json" ? RowFormat::Kind::json : RowFormat::Kind::csv;
  } else if (file.ends_with(".json") || file.ends_with(".jsonl") || file.ends_with(".ndjson")) {
    found.kind = RowFormat::Kind::json;
  } else if (file.ends_with(".csv")) {
    found.kind = RowFormat::Kind::csv;
  }
  return found;
}

void add_format_options(CLI::App& command, RowFormatOptions& options, const std::string& without) {
  add_option(command, "--format", "csv|json", options.format, "CSV with a header, or JSON lines; " + without)
      .check(wrong_with_format);
  add_option(command, "--separator", "CHARACTER", options.separator, "Between the cells of CSV; tab is one (default ,)")
      .check(wrong_with_separator);
  add_option(command, "--null", "TEXT", options.null,
             "The cell of CSV, without quotes, that means null (default: the empty one)")
      .check(wrong_with_null);
}

}  // namespace chimera::cli
