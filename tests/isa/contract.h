#pragma once
// The contract, typed from the published tables and not from isa/opcodes.def: what the decoder is held against.

#include <cstdint>
#include <string>
#include <vector>

namespace chimera::test {

/// One legal opcode. Operand letters: D and E devices, O and P offsets, c count32, C count64, v value8, b count32 and
/// bytes, B block, n name, p prefix, a after, t text32, o options, k credentials, T token, s snapshot's list, *
/// anything.
struct ContractForm {
  std::uint8_t opcode;
  int second;  ///< the second opcode behind 7F, or -1
  std::string name;
  std::string operands;
};

/// Every legal opcode, and every second one; those that no row has count as "extension", the journal's as
/// "journal_record".
std::vector<ContractForm> contract_forms();

}  // namespace chimera::test
