#pragma once
// The words in front of the operands.

#include <string_view>

#include "assembler/diagnostic.h"
#include "assembler/expression.h"
#include "isa/opcodes.h"

namespace chimera::assembler {

/// Takes the longest mnemonic that the words at the cursor spell. The error names the nearest one.
[[nodiscard]] Parsed<const Row*> read_mnemonic(Cursor& cursor);

/// A mnemonic that begins with that of `row` and goes on almost like the words at the cursor, which stands behind it.
/// Empty if there is none.
[[nodiscard]] std::string_view longer_mnemonic(const Row& row, Cursor cursor);

/// True for the words that make a shorter mnemonic a longer one ("read metadata bytes"): a device of such a name could
/// not be told from it.
[[nodiscard]] bool continues_a_mnemonic(std::string_view word);

}  // namespace chimera::assembler
