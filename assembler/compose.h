#pragma once
// A row and the operands written behind its mnemonic, to bytes.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "assembler/diagnostic.h"
#include "assembler/operands.h"
#include "isa/opcodes.h"

namespace chimera::assembler {

/// Appends the instruction to `stream`, in the longest form that the operands allow. `end` is the column behind the
/// last operand, where what lacks is reported.
[[nodiscard]] std::optional<Problem> compose(const Row& row, std::span<WrittenOperand> operands, std::size_t end,
                                             std::vector<std::uint8_t>& stream);

}  // namespace chimera::assembler
