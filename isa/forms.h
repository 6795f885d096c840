#pragma once
// The two tables behind form_of and form_of_extension, computed from the rows when this is compiled.
// For the decoder, which must not pay for a call; everyone else asks opcodes.h.

#include <array>
#include <cstdint>

#include "isa/opcodes.h"

namespace chimera::detail {

using Forms = std::array<Form, 256>;

/// The bytes of an operand whose varying part is empty.
constexpr std::uint16_t fixed_size(Operand operand) {
  switch (operand) {
    case device:
    case second_device:
    case token: return 16;
    case offset:
    case second_offset:
    case count64: return 8;
    case count32:
    case columns:
    case bytes:
    case device_names: return 4;
    case name:
    case prefix:
    case after:
    case options:
    case credentials: return 2;
    case value8: return 1;
    case block: return limits::block_size;
    case operands: return 0;
  }
  return 0;
}

constexpr bool varies(Operand operand) {
  switch (operand) {
    case columns:
    case bytes:
    case device_names:
    case name:
    case prefix:
    case after:
    case options:
    case credentials:
    case operands: return true;
    default: return false;
  }
}

constexpr Form make_form(const Row& row, std::uint8_t opcode) {
  const unsigned step = opcode - row.number;
  Form form;
  form.operation = row.operation;
  form.legal = true;
  form.answers_count = row.result == Result::bytes;
  bool with_options = row.addressing != Addressing::creation;
  switch (row.addressing) {
    case Addressing::bits:
      form.has_device = (step & 1) != 0;
      form.has_offset = (step & 2) != 0;
      break;
    case Addressing::full:
      form.has_device = step < 2;
      form.has_offset = step == 0 || step == 2;
      break;
    case Addressing::device: form.has_device = step == 0; break;
    case Addressing::placed:
      form.has_device = step == 0;
      form.has_offset = true;
      break;
    case Addressing::creation:
      form.has_device = (step & 1) != 0;
      with_options = (step & 2) != 0;
      break;
    case Addressing::single:
    case Addressing::journal: break;
  }
  if (form.has_device) form.operands.add(device);
  if (form.has_offset) form.operands.add(offset);
  for (Operand operand : row.operands) {
    if (operand != options || with_options) form.operands.add(operand);
  }
  form.has_device = form.operands.has(device);
  form.has_offset = form.operands.has(offset);
  form.fixed = true;
  form.minimum = row.is_extension ? 0 : 1;
  for (Operand operand : form.operands) {
    form.minimum = static_cast<std::uint16_t>(form.minimum + fixed_size(operand));
    if (varies(operand)) form.fixed = false;
  }
  if (row.access == Access::byte) form.unit = 1;
  if (row.access == Access::block) form.unit = limits::block_size;
  return form;
}

constexpr Forms make_first_forms() {
  Forms forms{};
  for (const Row& row : rows) {
    if (row.is_extension) continue;
    for (std::uint8_t opcode : opcodes_of(row)) forms[opcode] = make_form(row, opcode);
  }
  return forms;
}

constexpr Forms make_extension_forms() {
  Forms forms{};
  forms.fill(make_form(row_of(Operation::extension), extension_opcode));
  for (const Row& row : rows) {
    if (!row.is_extension) continue;
    const unsigned last = row.addressing == Addressing::journal ? 0xFF : row.number;
    for (unsigned second = row.number; second <= last; ++second) forms[second] = make_form(row, row.number);
  }
  // Behind 7F xx the minimum counts operands, not the opcode.
  for (Form& form : forms) {
    if (form.operation == Operation::extension) form.minimum = 0;
  }
  return forms;
}

inline constexpr Forms first_forms = make_first_forms();
inline constexpr Forms extension_forms = make_extension_forms();

}  // namespace chimera::detail
