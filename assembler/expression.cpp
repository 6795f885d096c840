#include "assembler/expression.h"

#include <fmt/format.h>
#include <cassert>
#include <limits>

namespace chimera::assembler {
namespace {

/// Wide enough for any step of an expression that ends in 64 bits and makes sense.
__extension__ using Wide = __int128;

using Kind = Token::Kind;

class Evaluator {
 public:
  Evaluator(Cursor& cursor, const Symbols& symbols, std::size_t depth)
      : cursor_{cursor}, symbols_{symbols}, depth_{depth} {}

  Parsed<Wide> sum() {
    Parsed<Wide> left = product();
    while (left && (cursor_.next_is('+') || cursor_.next_is('-'))) {
      const Token& sign = cursor_.take();
      const Parsed<Wide> right = product();
      if (!right) return right;
      Wide result = 0;
      const bool over = sign.is('+') ? __builtin_add_overflow(*left, *right, &result)
                                     : __builtin_sub_overflow(*left, *right, &result);
      if (over) return too_large(sign);
      left = result;
    }
    return left;
  }

 private:
  static std::unexpected<Problem> too_large(const Token& sign) {
    return problem(sign.column, 1, "the value gets too large here");
  }

  Parsed<Wide> product() {
    Parsed<Wide> left = primary();
    while (left && (cursor_.next_is('*') || cursor_.next_is('/'))) {
      const Token& sign = cursor_.take();
      const Parsed<Wide> right = primary();
      if (!right) return right;
      if (sign.is('/')) {
        if (*right == 0) return problem(sign.column, 1, "division by zero");
        // Dividing by -1 is the one quotient that can get too large.
        Wide result = 0;
        if (*right == -1 && __builtin_sub_overflow(Wide{0}, *left, &result)) return too_large(sign);
        left = *right == -1 ? result : *left / *right;
      } else {
        Wide result = 0;
        if (__builtin_mul_overflow(*left, *right, &result)) return too_large(sign);
        left = result;
      }
    }
    return left;
  }

  Parsed<Wide> primary() {
    const Token* const token = cursor_.peek();
    if (token == nullptr || !begins_expression(*token)) return cursor_.expected("a number");
    if (token->kind == Kind::symbol) return nested();
    cursor_.take();
    switch (token->kind) {
      case Kind::number: return Wide{token->number};
      case Kind::turn: return turn(*token);
      default: return named(*token);
    }
  }

  /// ( … ), or a sign and what it belongs to.
  Parsed<Wide> nested() {
    const Token& sign = cursor_.take();
    if (depth_ == 0) return problem(sign.column, 1, "too many parentheses and signs inside each other");
    --depth_;
    Parsed<Wide> value = sign.is('(') ? sum() : primary();
    ++depth_;
    if (!value) return value;
    if (sign.is('-')) {
      Wide result = 0;
      if (__builtin_sub_overflow(Wide{0}, *value, &result)) return too_large(sign);
      return result;
    }
    if (sign.is('(')) {
      if (!cursor_.next_is(')')) return cursor_.expected("a closing parenthesis");
      cursor_.take();
    }
    return value;
  }

  Parsed<Wide> turn(const Token& token) const {
    if (symbols_.turn() == nullptr) return problem(token.column, token.text.size(), "$i stands outside of any .repeat");
    return Wide{*symbols_.turn()};
  }

  Parsed<Wide> named(const Token& token) const {
    const Symbols::Value* const value = symbols_.find(token.text);
    if (value == nullptr) {
      const std::string_view nearest = symbols_.nearest(token.text);
      return problem(token.column, token.text.size(),
                     nearest.empty()
                         ? fmt::format("'{}' is not declared; expected a number or a name made by .equ", token.text)
                         : fmt::format("'{}' is not declared; did you mean '{}'?", token.text, nearest));
    }
    if (const auto* const number = std::get_if<std::uint64_t>(value)) return Wide{*number};
    return problem(token.column, token.text.size(), fmt::format("'{}' is a device; expected a number", token.text));
  }

  Cursor& cursor_;
  const Symbols& symbols_;
  std::size_t depth_;
};

}  // namespace

const Token& Cursor::take() {
  assert(!at_end());
  return tokens_[position_++];
}

std::unexpected<Problem> Cursor::expected(std::string_view what) const {
  if (const Token* const next = peek()) {
    const std::size_t shown = next->text.size() <= 40 ? next->text.size() : 0;
    return problem(next->column, next->text.size(),
                   shown > 0 ? fmt::format("expected {}, not {}", what, next->text) : fmt::format("expected {}", what));
  }
  return problem(column(), 1, fmt::format("expected {}, but the line ends", what));
}

bool begins_expression(const Token& token) {
  return token.kind == Kind::number || token.kind == Kind::turn || token.kind == Kind::word || token.is('(') ||
         token.is('-') || token.is('+');
}

Parsed<std::uint64_t> evaluate(Cursor& cursor, const Symbols& symbols, std::size_t depth) {
  const Token* const first = cursor.peek();
  const Parsed<Wide> value = Evaluator{cursor, symbols, depth}.sum();
  if (!value) return std::unexpected(value.error());
  assert(first != nullptr);
  if (*value < 0 || *value > std::numeric_limits<std::uint64_t>::max()) {
    return problem(first->column, cursor.column() - first->column,
                   *value < 0 ? "the value is negative" : "the value does not fit 64 bits");
  }
  return static_cast<std::uint64_t>(*value);
}

}  // namespace chimera::assembler
