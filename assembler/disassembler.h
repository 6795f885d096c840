#pragma once
// Instructions to text that assembles to the same bytes.

#include <cstdint>
#include <span>
#include <string>

#include "isa/instruction.h"

namespace chimera::assembler {

struct DisassemblyOptions {
  bool annotate = false;  ///< put offset and bytes of each instruction in a comment behind it
};

/// The text of one instruction, without a newline.
[[nodiscard]] std::string disassemble(const Instruction& instruction);

/// The text of a whole stream, a line an instruction. Where the stream turns illegal or breaks off, what is left
/// follows as `.bytes` lines with a comment that says so: any bytes at all come back from assembling the text.
[[nodiscard]] std::string disassemble(std::span<const std::uint8_t> stream, const DisassemblyOptions& options = {});

}  // namespace chimera::assembler
