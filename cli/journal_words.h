#pragma once
// What the instructions of a journal's records say, in words: those of its own are bytes to the assembler.

#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "devices/store.h"
#include "isa/instruction.h"

namespace chimera::cli {

class JournalWords {
 public:
  /// The names are those of the state that the records follow.
  explicit JournalWords(const devices::Store& before);

  /// A remark for a comment; empty where the instruction's text says it all. To be called for every instruction, in
  /// order: devices come and change their names.
  [[nodiscard]] std::string explain(const Instruction& instruction);

 private:
  [[nodiscard]] std::string name(const Uuid& uuid) const;
  [[nodiscard]] std::string known_names(const Instruction& instruction) const;
  [[nodiscard]] std::string roll_backs(std::span<const std::uint8_t> operands) const;
  [[nodiscard]] std::string explain_record(const Instruction& instruction);

  std::map<Uuid, std::string> names_;
};

}  // namespace chimera::cli
