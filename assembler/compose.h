#pragma once
// A row and the operands written behind its mnemonic, to bytes.

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "assembler/diagnostic.h"
#include "assembler/operands.h"
#include "isa/opcodes.h"

namespace chimera::assembler {

/// Appends the instruction to `stream`, in the longest form that the operands allow. `end` is the column behind the
/// last operand, where what lacks is reported.
[[nodiscard]] std::optional<Problem> compose(const Row& row, std::span<WrittenOperand> operands, std::size_t end,
                                             std::vector<std::uint8_t>& stream);

/// What to say of the row's string with this number, from 0, to whom wrote no string: "a name is a string". Empty where
/// the row has fewer.
[[nodiscard]] std::string_view string_rule(const Row& row, std::size_t number);

}  // namespace chimera::assembler
