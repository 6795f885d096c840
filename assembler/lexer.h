#pragma once
// One line of assembly text to tokens.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "assembler/diagnostic.h"
#include "isa/uuid.h"

namespace chimera::assembler {

struct Token {
  enum class Kind : std::uint8_t {
    word,       ///< a letter or _, then letters, digits, _
    number,     ///< decimal, 0x, 0b, with K, M, G, T
    uuid,       ///< 8-4-4-4-12 hexadecimal digits
    string,     ///< "…" or hex"…": `bytes` has the value
    file,       ///< file"…": `bytes` has the path
    directive,  ///< . and a word
    turn,       ///< $i
    symbol,     ///< one of @ # + - * / ( )
  };
  Kind kind;
  std::size_t column;     ///< from 0, in bytes of the line
  std::string_view text;  ///< as written; points into the line
  std::uint64_t number = 0;
  Uuid uuid{};
  std::string bytes;

  [[nodiscard]] bool is(char symbol) const { return kind == Kind::symbol && text.front() == symbol; }
  [[nodiscard]] std::size_t end() const { return column + text.size(); }
};

/// Replaces `tokens` by those of `line`, which has no newline; a comment ends it. Tokens in front of what is wrong
/// are there in any case.
[[nodiscard]] std::optional<Problem> tokenize(std::string_view line, std::vector<Token>& tokens);

}  // namespace chimera::assembler
