#include "cli/unreadable_rows.h"

#include <fmt/format.h>

#include <vector>

#include "cli/render.h"
#include "tables/unreadable_row.h"
#include "types/json.h"

namespace chimera::cli {
namespace {

/// {"row":7,"values":{"id":7,"title":"Emma"},"damaged":{"note":"Corrupt: …"}}
std::string line_of(const tables::UnreadableRow& row) {
  const types::Relation& relation = *row.relation;
  std::vector<types::Member> members;
  for (const std::uint32_t place : row.readable) {
    const types::Column& column = relation.columns[place];
    members.push_back({.name = column.name, .type = column.type, .nullable = column.nullable});
  }
  std::string line = fmt::format("{{\"row\":{},\"values\":", row.number);
  types::append_json_row(row.values, members, line);
  line += ",\"damaged\":{";
  for (std::size_t i = 0; i < row.problems.size(); ++i) {
    if (i > 0) line += ',';
    types::append_json_string(relation.columns[row.problems[i].column].name, line);
    line += ':';
    types::append_json_string(row.problems[i].words, line);
  }
  line += '}';
  if (!row.problem.empty()) {
    line += ",\"problem\":";
    types::append_json_string(row.problem, line);
  }
  return line + '}';
}

}  // namespace

Aside::Done UnreadableRows::pass_over(tables::OnUnreadable& by) {
  if (!aside_.is_wanted()) return {};
  by = [this](const tables::UnreadableRow& row) -> tables::Result<> {
    const auto added = aside_.add(line_of(row), row.words);
    if (added) return {};
    return std::unexpected(tables::Failure{Status::no_space, added.error()});
  };
  return aside_.check();
}

std::string UnreadableRows::report() const {
  if (aside_.count() == 0) return {};
  return fmt::format("{} left out, written down in {}", counted(aside_.count(), "row"), aside_.path());
}

std::string UnreadableRows::words_of(const tables::Failure& failure) const {
  if (!tables::is_of_its_place(failure)) return failure.words;
  if (aside_.is_wanted()) return failure.words + " No row behind that can be found.";
  return failure.words +
         "\n--skip-damaged FILE goes on behind rows that cannot be read, without an index unless one is "
         "named, and writes down in FILE what is left out.";
}

Option add_skip_damaged_option(CLI::App& command, std::string& path) {
  return add_option(
      command, "--skip-damaged", "FILE", path,
      "Go on behind rows that cannot be read; this new file gets a line of JSON for each: its number, what can be read "
      "of it, and what cannot and why");
}

}  // namespace chimera::cli
