#include "types/schema_source.h"

#include <fmt/format.h>
#include <algorithm>
#include <tuple>

#include "isa/utf8.h"
#include "types/limits.h"
#include "types/type.h"

namespace chimera::types {
namespace {

using Form = Token::Kind;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || is_digit(c); }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

/// The end of the number that begins at `at`, with all that sticks to it.
std::size_t number_end(std::string_view text, std::size_t at) {
  ++at;
  while (at < text.size()) {
    const bool is_sign = (text[at] == '-' || text[at] == '+') && (text[at - 1] == 'e' || text[at - 1] == 'E');
    if (!is_word(text[at]) && text[at] != '.' && !is_sign) break;
    ++at;
  }
  return at;
}

/// The end of the string that begins at `at`, behind its closing quote; nothing if the line ends before.
std::optional<std::size_t> string_end(std::string_view text, std::size_t at) {
  for (++at; at < text.size() && text[at] != '\n'; ++at) {
    if (text[at] == '"') return at + 1;
    if (text[at] == '\\') ++at;
  }
  return std::nullopt;
}

}  // namespace

Source::Source(std::string_view text, std::string_view file) : text_{text}, file_{file} {
  if (text_.size() > limits::longest_schema) {
    text_ = text_.substr(0, 0);
    report({}, fmt::format("a schema has at most {} bytes", limits::longest_schema));
  }
  tokenize();
}

void Source::tokenize() {
  std::size_t at = text_.starts_with("\xEF\xBB\xBF") ? 3 : 0;
  while (at < text_.size()) {
    if (is_blank(text_[at])) {
      ++at;
    } else if (text_.substr(at).starts_with("//")) {
      at = std::min(text_.find('\n', at), text_.size());
    } else {
      const Token token = token_at(at);
      if (token.kind != Form::end) tokens_.push_back(token);
      at += token.text.size();
    }
  }
  // Where something lacks at the end, that is behind the last token and not behind the last newline.
  const std::size_t end = tokens_.empty() ? text_.size() : tokens_.back().offset + tokens_.back().text.size();
  tokens_.push_back({Form::end, end, {}});
}

Token Source::token_at(std::size_t at) {
  const auto token = [&](Form kind, std::size_t end) { return Token{kind, at, text_.substr(at, end - at)}; };
  const char c = text_[at];
  if (is_digit(c) || (c == '-' && at + 1 < text_.size() && is_digit(text_[at + 1]))) {
    return token(Form::number, number_end(text_, at));
  }
  if (is_word(c)) {
    std::size_t end = at;
    while (end < text_.size() && is_word(text_[end])) ++end;
    return token(Form::word, end);
  }
  if (std::string_view{"{}()[]:,=|."}.find(c) != std::string_view::npos) return token(Form::symbol, at + 1);
  if (c == '"') {
    if (const auto end = string_end(text_, at)) return token(Form::string, *end);
    const Token rest = token(Form::end, std::min(text_.find('\n', at), text_.size()));
    report(rest, "expected a closing quote");
    return rest;
  }
  const Utf8Character character = first_character(text_.substr(at));
  const bool is_shown = character.size != 0 && !is_control(character.point);
  const Token bad = token(Form::end, at + std::max<std::size_t>(character.size, 1));
  report(bad, is_shown ? fmt::format("'{}' has no meaning here", bad.text)
                       : fmt::format("byte {:#04x} has no meaning here", static_cast<std::uint8_t>(c)));
  return bad;
}

const Token& Source::peek(std::size_t ahead) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }

const Token& Source::next() {
  const Token& token = peek();
  if (at_ + 1 < tokens_.size()) ++at_;
  return token;
}

bool Source::take(std::string_view written) {
  if (!peek().is(written)) return false;
  next();
  return true;
}

bool Source::expect(std::string_view written) {
  if (take(written)) return true;
  report_expected(fmt::format("'{}'", written));
  return false;
}

std::optional<Token> Source::identifier(std::string_view what) {
  const Token& token = peek();
  if (token.kind != Form::word) {
    report_expected(what);
    return std::nullopt;
  }
  next();
  if (is_identifier(token.text)) return token;
  report(token, fmt::format("a name has at most {} characters", limits::longest_identifier));
  return std::nullopt;
}

void Source::report(const Token& at, std::string message) {
  if (diagnostics_.size() >= most_diagnostics) return;
  const std::size_t offset = std::min(at.offset, text_.size());
  const std::string_view before = text_.substr(0, offset);
  const std::size_t newline = before.rfind('\n');
  const std::size_t begin = newline == std::string_view::npos ? 0 : newline + 1;
  std::string_view line = text_.substr(begin, std::min(text_.find('\n', begin), text_.size()) - begin);
  if (line.ends_with('\r')) line.remove_suffix(1);
  diagnostics_.push_back({.file = std::string{file_},
                          .line = 1 + static_cast<std::size_t>(std::ranges::count(before, '\n')),
                          .column = offset - begin + 1,
                          .length = std::max<std::size_t>(at.text.size(), 1),
                          .message = std::move(message),
                          .source_line = std::string{line}});
}

void Source::report_expected(std::string_view what) {
  const Token& token = peek();
  if (token.kind == Form::end) {
    report(token, fmt::format("expected {}, but the text ends", what));
  } else {
    report(token, fmt::format("expected {}, not {}", what, token.text.substr(0, 40)));
  }
}

bool Source::at_item() const {
  const Token& token = peek();
  if (token.kind == Form::end) return true;
  if (!token.is("type") && !token.is("relation") && !token.is("module")) return false;
  if (peek(1).kind != Form::word) return peek(1).is("=");
  const std::size_t newline = text_.substr(0, token.offset).find_last_not_of(" \t");
  const bool is_first = newline == std::string_view::npos || text_[newline] == '\n';
  return is_first || peek(2).is("=") || peek(2).is("{") || peek(2).is(".");
}

void Source::skip_in_list() {
  for (unsigned depth = 0; !at_item(); next()) {
    const Token& token = peek();
    if (depth == 0 && (token.is(",") || token.is("}") || token.is(")"))) return;
    if (token.is("{") || token.is("(") || token.is("[")) ++depth;
    if (depth > 0 && (token.is("}") || token.is(")") || token.is("]"))) --depth;
  }
}

void Source::skip_to_option() {
  const auto at_option = [this] {
    const Token& token = peek();
    return token.is("key") || token.is("index") || token.is("unique") || token.is("circular") || token.is("append");
  };
  while (!at_item() && !peek().is("}") && !at_option()) next();
}

void Source::skip_to_item() {
  for (unsigned depth = 0; !at_item(); next()) {
    if (peek().is("{")) ++depth;
    if (peek().is("}")) {
      if (depth == 0) return;
      --depth;
    }
  }
}

std::vector<Diagnostic> Source::take_diagnostics() {
  std::ranges::stable_sort(diagnostics_, {}, [](const Diagnostic& d) { return std::tuple{d.line, d.column}; });
  return std::move(diagnostics_);
}

}  // namespace chimera::types
