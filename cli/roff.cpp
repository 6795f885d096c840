#include "cli/roff.h"

#include <fmt/format.h>

#include <cstdint>
#include <vector>

namespace chimera::cli {
namespace {

using Cells = std::vector<std::string>;

/// The code point that begins at `at`, whose bytes are passed over. The text is our own, so it is UTF-8.
std::uint32_t next_code_point(std::string_view text, std::size_t& at) {
  const auto first = static_cast<std::uint8_t>(text[at++]);
  const int more = first < 0x80 ? 0 : first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
  std::uint32_t point = more == 0 ? first : first & (0x3Fu >> more);
  for (int i = 0; i < more && at < text.size(); ++i)
    point = point << 6 | (static_cast<std::uint8_t>(text[at++]) & 0x3Fu);
  return point;
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

/// What stands up to `mark`, which is passed over too; nothing if there is no second mark.
bool take_marked(std::string_view& rest, std::string_view mark, std::string_view& marked) {
  if (!rest.starts_with(mark)) return false;
  const std::size_t end = rest.find(mark, mark.size());
  if (end == std::string_view::npos || end == mark.size()) return false;
  marked = rest.substr(mark.size(), end - mark.size());
  rest.remove_prefix(end + mark.size());
  return true;
}

/// Code is taken as it is, but for \| which a table needs for |.
std::string code_text(std::string_view code) {
  std::string text;
  for (std::size_t i = 0; i < code.size(); ++i) {
    if (code[i] == '\\' && i + 1 < code.size() && code[i + 1] == '|') continue;
    text += code[i];
  }
  return text;
}

std::string inline_text(std::string_view rest) {
  std::string text, plain;
  const auto flush = [&] {
    text += roff_text(plain);
    plain.clear();
  };
  while (!rest.empty()) {
    std::string_view marked;
    if (take_marked(rest, "`", marked)) {
      flush();
      text += roff_bold(code_text(marked));
    } else if (take_marked(rest, "**", marked)) {
      flush();
      text += roff_bold(code_text(marked));
    } else if (!rest.starts_with("* ") && take_marked(rest, "*", marked)) {
      flush();
      text += roff_italic(marked);
    } else {
      if (rest.starts_with("\\|")) rest.remove_prefix(1);
      plain += rest.front();
      rest.remove_prefix(1);
    }
  }
  flush();
  return text;
}

/// A cell that is explained: as it is marked, strong if it is not.
std::string term_text(std::string_view term) {
  return term.contains('`') ? inline_text(term) : roff_bold(code_text(term));
}

/// Cells are parted by | unless there is a backslash in front of it.
Cells cells_of(std::string_view line) {
  Cells cells;
  std::string cell;
  line = trimmed(line);
  for (std::size_t i = 1; i < line.size(); ++i) {
    if (line[i] == '|' && line[i - 1] != '\\') {
      cells.emplace_back(trimmed(cell));
      cell.clear();
    } else {
      cell += line[i];
    }
  }
  return cells;
}

/// Takes the text line by line and writes each block when it has ended.
class Converter {
 public:
  std::string run(std::string_view markdown) {
    for (std::size_t at = 0; at < markdown.size();) {
      const std::size_t end = std::min(markdown.find('\n', at), markdown.size());
      take_line(markdown.substr(at, end - at));
      at = end + 1;
    }
    end_block();
    return std::move(roff_);
  }

 private:
  enum class Block { none, paragraph, item, literal, table };

  void take_line(std::string_view line) {
    const bool goes_on = block_ == Block::item && line.starts_with("  ");
    if (line.empty()) {
      // A literal block may have empty lines.
      if (block_ == Block::literal) return void(text_ += '\n');
      return end_block();
    }
    if (line.starts_with('#')) return add_heading(line);
    if (line.starts_with("    ") && !goes_on) return add_to(Block::literal, line.substr(4));
    if (line.starts_with("- ")) {
      end_block();
      return add_to(Block::item, line.substr(2));
    }
    if (line.starts_with('|')) return add_row(line);
    add_to(goes_on ? Block::item : Block::paragraph, trimmed(line));
  }

  void add_to(Block block, std::string_view line) {
    if (block_ != block) end_block();
    if (!text_.empty() && block != Block::literal) text_ += ' ';
    block_ = block;
    text_ += line;
    if (block == Block::literal) text_ += '\n';
  }

  void add_heading(std::string_view line) {
    end_block();
    const std::size_t level = line.find_first_not_of('#');
    const std::string_view title = trimmed(line.substr(level));
    if (level < 2) return;
    std::string capitals(title);
    for (char& letter : capitals)
      letter = static_cast<char>(letter >= 'a' && letter <= 'z' ? letter - 'a' + 'A' : letter);
    roff_ += level == 2 ? fmt::format(".SH {}\n", roff_text(capitals)) : fmt::format(".SS {}\n", roff_text(title));
    is_behind_heading_ = true;
  }

  void add_row(std::string_view line) {
    if (block_ != Block::table) end_block();
    const bool is_first = block_ != Block::table;
    block_ = Block::table;
    if (line.starts_with("|-")) return;
    Cells cells = cells_of(line);
    if (is_first) {
      columns_ = std::move(cells);
      return;
    }
    if (cells.empty()) return;
    roff_ += fmt::format(".TP 8\n{}\n", term_text(cells.front()));
    if (cells.size() < 2) return;
    const std::string meaning = inline_text(cells.back());
    if (!meaning.empty()) roff_ += meaning + '\n';
    for (std::size_t i = 1; i + 1 < cells.size(); ++i) {
      if (cells[i].empty()) continue;
      const bool is_first_line = meaning.empty() && i == 1;
      const std::string column = i < columns_.size() && !columns_[i].empty() ? columns_[i] + ": " : "";
      roff_ += fmt::format("{}{}{}\n", is_first_line ? "" : ".br\n", column, inline_text(cells[i]));
    }
  }

  void end_block() {
    while (text_.ends_with('\n')) text_.pop_back();
    switch (block_) {
      case Block::none: break;
      case Block::paragraph:
        roff_ += fmt::format("{}{}\n", is_behind_heading_ ? "" : ".PP\n", inline_text(text_));
        break;
      case Block::item: roff_ += fmt::format(".IP \\(bu 2\n{}\n", inline_text(text_)); break;
      case Block::literal: roff_ += (is_behind_heading_ ? "" : ".PP\n") + roff_literal(text_); break;
      case Block::table: columns_.clear(); break;
    }
    if (block_ != Block::none) is_behind_heading_ = false;
    block_ = Block::none;
    text_.clear();
  }

  std::string roff_;
  Block block_ = Block::none;
  std::string text_;  ///< of the block that has not ended
  Cells columns_;
  bool is_behind_heading_ = true;  ///< where no new paragraph is to be begun; so is the beginning
};

}  // namespace

std::string roff_text(std::string_view text) {
  std::string escaped;
  // A line that begins with one of these would be a request.
  if (text.starts_with('.') || text.starts_with('\'')) escaped = "\\&";
  for (std::size_t at = 0; at < text.size();) {
    const std::uint32_t point = next_code_point(text, at);
    switch (point) {
      case '\\': escaped += "\\e"; break;
      case '-': escaped += "\\-"; break;
      case '\'': escaped += "\\(aq"; break;
      case '`': escaped += "\\(ga"; break;
      case '^': escaped += "\\(ha"; break;
      case '~': escaped += "\\(ti"; break;
      case 0x2019: escaped += "\\(cq"; break;
      default: escaped += point < 0x80 ? std::string(1, static_cast<char>(point)) : fmt::format("\\[u{:04X}]", point);
    }
  }
  return escaped;
}

std::string roff_bold(std::string_view text) { return text.empty() ? "" : "\\fB" + roff_text(text) + "\\fR"; }

std::string roff_italic(std::string_view text) { return text.empty() ? "" : "\\fI" + roff_text(text) + "\\fR"; }

std::string roff_literal(std::string_view lines) {
  std::string roff = ".RS 4\n.nf\n";
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    roff += roff_text(lines.substr(0, end)) + '\n';
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
  return roff + ".fi\n.RE\n";
}

std::string roff_of_markdown(std::string_view markdown) { return Converter().run(markdown); }

}  // namespace chimera::cli
