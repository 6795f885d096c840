#pragma once
// Numbers and expressions of + - * / ( ), `.equ` names and $i.

#include <span>

#include "assembler/diagnostic.h"
#include "assembler/lexer.h"
#include "assembler/symbols.h"

namespace chimera::assembler {

/// The tokens of a line that are still to be read.
class Cursor {
 public:
  explicit Cursor(std::span<const Token> tokens) : tokens_{tokens} {}

  [[nodiscard]] bool at_end() const { return position_ == tokens_.size(); }
  /// The next token; null at the end.
  [[nodiscard]] const Token* peek() const { return at_end() ? nullptr : &tokens_[position_]; }
  [[nodiscard]] bool next_is(char symbol) const { return !at_end() && tokens_[position_].is(symbol); }
  [[nodiscard]] bool next_is(Token::Kind kind) const { return !at_end() && tokens_[position_].kind == kind; }
  /// Asserts that there is one.
  const Token& take();
  /// Behind the last token that was taken.
  [[nodiscard]] std::size_t column() const { return position_ == 0 ? 0 : tokens_[position_ - 1].end(); }
  /// `expected …` at the next token, or behind the last one at the end of the line.
  [[nodiscard]] std::unexpected<Problem> expected(std::string_view what) const;

 private:
  std::span<const Token> tokens_;
  std::size_t position_ = 0;
};

/// True if an expression can begin with this token.
[[nodiscard]] bool begins_expression(const Token& token);

/// The value, 0 to 2^64 - 1, of the longest expression at the cursor. In between it may be negative or larger.
/// `depth` is how many parentheses and signs may be open at a time.
[[nodiscard]] Parsed<std::uint64_t> evaluate(Cursor& cursor, const Symbols& symbols, std::size_t depth);

}  // namespace chimera::assembler
