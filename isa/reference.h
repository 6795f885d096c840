#pragma once
// The reference of the instruction set, made from the table. A test holds docs/ against it.

#include <string>

namespace chimera {

/// docs/isa.md.
[[nodiscard]] std::string reference_markdown();

/// The tables for tools: instructions with their encodings, operands, results, statuses, limits.
[[nodiscard]] std::string reference_json();

/// docs/editors/chimera.vim: highlighting of assembly text.
[[nodiscard]] std::string vim_syntax();

}  // namespace chimera
