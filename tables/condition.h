#pragma once
// Conditions as they are written, before anybody has looked whether their columns exist:
//
//     price >= 10 and (name like 'ab%' or not sold) and country in ('pl', 'de') and gone is null
//
// `docs/tables.md` has the grammar. Words of the language may be written in either case.

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "isa/diagnostic.h"

namespace chimera::tables {

/// A value as it stands in the text.
struct Literal {
  enum class Kind : std::uint8_t { number, text, boolean };
  Kind kind = Kind::number;
  std::string text;    ///< a number's digits, a text without its quotes, true or false
  std::size_t at = 0;  ///< where it stands, in bytes
  std::size_t length = 1;
};

enum class Comparison : std::uint8_t { equal, unequal, less, less_equal, greater, greater_equal };

/// A node of the condition.
struct Condition {
  enum class Kind : std::uint8_t {
    both,     ///< all of `parts`, of which there are two or more
    either,   ///< one of them at least
    negated,  ///< one part
    compare,  ///< `column` with the one literal
    between,  ///< two literals, both included
    in,       ///< any of the literals
    like,     ///< the one literal is a text with a % at its end, or none
    is_null,
    is_true,  ///< a column of bool
  };
  Kind kind = Kind::both;
  std::vector<Condition> parts;
  std::string column;
  Comparison comparison = Comparison::equal;
  std::vector<Literal> literals;
  std::size_t at = 0;  ///< of the column's name, in bytes
};

/// Deeper ones are refused.
inline constexpr unsigned deepest_condition = 64;
inline constexpr std::size_t longest_condition = 65536;  ///< bytes

[[nodiscard]] std::expected<Condition, Diagnostic> parse_condition(std::string_view text);

/// That something is wrong with `length` bytes of a condition, from `at` on.
[[nodiscard]] Diagnostic condition_problem(std::string_view condition, std::size_t at, std::size_t length,
                                           std::string message);

}  // namespace chimera::tables
