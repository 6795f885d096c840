#pragma once
// What is wrong with a source, and where.

#include <cstddef>
#include <expected>
#include <string>

namespace chimera::assembler {

/// One thing wrong with the source, at a place.
struct Diagnostic {
  std::string file;
  std::size_t line = 1;     ///< from 1
  std::size_t column = 1;   ///< from 1, in bytes of the line
  std::size_t length = 1;   ///< bytes of the line that are meant, at least 1
  std::string message;      ///< what is wrong and what was expected
  std::string source_line;  ///< the whole line

  /// `file:line:column: message`, the line, and carets below the place; no newline at the end. Of a very long line
  /// only the surroundings are shown.
  [[nodiscard]] std::string text() const;
};

/// A diagnostic whose line is known from the context.
struct Problem {
  std::size_t column = 0;  ///< from 0, in bytes of the line
  std::size_t length = 1;
  std::string message;
};

template <typename Value>
using Parsed = std::expected<Value, Problem>;

/// The Problem as the error of a Parsed.
[[nodiscard]] inline std::unexpected<Problem> problem(std::size_t column, std::size_t length, std::string message) {
  return std::unexpected(Problem{column, length, std::move(message)});
}

}  // namespace chimera::assembler
