#pragma once
// What is wrong with a line of assembly.

#include <cstddef>
#include <expected>
#include <string>

#include "isa/diagnostic.h"

namespace chimera::assembler {

using chimera::Diagnostic;

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
