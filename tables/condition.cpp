#include "tables/condition.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "isa/text.h"

namespace chimera::tables {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

struct Token {
  enum class Kind : std::uint8_t { end, word, number, text, symbol };
  Kind kind = Kind::end;
  std::string text;     ///< as it stands, of a text what is between the quotes
  std::string keyword;  ///< of a word: in small letters
  std::size_t at = 0, length = 0;
};

class Parser {
 public:
  explicit Parser(std::string_view source) : source_(source) {}

  std::expected<Condition, Diagnostic> parse() {
    if (source_.size() > longest_condition) return fail("the condition is longer than 65,536 bytes");
    if (!is_utf8(source_)) return fail("the condition is not well-formed UTF-8");
    next();
    std::optional<Condition> condition = disjunction(0);
    if (condition && token_.kind != Token::Kind::end) {
      expected_here("\"and\", \"or\" or the end of the condition");
    }
    if (error_) return std::unexpected(std::move(*error_));
    return std::move(*condition);
  }

 private:
  std::unexpected<Diagnostic> fail(std::string message) {
    return std::unexpected(condition_problem({}, 0, 1, std::move(message)));
  }
  /// The first error is the one that is told.
  void note(std::size_t at, std::size_t length, std::string message) {
    if (!error_) error_ = condition_problem(source_, at, length, std::move(message));
  }
  void expected_here(std::string_view what) {
    if (token_.kind == Token::Kind::end) {
      note(token_.at, 1, fmt::format("the condition ends where {} was expected", what));
    } else {
      note(token_.at, token_.length, fmt::format("{} was expected", what));
    }
  }

  void next() {
    while (place_ < source_.size() && is_blank(source_[place_])) ++place_;
    token_ = {Token::Kind::end, {}, {}, place_, 0};
    if (place_ == source_.size()) return;
    const char first = source_[place_];
    if (is_letter(first)) {
      take(Token::Kind::word, [](char c) { return is_letter(c) || is_digit(c); });
      token_.keyword = lower(token_.text);
    } else if (is_digit(first) || ((first == '-' || first == '+' || first == '.') && digit_follows())) {
      take_number();
    } else if (first == '\'' || first == '"') {
      take_text(first);
    } else {
      take_symbol();
    }
  }
  [[nodiscard]] bool digit_follows() const {
    const auto at = [this](std::size_t place) { return place < source_.size() ? source_[place] : '\0'; };
    return is_digit(at(place_ + 1)) || (at(place_ + 1) == '.' && is_digit(at(place_ + 2)));
  }
  template <typename Belongs>
  void take(Token::Kind kind, Belongs belongs) {
    const std::size_t start = place_++;
    while (place_ < source_.size() && belongs(source_[place_])) ++place_;
    token_ = {kind, std::string(source_.substr(start, place_ - start)), {}, start, place_ - start};
  }
  void take_number() {
    const std::size_t start = place_++;
    while (place_ < source_.size()) {
      const char c = source_[place_];
      const char before = source_[place_ - 1];
      const bool sign = (c == '-' || c == '+') && (before == 'e' || before == 'E');
      if (!is_letter(c) && !is_digit(c) && c != '.' && !sign) break;
      ++place_;
    }
    const std::size_t sign = source_[start] == '+' ? 1 : 0;
    token_ = {Token::Kind::number,
              std::string(source_.substr(start + sign, place_ - start - sign)),
              {},
              start,
              place_ - start};
  }
  void take_text(char quote) {
    const std::size_t start = place_++;
    std::string text;
    for (;; ++place_) {
      if (place_ == source_.size()) {
        note(start, place_ - start, fmt::format("the text that begins here has no {} at its end", quote));
        break;
      }
      if (source_[place_] != quote) {
        text += source_[place_];
        continue;
      }
      ++place_;
      if (place_ == source_.size() || source_[place_] != quote) break;
      text += quote;
    }
    token_ = {Token::Kind::text, std::move(text), {}, start, place_ - start};
  }
  void take_symbol() {
    constexpr std::string_view twos[] = {"<=", ">=", "!=", "<>", "=="};
    const std::string_view two = source_.substr(place_, 2);
    const std::size_t length = std::ranges::find(twos, two) != std::end(twos) ? 2 : 1;
    token_ = {Token::Kind::symbol, std::string(source_.substr(place_, length)), {}, place_, length};
    place_ += length;
  }

