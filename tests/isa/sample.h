#pragma once
// Instructions made at random, with what they are expected to decode to, from the letters of the contract.

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "isa/instruction.h"
#include "tests/isa/contract.h"

namespace chimera::test {

using Random = std::mt19937_64;

/// An encoded instruction and its fields, as the contract's words say they are. Owns what the fields hold.
struct Sample {
  std::vector<std::uint8_t> bytes;
  bool has_device = false, has_offset = false, has_options = false;
  Uuid device{}, second_device{};
  std::uint64_t offset = 0, second_offset = 0, count = 0;
  std::string payload, name, second_name, text, options;
};

/// Payloads and texts have at most `longest` bytes.
Sample make_sample(const ContractForm& form, Random& random, std::size_t longest = 40);

/// Some instructions of any form, one behind the other.
std::vector<std::uint8_t> random_program(Random& random, std::size_t instructions, std::size_t longest = 40);

/// True where each field of the instruction is the sample's.
bool matches(const Instruction& instruction, const Sample& sample);

}  // namespace chimera::test
