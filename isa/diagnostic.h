#pragma once
// What is wrong with a text that somebody wrote, assembly or schema, and where.

#include <cstddef>
#include <string>

namespace chimera {

/// One thing wrong with a source, at a place.
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

}  // namespace chimera
