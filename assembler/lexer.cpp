#include "assembler/lexer.h"

#include <fmt/format.h>
#include <array>
#include <charconv>
#include <limits>

#include "isa/text.h"
#include "isa/utf8.h"

namespace chimera::assembler {
namespace {

using Kind = Token::Kind;

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
constexpr bool is_word_character(char c) { return is_letter(c) || is_digit(c); }
constexpr bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

/// The UUID that `text` begins with, if one does and no word goes on behind it.
std::optional<Uuid> leading_uuid(std::string_view text) {
  if (text.size() > uuid_text_size && is_word_character(text[uuid_text_size])) return std::nullopt;
  return parse_uuid(text.substr(0, uuid_text_size));
}

/// A run of word characters that begins with a digit.
std::optional<std::uint64_t> parse_number(std::string_view text) {
  unsigned shift = 0;
  switch (text.back()) {
    case 'K': shift = 10; break;
    case 'M': shift = 20; break;
    case 'G': shift = 30; break;
    case 'T': shift = 40; break;
    default: break;
  }
  if (shift != 0) text.remove_suffix(1);
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) base = 16;
  if (text.starts_with("0b") || text.starts_with("0B")) base = 2;
  if (base != 10) text.remove_prefix(2);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (number > std::numeric_limits<std::uint64_t>::max() >> shift) return std::nullopt;
  return number << shift;
}

class Lexer {
 public:
  Lexer(std::string_view line, std::vector<Token>& tokens) : line_{line}, tokens_{tokens} {}

  std::optional<Problem> run() {
    while (at_ < line_.size() && line_[at_] != ';') {
      if (is_blank(line_[at_])) {
        ++at_;
        continue;
      }
      if (auto wrong = next()) return wrong;
    }
    return std::nullopt;
  }

 private:
  [[nodiscard]] char peek(std::size_t ahead = 0) const {
    return at_ + ahead < line_.size() ? line_[at_ + ahead] : '\0';
  }

  /// The end of the run of word characters that begins at `from`.
  [[nodiscard]] std::size_t word_end(std::size_t from) const {
    while (from < line_.size() && is_word_character(line_[from])) ++from;
    return from;
  }

  Token& push(Kind kind, std::size_t end) {
    tokens_.push_back({.kind = kind, .column = at_, .text = line_.substr(at_, end - at_)});
    at_ = end;
    return tokens_.back();
  }

  [[nodiscard]] Problem wrong(std::size_t column, std::size_t length, std::string message) const {
    return {column, length, std::move(message)};
  }

  std::optional<Problem> next() {
    const char c = peek();
    if (digit_value(c) >= 0) {
      if (const auto uuid = leading_uuid(line_.substr(at_))) {
        push(Kind::uuid, at_ + uuid_text_size).uuid = *uuid;
        return std::nullopt;
      }
    }
    if (is_digit(c)) return number();
    if (is_letter(c)) return word();
    if (c == '"') return quoted(at_);
    if (std::string_view{"@#+-*/()"}.find(c) != std::string_view::npos) {
      push(Kind::symbol, at_ + 1);
      return std::nullopt;
    }
    if (c == '.' && is_letter(peek(1))) {
      push(Kind::directive, word_end(at_ + 1));
      return std::nullopt;
    }
    if (c == '$' && line_.substr(at_, word_end(at_ + 1) - at_) == "$i") {
      push(Kind::turn, at_ + 2);
      return std::nullopt;
    }
    return unexpected();
  }

  [[nodiscard]] Problem unexpected() const {
    const Utf8Character character = first_character(line_.substr(at_));
    if (character.size == 0 || is_control(character.point)) {
      return wrong(at_, 1, fmt::format("byte {:#04x} has no meaning here", static_cast<std::uint8_t>(line_[at_])));
    }
    return wrong(at_, character.size, fmt::format("'{}' has no meaning here", line_.substr(at_, character.size)));
  }

