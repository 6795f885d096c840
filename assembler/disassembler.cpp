#include "assembler/disassembler.h"

#include <fmt/format.h>
#include <algorithm>
#include <boost/uuid/uuid_io.hpp>
#include <iterator>
#include <string_view>

#include "assembler/quoting.h"
#include "isa/bytes.h"
#include "isa/decoder.h"

namespace chimera::assembler {
namespace {

using Bytes = std::span<const std::uint8_t>;

std::string_view as_text(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

void append_device(std::string& to, const Uuid& device) {
  to += ' ';
  to += to_string(device);
}

void append_offset(std::string& to, std::uint64_t offset) {
  if (offset < 10) {
    fmt::format_to(std::back_inserter(to), " @{}", offset);
  } else {
    fmt::format_to(std::back_inserter(to), " @{:#x}", offset);
  }
}

void append_count(std::string& to, std::uint64_t count) { fmt::format_to(std::back_inserter(to), " #{}", count); }

void append_value(std::string& to, std::uint8_t value) { fmt::format_to(std::back_inserter(to), " {:#04x}", value); }

void append_payload(std::string& to, Bytes bytes) {
  to += ' ';
  append_bytes(to, as_text(bytes));
}

void append_string(std::string& to, std::string_view text) {
  to += ' ';
  append_quoted(to, text);
}

/// A snapshot's packed list.
void append_device_names(std::string& to, Bytes list, std::uint64_t count) {
  for (; count > 0; --count) {
    Uuid device;
    std::copy_n(list.begin(), sizeof(Uuid), device.begin());
    const std::size_t size = load<std::uint16_t>(list.data() + sizeof(Uuid));
    list = list.subspan(sizeof(Uuid) + sizeof(std::uint16_t));
    append_device(to, device);
    append_string(to, as_text(list.first(size)));
    list = list.subspan(size);
  }
}

void append_operand(std::string& to, Operand operand, const Instruction& from) {
  switch (operand) {
    case Operand::device: return append_device(to, from.device);
    case Operand::second_device: return append_device(to, from.second_device);
    case Operand::offset: return append_offset(to, from.offset);
    case Operand::second_offset: return append_offset(to, from.second_offset);
    case Operand::count32:
    case Operand::count64: return append_count(to, from.count);
    case Operand::value8: return append_value(to, from.payload[0]);
    case Operand::token:
    case Operand::block:
    case Operand::bytes: return append_payload(to, from.payload);
    case Operand::name:
    case Operand::prefix: return append_string(to, from.name);
    case Operand::after: return append_string(to, from.second_name);
    case Operand::options: return append_string(to, from.options);
    case Operand::columns: return append_string(to, from.text);
    case Operand::credentials:
      if (!from.payload.empty()) append_payload(to, from.payload);
      return;
    case Operand::device_names: return append_device_names(to, from.payload, from.count);
    case Operand::operands:
      append_value(to, from.extension);
      if (!from.payload.empty()) append_payload(to, from.payload);
      return;
  }
}

/// A comment that says where an instruction stands and what its bytes are; the end of long ones left out.
void append_annotation(std::string& to, std::size_t line_begin, std::uint64_t offset, Bytes bytes) {
  constexpr std::size_t column = 48;
  constexpr std::size_t most_bytes = 24;
  const std::size_t width = to.size() - line_begin;
  to.append(width < column ? column - width : 1, ' ');
  fmt::format_to(std::back_inserter(to), "; {:06x} ", offset);
  for (std::uint8_t byte : bytes.first(std::min(bytes.size(), most_bytes))) {
    fmt::format_to(std::back_inserter(to), " {:02x}", byte);
  }
  if (bytes.size() > most_bytes) fmt::format_to(std::back_inserter(to), " … {} bytes", bytes.size());
}

/// What could not be decoded, as directives.
void append_raw(std::string& to, std::string_view why, std::uint64_t offset, Bytes bytes) {
  constexpr std::size_t bytes_a_line = 32;
  fmt::format_to(std::back_inserter(to), "; at {:#x}: {}\n", offset, why);
  while (!bytes.empty()) {
    const Bytes line = bytes.first(std::min(bytes.size(), bytes_a_line));
    to += ".bytes ";
    append_hexadecimal(to, as_text(line));
    to += '\n';
    bytes = bytes.subspan(line.size());
  }
}

/// How much of `rest` has to stay raw: an instruction that is too large can be passed over, anything else ends it.
std::size_t raw_size(const Decoded& decoded, Bytes rest) {
  if (decoded.kind != Decoded::Kind::too_large || decoded.options_follow) return rest.size();
  return static_cast<std::size_t>(std::min<std::uint64_t>(decoded.size, rest.size()));
}

std::string_view reason(Decoded::Kind kind) {
  switch (kind) {
    case Decoded::Kind::illegal: return "no instruction begins like this";
    case Decoded::Kind::too_large: return "an instruction over the largest transfer";
    case Decoded::Kind::incomplete:
    case Decoded::Kind::complete: break;
  }
  return "the stream breaks off inside an instruction";
}

}  // namespace

std::string disassemble(const Instruction& instruction) {
  const Row& row = row_of(instruction.operation);
  std::string text{row.mnemonic};
  const Form& form = row.is_extension || instruction.operation == Operation::extension
                         ? form_of_extension(instruction.extension)
                         : form_of(instruction.opcode);
  for (Operand operand : form.operands) append_operand(text, operand, instruction);
  return text;
}

std::string disassemble(Bytes stream, const DisassemblyOptions& options) {
  std::string text;
  std::size_t offset = 0;
  while (offset < stream.size()) {
    Instruction instruction;
    const Bytes rest = stream.subspan(offset);
    const Decoded decoded = decode(rest, instruction);
    if (decoded.kind != Decoded::Kind::complete) {
      const Bytes raw = rest.first(raw_size(decoded, rest));
      append_raw(text, reason(decoded.kind), offset, raw);
      offset += raw.size();
      continue;
    }
    const auto size = static_cast<std::size_t>(decoded.size);
    const std::size_t line_begin = text.size();
    text += disassemble(instruction);
    if (options.annotate) append_annotation(text, line_begin, offset, rest.first(size));
    text += '\n';
    offset += size;
  }
  return text;
}

}  // namespace chimera::assembler
