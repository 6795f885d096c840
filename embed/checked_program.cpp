#include "embed/checked_program.h"

#include <fmt/format.h>

#include <atomic>
#include <limits>

#include "assembler/assembler.h"
#include "isa/bytes.h"
#include "isa/decoder.h"
#include "isa/encoder.h"

namespace chimera::embed {
namespace {

using Span = std::span<const std::uint8_t>;

/// More than any instruction that could run, and the lengths of the encoding hold it.
constexpr std::size_t longest_operand = limits::skippable_payload;
constexpr std::size_t longest_text16 = std::numeric_limits<std::uint16_t>::max();

/// What keeps an operand from being encoded; empty if nothing does.
std::string fault_of(Operand operand, const Instruction& instruction) {
  const auto exactly = [&](std::size_t size, std::string_view what) {
    const std::size_t given = instruction.payload.size();
    return given == size ? std::string() : fmt::format("{} takes {} bytes, and there are {}", what, size, given);
  };
  const auto at_most = [](std::string_view what, std::size_t size, std::size_t most) {
    return size <= most ? std::string() : fmt::format("{} has {} bytes, more than {}", what, size, most);
  };
  switch (operand) {
    case Operand::value8: return exactly(1, "a value");
    case Operand::token: return exactly(sizeof(Uuid), "a token");
    case Operand::block: return exactly(limits::block_size, "a block");
    case Operand::name:
    case Operand::prefix: return at_most("the name", instruction.name.size(), longest_text16);
    case Operand::after: return at_most("the second name", instruction.second_name.size(), longest_text16);
    case Operand::options: return at_most("the text of the options", instruction.options.size(), longest_text16);
    case Operand::credentials: return at_most("what is said of oneself", instruction.payload.size(), longest_text16);
    case Operand::columns: return at_most("the text of the columns", instruction.text.size(), longest_operand);
    case Operand::bytes:
    case Operand::device_names:
    case Operand::operands: return at_most("the payload", instruction.payload.size(), longest_operand);
    case Operand::count32: {
      const bool fits = instruction.count <= std::numeric_limits<std::uint32_t>::max();
      return fits ? std::string() : fmt::format("a count of {} is more than 32 bits hold", instruction.count);
    }
    default: return {};
  }
}

}  // namespace

std::size_t instruction_size(Span bytes, Instruction& instruction) noexcept {
  const Decoded decoded = decode(bytes, instruction);
  std::uint64_t size = decoded.size;
  if (decoded.kind == Decoded::Kind::too_large) {
    if (size >= limits::skippable_payload || size > bytes.size()) return 0;
    if (decoded.options_follow) {
      const Span behind = bytes.subspan(size);
      if (behind.size() < sizeof(std::uint16_t)) return 0;
      size += sizeof(std::uint16_t) + load<std::uint16_t>(behind.data());
    }
  } else if (decoded.kind != Decoded::Kind::complete) {
    return 0;
  }
  return size <= bytes.size() ? size : 0;
}

void CheckedProgram::clear() {
  if (bytes_.use_count() > 2) {
    owned_ = std::make_shared<std::vector<std::uint8_t>>();
    bytes_ = owned_;
  } else {
    std::atomic_thread_fence(std::memory_order_acquire);
    owned_->clear();
  }
}

/// The bytes, to be changed: copied first where a program under way looks at them.
std::vector<std::uint8_t>& CheckedProgram::own() {
  if (bytes_.use_count() > 2) {
    owned_ = std::make_shared<std::vector<std::uint8_t>>(*bytes_);
    bytes_ = owned_;
  }
  // Whoever looked at them in another thread has let go of them before this.
  std::atomic_thread_fence(std::memory_order_acquire);
  return *owned_;
}

std::string CheckedProgram::append(Span instructions) {
  Instruction instruction;
  for (std::size_t at = 0; at < instructions.size();) {
    const Span rest = instructions.subspan(at);
    const std::size_t size = instruction_size(rest, instruction);
    if (size == 0) {
      const bool is_illegal = decode(rest, instruction).kind == Decoded::Kind::illegal;
      const std::string_view why = rest[0] == extension_opcode ? ", or not with such operands" : "";
      return is_illegal ? fmt::format("No instruction begins with 0x{:02x}, the byte at {}{}.", rest[0], at, why)
                        : fmt::format("The instruction at byte {} is not whole, or is larger than any may be.", at);
    }
    at += size;
  }
  std::vector<std::uint8_t>& bytes = own();
  bytes.insert(bytes.end(), instructions.begin(), instructions.end());
  return {};
}

std::string CheckedProgram::append(const Instruction& instruction) {
  const Row& row = row_of(instruction.operation);
  const auto wrong = [&](std::string_view what) { return fmt::format("{}: {}.", row.mnemonic, what); };
  if (!has_form(instruction)) return wrong("there is no form of it with just that device and offset");
  for (const Operand operand : row.operands) {
    if (const std::string fault = fault_of(operand, instruction); !fault.empty()) return wrong(fault);
  }
  std::vector<std::uint8_t> encoded;
  encode(instruction, encoded);
  Instruction whole;
  if (decode(Span(encoded), whole).kind == Decoded::Kind::illegal) return wrong("its operands do not fit together");
  return append(Span(encoded));
}

std::string CheckedProgram::assemble(std::string_view text) {
  const auto no_files = [](const std::string&, std::string& error) {
    error = "a program within a program names no files";
    return std::optional<std::string>();
  };
  const auto assembled = assembler::assemble(text, "program", no_files);
  return assembled.ok() ? append(Span(assembled.bytes)) : assembled.diagnostics_text();
}

}  // namespace chimera::embed
