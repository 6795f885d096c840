#include "cli/csv_reader.h"

#include <fmt/format.h>

#include <cstring>

namespace chimera::cli {
namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

std::string shown(char c) {
  if (c == '\t') return "a tab";
  return c >= ' ' && c <= '~' ? fmt::format("\"{}\"", c)
                              : fmt::format("the byte {:02x}", static_cast<unsigned char>(c));
}

}  // namespace

std::unexpected<RecordProblem> CsvReader::problem(std::size_t at, std::string words) const {
  return std::unexpected(RecordProblem{.place = {next_line_, at - line_begin_ + 1}, .words = std::move(words)});
}

/// Takes what was given out before. Whether there is anything behind it.
std::expected<bool, std::string> CsvReader::begin_record() {
  source_.take(to_take_);
  to_take_ = 0;
  line_ = next_line_;
  const std::size_t wanted = is_first_ ? byte_order_mark.size() : 1;
  while (source_.unread().size() < wanted && !source_.has_ended()) {
    if (auto read = source_.more(); !read) return std::unexpected(read.error());
  }
  if (is_first_ && source_.unread().starts_with(byte_order_mark)) source_.take(byte_order_mark.size());
  is_first_ = false;
  return !source_.unread().empty() || !source_.has_ended();
}

std::expected<bool, RecordProblem> CsvReader::next() {
  const auto fatal = [this](std::string words) {
    return std::unexpected(RecordProblem{.place = {line_, 1}, .words = std::move(words), .is_fatal = true});
  };
  const auto begun = begin_record();
  if (!begun) return fatal(begun.error());
  for (;;) {
    // From its beginning each time that more had to be read: each time there is twice as much.
    const std::string_view text = source_.unread();
    if (text.empty() && source_.has_ended()) return false;
    count_ = at_ = line_begin_ = 0;
    next_line_ = line_;
    std::expected<Step, RecordProblem> step = Step::cell;
    while (step && *step == Step::cell) step = read_cell(text);
    if (!step) {
      if (auto skipped = skip_line(); !skipped) return fatal(skipped.error());
      return std::unexpected(step.error());
    }
    if (*step == Step::record) return true;
    if (auto read = source_.more(); !read) return fatal(read.error());
  }
}

std::expected<CsvReader::Step, RecordProblem> CsvReader::read_cell(std::string_view text) {
  if (count_ == cells_.size()) cells_.emplace_back();
  Cell& cell = cells_[count_++];
  cell.text.clear();
  cell.is_quoted = false;
  cell.place = {next_line_, at_ - line_begin_ + 1};
  if (at_ == text.size() && !source_.has_ended()) return Step::more;
  return at_ < text.size() && text[at_] == '"' ? read_quoted(text, cell) : read_plain(text, cell);
}

std::expected<CsvReader::Step, RecordProblem> CsvReader::read_quoted(std::string_view text, Cell& cell) {
  cell.is_quoted = true;
  for (++at_;;) {
    const std::size_t quote = text.find('"', at_);
    if (quote == text.npos) {
      if (!source_.has_ended()) return Step::more;
      at_ = text.size();
      return std::unexpected(
          RecordProblem{.place = cell.place, .words = "the quote that begins this cell is not closed"});
    }
    if (quote + 1 == text.size() && !source_.has_ended()) return Step::more;
    cell.text.append(text, at_, quote - at_);
    pass_over_lines(text, at_, quote);
    at_ = quote + 1;
    if (at_ == text.size() || text[at_] != '"') break;
    cell.text += '"';
    ++at_;
  }
  if (at_ + 1 == text.size() && text[at_] == '\r' && !source_.has_ended()) return Step::more;
  const bool is_end =
      at_ == text.size() || text[at_] == separator_ || text[at_] == '\n' || text.substr(at_).starts_with("\r\n");
  if (is_end) return end_cell(text);
  return problem(at_,
                 fmt::format("{} stands behind the quote that ends the cell: {} or the end of the line was expected; "
                             "a quote within a cell is doubled",
                             shown(text[at_]), shown(separator_)));
}

std::expected<CsvReader::Step, RecordProblem> CsvReader::read_plain(std::string_view text, Cell& cell) {
  const std::size_t begin = at_;
  for (; at_ < text.size(); ++at_) {
    const char c = text[at_];
    if (c == separator_ || c == '\n') break;
    if (c == '\r' && at_ + 1 < text.size() && text[at_ + 1] == '\n') break;
    if (c == '"') {
      return problem(at_,
                     "a quote stands within a cell that does not begin with one: put the cell into quotes, and "
                     "double those within it");
    }
  }
  if (at_ == text.size() && !source_.has_ended()) return Step::more;
  cell.text.assign(text, begin, at_ - begin);
  return end_cell(text);
}

/// What stands at `at_` ends a cell.
CsvReader::Step CsvReader::end_cell(std::string_view text) {
  if (at_ < text.size() && text[at_] == separator_) {
    ++at_;
    return Step::cell;
  }
  raw_ = text.substr(0, at_);
  if (at_ < text.size()) {
    at_ += text[at_] == '\r' ? 2 : 1;
    ++next_line_;
  }
  to_take_ = at_;
  return Step::record;
}

void CsvReader::pass_over_lines(std::string_view text, std::size_t from, std::size_t to) {
  for (std::size_t at = from; (at = text.find('\n', at)) < to; ++at) {
    ++next_line_;
    line_begin_ = at + 1;
  }
}

std::expected<void, std::string> CsvReader::skip_line() {
  std::size_t end = 0;
  while ((end = source_.unread().find('\n', at_)) == std::string_view::npos && !source_.has_ended()) {
    if (auto read = source_.more(); !read) return read;
  }
  const std::string_view text = source_.unread();
  const bool has_end = end != std::string_view::npos;
  if (has_end) ++next_line_;
  to_take_ = has_end ? end + 1 : text.size();
  raw_ = text.substr(0, has_end ? end : text.size());
  if (raw_.ends_with('\r')) raw_.remove_suffix(1);
  return {};
}

}  // namespace chimera::cli
