#include "isa/diagnostic.h"

#include <fmt/format.h>
#include <algorithm>
#include <string_view>

#include "isa/utf8.h"

namespace chimera {
namespace {

constexpr std::size_t most_shown = 160;     ///< bytes of a line
constexpr std::size_t shown_in_front = 60;  ///< of the place, where the line is longer

/// The columns that a piece of a line takes on a screen where every character is one wide; tabs stay tabs.
std::string blank_of(std::string_view text) {
  std::string blank;
  while (!text.empty()) {
    const std::size_t size = std::max<std::size_t>(first_character(text).size, 1);
    blank += text.front() == '\t' ? '\t' : ' ';
    text.remove_prefix(size);
  }
  return blank;
}

/// What a terminal would obey rather than show, and what is not UTF-8, is shown as �; tabs stay.
std::string printable(std::string_view text) {
  std::string shown;
  while (!text.empty()) {
    const Utf8Character character = first_character(text);
    const std::size_t size = std::max<std::size_t>(character.size, 1);
    const bool is_shown = character.size != 0 && (!is_control(character.point) || character.point == '\t');
    shown += is_shown ? text.substr(0, size) : "�";
    text.remove_prefix(size);
  }
  return shown;
}

/// Moves `at` back to where a character begins.
std::size_t character_begin(std::string_view text, std::size_t at) {
  while (at > 0 && at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

}  // namespace

std::string Diagnostic::text() const {
  std::string_view shown = source_line;
  std::size_t at = std::min(column - 1, shown.size());
  std::string_view before;
  std::string_view behind;
  if (shown.size() > most_shown) {
    const std::size_t first = at > shown_in_front ? character_begin(shown, at - shown_in_front) : 0;
    const std::size_t last = character_begin(shown, std::min(first + most_shown, shown.size()));
    before = first > 0 ? "…" : "";
    behind = last < shown.size() ? "…" : "";
    shown = shown.substr(first, last - first);
    at -= first;
  }
  const std::string_view meant = shown.substr(std::min(at, shown.size())).substr(0, length);
  const std::size_t carets = std::max<std::size_t>(blank_of(meant).size(), 1);
  return fmt::format("{}:{}:{}: {}\n    {}{}{}\n    {}{}{:^>{}}", file, line, column, message, before, printable(shown),
                     behind, blank_of(before), blank_of(shown.substr(0, at)), "", carets);
}

}  // namespace chimera
