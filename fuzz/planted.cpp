// A bug that is there on purpose: run.sh fails unless it is found, so that a run without findings means something.
// From no seed: a whole instruction, a count that fits its payload, two bytes of that. Blind luck would need some 2^40
// inputs, coverage leads there in a few hundred thousand.

#include <memory>

#include "isa/decoder.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  chimera::Instruction instruction;
  if (decode({data, size}, instruction).kind != chimera::Decoded::Kind::complete) return 0;
  const auto payload = instruction.payload;
  if (instruction.operation != chimera::Operation::append_bytes || payload.size() < 2) return 0;
  if (payload[0] != '!') return 0;
  if (payload[1] != '?') return 0;
  const std::unique_ptr<std::uint8_t[]> short_block{new std::uint8_t[payload.size()]};
  volatile std::uint8_t* const behind = short_block.get() + payload.size();
  *behind = 1;
  return 0;
}
