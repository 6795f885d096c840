#pragma once
// Instructions that have been looked at: whole ones, none of them illegal. Whatever runs comes from here, so that no
// stream of ours ever breaks off or ends by what a caller sends.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "isa/instruction.h"

namespace chimera::embed {

/// How many bytes the instruction at the front takes, also of one that is too large for the machine and will be
/// answered so; 0 where none stands there. `instruction` is set as by decode.
[[nodiscard]] std::size_t instruction_size(std::span<const std::uint8_t> bytes, Instruction& instruction) noexcept;

/// Cheap to share: programs under way keep the bytes as they were, whatever is done to the program meanwhile.
class CheckedProgram {
 public:
  using Bytes = std::shared_ptr<const std::vector<std::uint8_t>>;

  [[nodiscard]] const Bytes& bytes() const { return bytes_; }
  void clear();
  /// Puts whole instructions behind it. The error is a sentence, and then nothing was put.
  [[nodiscard]] std::string append(std::span<const std::uint8_t> instructions);
  /// The same of one instruction with operands that may not fit it.
  [[nodiscard]] std::string append(const Instruction& instruction);
  /// The same of assembly text; the error is the assembler's diagnostics.
  [[nodiscard]] std::string assemble(std::string_view text);

 private:
  std::vector<std::uint8_t>& own();

  std::shared_ptr<std::vector<std::uint8_t>> owned_ = std::make_shared<std::vector<std::uint8_t>>();
  Bytes bytes_ = owned_;
};

}  // namespace chimera::embed
