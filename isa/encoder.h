#pragma once
// Instructions to bytes: the exact inverse of decode.

#include <cstdint>
#include <vector>

#include "isa/instruction.h"

namespace chimera {

/// Chooses the opcode from the operation, has_device, has_offset and has_options, and appends the instruction to
/// `stream`. `opcode` is not looked at; `extension` only where the operation is extension or journal_record.
/// Operands that the row does not have are not looked at. Asserts that the row has such a form and that
/// payload and texts fit their length fields.
void encode(const Instruction& instruction, std::vector<std::uint8_t>& stream);

/// True if the operation has an opcode that carries just these operands.
[[nodiscard]] bool has_form(const Instruction& instruction) noexcept;

}  // namespace chimera