  [[nodiscard]] bool is_word(std::string_view word) const {
    return token_.kind == Token::Kind::word && token_.keyword == word;
  }
  [[nodiscard]] bool is_symbol(std::string_view symbol) const {
    return token_.kind == Token::Kind::symbol && token_.text == symbol;
  }
  bool accept_word(std::string_view word) {
    if (!is_word(word)) return false;
    next();
    return true;
  }
  bool accept_symbol(std::string_view symbol) {
    if (!is_symbol(symbol)) return false;
    next();
    return true;
  }

  std::optional<Condition> disjunction(unsigned depth) {
    const auto operand = [this](unsigned below) { return negation(below); };
    return chain(depth, Condition::Kind::either, "or",
                 [this, operand](unsigned below) { return chain(below, Condition::Kind::both, "and", operand); });
  }
  template <typename Part>
  std::optional<Condition> chain(unsigned depth, Condition::Kind kind, std::string_view word, Part part) {
    std::optional<Condition> left = part(depth);
    while (left && accept_word(word)) {
      std::optional<Condition> right = part(depth);
      if (!right) return {};
      if (left->kind != kind) {
        Condition chained;
        chained.kind = kind;
        chained.at = left->at;
        chained.parts.push_back(std::move(*left));
        left = std::move(chained);
      }
      left->parts.push_back(std::move(*right));
    }
    return left;
  }
  std::optional<Condition> negation(unsigned depth) {
    if (depth > deepest_condition) {
      note(token_.at, token_.length, fmt::format("the condition is nested deeper than {}", deepest_condition));
      return {};
    }
    const std::size_t at = token_.at;
    if (accept_word("not")) {
      std::optional<Condition> part = negation(depth + 1);
      if (!part) return {};
      return negated(std::move(*part), at);
    }
    if (accept_symbol("(")) {
      std::optional<Condition> inner = disjunction(depth + 1);
      if (!inner) return {};
      if (!accept_symbol(")")) {
        expected_here("a closing bracket");
        return {};
      }
      return inner;
    }
    return comparison();
  }
  static Condition negated(Condition part, std::size_t at) {
    Condition condition;
    condition.kind = Condition::Kind::negated;
    condition.at = at;
    condition.parts.push_back(std::move(part));
    return condition;
  }

  std::optional<Condition> comparison() {
    const bool is_value = is_word("true") || is_word("false");
    if (token_.kind == Token::Kind::number || token_.kind == Token::Kind::text || is_value) return turned_comparison();
    if (token_.kind != Token::Kind::word || is_reserved(token_.keyword)) {
      expected_here("the name of a column");
      return {};
    }
    Condition condition;
    condition.column = token_.text;
    condition.at = token_.at;
    next();
    if (const std::optional<Comparison> sign = accept_comparison()) {
      condition.kind = Condition::Kind::compare;
      condition.comparison = *sign;
      return with_literals(std::move(condition), 1);
    }
    if (accept_word("is")) return null_test(std::move(condition));
    const std::size_t at = token_.at;
    if (accept_word("not")) {
      std::optional<Condition> part = word_comparison(std::move(condition));
      if (!part && !error_) expected_here("\"in\", \"between\" or \"like\"");
      if (!part) return {};
      return negated(std::move(*part), at);
    }
    Condition plain = condition;
    if (std::optional<Condition> part = word_comparison(std::move(condition)); part || error_) return part;
    plain.kind = Condition::Kind::is_true;
    return plain;
  }

  static bool is_reserved(std::string_view word) {
    constexpr std::string_view reserved[] = {"and", "or", "not", "in", "between", "like", "is", "null"};
    return std::ranges::find(reserved, word) != std::end(reserved);
  }

  /// `10 < price`.
  std::optional<Condition> turned_comparison() {
    Condition condition;
    condition.kind = Condition::Kind::compare;
    condition.literals.push_back(*literal());
    const std::optional<Comparison> sign = accept_comparison();
    if (!sign) {
      expected_here("a comparison");
      return {};
    }
    if (token_.kind != Token::Kind::word || is_reserved(token_.keyword)) {
      expected_here("the name of a column");
      return {};
    }
    condition.column = token_.text;
    condition.at = token_.at;
    condition.comparison = turned(*sign);
    next();
    return condition;
  }
  static Comparison turned(Comparison sign) {
    switch (sign) {
      case Comparison::less: return Comparison::greater;
      case Comparison::less_equal: return Comparison::greater_equal;
      case Comparison::greater: return Comparison::less;
      case Comparison::greater_equal: return Comparison::less_equal;
      default: return sign;
    }
  }

