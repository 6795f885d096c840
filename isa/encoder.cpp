#include "isa/encoder.h"

#include <cassert>
#include <limits>
#include <optional>

#include "isa/bytes.h"
#include "isa/forms.h"

namespace chimera {
namespace {

using Stream = std::vector<std::uint8_t>;

/// The opcode of the form that carries just the operands that the instruction has.
std::optional<std::uint8_t> find_opcode(const Instruction& instruction) {
  const Row& row = row_of(instruction.operation);
  if (row.is_extension) return extension_opcode;
  for (std::uint8_t opcode : opcodes_of(row)) {
    const Form& form = detail::first_forms[opcode];
    if (row.addressing == Addressing::single) return opcode;
    const bool has_options = row.addressing == Addressing::creation && form.operands.has(Operand::options);
    if (form.has_device == instruction.has_device && form.has_offset == instruction.has_offset &&
        has_options == (row.addressing == Addressing::creation && instruction.has_options)) {
      return opcode;
    }
  }
  return std::nullopt;
}

void append(Stream& stream, std::span<const std::uint8_t> bytes) {
  stream.insert(stream.end(), bytes.begin(), bytes.end());
}

void append(Stream& stream, const Uuid& uuid) { append(stream, std::span{uuid.data}); }

void append_text16(Stream& stream, std::string_view text) {
  assert(text.size() <= std::numeric_limits<std::uint16_t>::max());
  append_integer(stream, static_cast<std::uint16_t>(text.size()));
  stream.insert(stream.end(), text.begin(), text.end());
}

template <typename Bytes>
void append_counted(Stream& stream, const Bytes& bytes) {
  assert(bytes.size() <= std::numeric_limits<std::uint32_t>::max());
  append_integer(stream, static_cast<std::uint32_t>(bytes.size()));
  stream.insert(stream.end(), bytes.begin(), bytes.end());
}

void append_operand(Stream& stream, Operand operand, const Instruction& from) {
  switch (operand) {
    case Operand::device: append(stream, from.device); break;
    case Operand::second_device: append(stream, from.second_device); break;
    case Operand::offset: append_integer(stream, from.offset); break;
    case Operand::second_offset: append_integer(stream, from.second_offset); break;
    case Operand::count32:
      assert(from.count <= std::numeric_limits<std::uint32_t>::max());
      append_integer(stream, static_cast<std::uint32_t>(from.count));
      break;
    case Operand::count64: append_integer(stream, from.count); break;
    case Operand::value8:
      assert(from.payload.size() == 1);
      append(stream, from.payload);
      break;
    case Operand::token:
      assert(from.payload.size() == 16);
      append(stream, from.payload);
      break;
    case Operand::block:
      assert(from.payload.size() == limits::block_size);
      append(stream, from.payload);
      break;
    case Operand::name:
    case Operand::prefix: append_text16(stream, from.name); break;
    case Operand::after: append_text16(stream, from.second_name); break;
    case Operand::options: append_text16(stream, from.options); break;
    case Operand::credentials:
      append_text16(stream, {reinterpret_cast<const char*>(from.payload.data()), from.payload.size()});
      break;
    case Operand::columns: append_counted(stream, from.text); break;
    case Operand::bytes: append_counted(stream, from.payload); break;
    case Operand::device_names:
      assert(from.count <= std::numeric_limits<std::uint32_t>::max());
      append_integer(stream, static_cast<std::uint32_t>(from.count));
      append(stream, from.payload);
      break;
    case Operand::operands: append(stream, from.payload); break;
  }
}

void encode_extension(const Instruction& instruction, Stream& stream) {
  const Row& row = row_of(instruction.operation);
  const bool numbered = instruction.operation == Operation::extension || row.addressing == Addressing::journal;
  const std::uint8_t second = numbered ? instruction.extension : row.number;
  assert(detail::extension_forms[second].operation == instruction.operation);
  stream.push_back(extension_opcode);
  stream.push_back(second);
  const std::size_t length_at = stream.size();
  append_integer(stream, std::uint32_t{0});
  const std::size_t operands_at = stream.size();
  for (Operand operand : row.operands) append_operand(stream, operand, instruction);
  const std::size_t length = stream.size() - operands_at;
  assert(length <= std::numeric_limits<std::uint32_t>::max());
  const auto length32 = static_cast<std::uint32_t>(length);
  std::memcpy(stream.data() + length_at, &length32, sizeof length32);
}

}  // namespace

bool has_form(const Instruction& instruction) noexcept { return find_opcode(instruction).has_value(); }

void encode(const Instruction& instruction, Stream& stream) {
  const auto opcode = find_opcode(instruction);
  assert(opcode.has_value());
  if (*opcode == extension_opcode) {
    encode_extension(instruction, stream);
    return;
  }
  stream.push_back(*opcode);
  for (Operand operand : detail::first_forms[*opcode].operands) append_operand(stream, operand, instruction);
}

}  // namespace chimera
