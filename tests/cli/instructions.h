#pragma once
// What was sent to an endpoint of the tests' own.

#include <cstdint>
#include <span>

#include "isa/decoder.h"
#include "isa/instruction.h"

namespace chimera::cli::testing {

/// Calls the body with each instruction of a legal stream.
template <class Body>
void for_each_instruction(std::span<const std::uint8_t> stream, Body&& body) {
  Instruction instruction;
  for (Decoded decoded = decode(stream, instruction); decoded.kind == Decoded::Kind::complete;
       decoded = decode(stream, instruction)) {
    body(instruction);
    stream = stream.subspan(static_cast<std::size_t>(decoded.size));
  }
}

}  // namespace chimera::cli::testing