  std::optional<Comparison> accept_comparison() {
    constexpr std::pair<std::string_view, Comparison> signs[] = {
        {"=", Comparison::equal},          {"==", Comparison::equal}, {"!=", Comparison::unequal},
        {"<>", Comparison::unequal},       {"<", Comparison::less},   {"<=", Comparison::less_equal},
        {">=", Comparison::greater_equal}, {">", Comparison::greater}};
    for (const auto& [text, sign] : signs) {
      if (accept_symbol(text)) return sign;
    }
    return {};
  }

  std::optional<Condition> null_test(Condition condition) {
    const std::size_t at = token_.at;
    const bool is_not = accept_word("not");
    if (!accept_word("null")) {
      expected_here("\"null\" or \"not null\"");
      return {};
    }
    condition.kind = Condition::Kind::is_null;
    return is_not ? negated(std::move(condition), at) : std::move(condition);
  }

  /// in, between and like; nothing, without an error, where none of them stands here.
  std::optional<Condition> word_comparison(Condition condition) {
    if (accept_word("between")) {
      condition.kind = Condition::Kind::between;
      std::optional<Condition> low = with_literals(std::move(condition), 1);
      if (!low) return {};
      if (!accept_word("and")) {
        expected_here("\"and\" and the second bound");
        return {};
      }
      return with_literals(std::move(*low), 1);
    }
    if (accept_word("like")) {
      condition.kind = Condition::Kind::like;
      return prefix(std::move(condition));
    }
    if (!accept_word("in")) return {};
    condition.kind = Condition::Kind::in;
    if (!accept_symbol("(")) {
      expected_here("a list of values in brackets");
      return {};
    }
    do {
      std::optional<Condition> longer = with_literals(std::move(condition), 1);
      if (!longer) return {};
      condition = std::move(*longer);
    } while (accept_symbol(","));
    if (accept_symbol(")")) return condition;
    expected_here("a comma or a closing bracket");
    return {};
  }

  std::optional<Condition> prefix(Condition condition) {
    if (token_.kind != Token::Kind::text) {
      expected_here("a text such as 'ab%'");
      return {};
    }
    const Token pattern = token_;
    const std::size_t wild = pattern.text.find_first_of("%_");
    if (wild != std::string::npos && (wild + 1 != pattern.text.size() || pattern.text[wild] != '%')) {
      note(pattern.at, pattern.length, "a pattern may have one % at its end, and no _");
      return {};
    }
    return with_literals(std::move(condition), 1);
  }

  std::optional<Condition> with_literals(Condition condition, unsigned count) {
    for (; count > 0; --count) {
      std::optional<Literal> value = literal();
      if (!value) {
        expected_here(is_word("null") ? "a value (null is asked for by \"is null\")"
                                      : "a number, a text in quotes, true or false");
        return {};
      }
      condition.literals.push_back(std::move(*value));
    }
    return condition;
  }

  std::optional<Literal> literal() {
    Literal value{Literal::Kind::number, token_.text, token_.at, token_.length};
    if (token_.kind == Token::Kind::text) {
      value.kind = Literal::Kind::text;
    } else if (is_word("true") || is_word("false")) {
      value.kind = Literal::Kind::boolean;
      value.text = token_.keyword;
    } else if (token_.kind != Token::Kind::number) {
      return {};
    }
    next();
    return value;
  }

  std::string_view source_;
  std::size_t place_ = 0;
  Token token_;
  std::optional<Diagnostic> error_;
};

}  // namespace

Diagnostic condition_problem(std::string_view condition, std::size_t at, std::size_t length, std::string message) {
  at = std::min(at, condition.size());
  const std::string_view before = condition.substr(0, at);
  const std::size_t start = before.rfind('\n') + 1;  // 0 where there is none
  const std::size_t end = std::min(condition.find('\n', at), condition.size());
  Diagnostic problem;
  problem.file = "where";
  problem.line = 1 + static_cast<std::size_t>(std::ranges::count(before, '\n'));
  problem.column = 1 + at - start;
  problem.length = std::clamp<std::size_t>(length, 1, std::max<std::size_t>(end - at, 1));
  problem.message = std::move(message);
  problem.source_line = condition.substr(start, end - start);
  return problem;
}

std::expected<Condition, Diagnostic> parse_condition(std::string_view text) { return Parser(text).parse(); }

}  // namespace chimera::tables