  std::optional<Problem> number() {
    const std::size_t end = word_end(at_);
    const auto value = parse_number(line_.substr(at_, end - at_));
    if (!value) {
      return wrong(at_, end - at_,
                   "expected a number that fits 64 bits: decimal, 0x or 0b, perhaps with K, M, G or T behind it");
    }
    push(Kind::number, end).number = *value;
    return std::nullopt;
  }

  std::optional<Problem> word() {
    const std::size_t end = word_end(at_);
    const std::string_view text = line_.substr(at_, end - at_);
    if (end < line_.size() && line_[end] == '"') {
      if (text == "hex") return hexadecimal(end);
      if (text == "file") return quoted(end);
      return wrong(at_, text.size(), fmt::format("expected hex\"…\" or file\"…\", not {}\"…\"", text));
    }
    push(Kind::word, end);
    return std::nullopt;
  }

  /// A string whose opening quote is at `quote`; in front of it stands nothing or `file`.
  std::optional<Problem> quoted(std::size_t quote) {
    std::string bytes;
    std::size_t at = quote + 1;
    for (; at < line_.size() && line_[at] != '"'; ++at) {
      const auto byte = static_cast<unsigned char>(line_[at]);
      if (byte == '\\') {
        if (auto bad = escape(at, bytes)) return bad;
      } else if (byte != '\t' && (byte < 0x20 || byte == 0x7F)) {
        return wrong(at, 1, fmt::format("a control character in a string is written \\x{:02x}", byte));
      } else {
        bytes += line_[at];
      }
    }
    if (at >= line_.size()) return wrong(at_, line_.size() - at_, "expected a closing quote");
    push(quote == at_ ? Kind::string : Kind::file, at + 1).bytes = std::move(bytes);
    return std::nullopt;
  }

  /// An escape whose backslash is at `at`; moves `at` to its last character.
  std::optional<Problem> escape(std::size_t& at, std::string& bytes) const {
    const char c = at + 1 < line_.size() ? line_[at + 1] : '\0';
    switch (c) {
      case 'n': bytes += '\n'; break;
      case 'r': bytes += '\r'; break;
      case 't': bytes += '\t'; break;
      case '0': bytes += '\0'; break;
      case '\\':
      case '"': bytes += c; break;
      case 'x': {
        const int high = at + 2 < line_.size() ? digit_value(line_[at + 2]) : -1;
        const int low = at + 3 < line_.size() ? digit_value(line_[at + 3]) : -1;
        if (high < 0 || low < 0) return wrong(at, 2, "expected two hexadecimal digits behind \\x");
        bytes += static_cast<char>(high << 4 | low);
        at += 3;
        return std::nullopt;
      }
      default: return wrong(at, 2, R"(unknown escape; expected \n \r \t \0 \\ \" or \xNN)");
    }
    ++at;
    return std::nullopt;
  }

  /// hex"…" whose opening quote is at `quote`: pairs of digits, blanks between them.
  std::optional<Problem> hexadecimal(std::size_t quote) {
    std::string bytes;
    std::size_t at = quote + 1;
    while (at < line_.size() && line_[at] != '"') {
      if (is_blank(line_[at])) {
        ++at;
        continue;
      }
      const int high = digit_value(line_[at]);
      const int low = at + 1 < line_.size() ? digit_value(line_[at + 1]) : -1;
      if (high < 0 || low < 0) return wrong(at, 1, "expected pairs of hexadecimal digits inside hex\"…\"");
      bytes += static_cast<char>(high << 4 | low);
      at += 2;
    }
    if (at >= line_.size()) return wrong(at_, line_.size() - at_, "expected a closing quote");
    push(Kind::string, at + 1).bytes = std::move(bytes);
    return std::nullopt;
  }

  std::string_view line_;
  std::vector<Token>& tokens_;
  std::size_t at_ = 0;
};

}  // namespace

std::optional<Problem> tokenize(std::string_view line, std::vector<Token>& tokens) {
  tokens.clear();
  return Lexer{line, tokens}.run();
}

}  // namespace chimera::assembler
