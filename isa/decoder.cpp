#include "isa/decoder.h"

#include <cstring>
#include <type_traits>

#include "isa/bytes.h"
#include "isa/forms.h"

namespace chimera {
namespace {

using Kind = Decoded::Kind;
using Bytes = std::span<const std::uint8_t>;

constexpr Decoded outcome(Kind kind, std::uint64_t size) { return {.kind = kind, .size = size}; }

/// Takes operands from the front of what follows an opcode. `needed` is the size of the whole instruction as far as
/// it is known: its form's minimum and the varying parts seen so far. Everything below `needed` has arrived.
class OperandReader {
 public:
  OperandReader(Bytes stream, std::size_t position, std::uint64_t needed)
      : stream_{stream}, at_{stream.data() + position}, needed_{needed} {}

  [[nodiscard]] std::uint64_t needed() const { return needed_; }

  Uuid uuid() {
    Uuid value;
    std::memcpy(value.data, at_, sizeof value.data);
    at_ += sizeof value.data;
    return value;
  }

  template <typename Integer>
  Integer integer() {
    const auto value = load<Integer>(at_);
    at_ += sizeof value;
    return value;
  }

  /// `size` bytes that the form's minimum counts.
  Bytes fixed(std::size_t size) { return {take(size), size}; }

  /// Makes sure that a varying part of `size` bytes has arrived.
  bool varying(std::uint64_t size) {
    needed_ += size;
    return needed_ <= stream_.size();
  }

  const std::uint8_t* take(std::size_t size) {
    const std::uint8_t* const from = at_;
    at_ += size;
    return from;
  }

  std::string_view text(std::size_t size) { return {reinterpret_cast<const char*>(take(size)), size}; }

  /// What is left of the stream.
  [[nodiscard]] Bytes rest() const {
    return stream_.last(static_cast<std::size_t>(stream_.data() + stream_.size() - at_));
  }

 private:
  Bytes stream_;
  const std::uint8_t* at_;
  std::uint64_t needed_;
};

/// A text with a u16 length in front.
inline bool read_text16(OperandReader& reader, std::string_view& text) {
  const auto size = reader.integer<std::uint16_t>();
  if (!reader.varying(size)) return false;
  text = reader.text(size);
  return true;
}

/// Measures a snapshot's list of `count` (device, name) pairs at the front of `list`; greater than its size where the
/// list ends before that.
std::size_t device_names_size(Bytes list, std::uint64_t count) {
  constexpr std::size_t smallest = sizeof(Uuid) + sizeof(std::uint16_t);
  std::size_t size = 0;
  for (; count > 0; --count) {
    if (list.size() - size < smallest) return list.size() + 1;
    const std::size_t name = load<std::uint16_t>(list.data() + size + sizeof(Uuid));
    if (list.size() - size - smallest < name) return list.size() + 1;
    size += smallest + name;
  }
  return size;
}

/// The operands that a payload or text follows, or whose end is not known from their front.
Kind read_long_operand(Operand operand, OperandReader& reader, Instruction& to) {
  if (operand == Operand::operands) {
    to.payload = reader.rest();
    (void)reader.varying(to.payload.size());
    return Kind::complete;
  }
  const auto count = reader.integer<std::uint32_t>();
  if (operand == Operand::device_names) {
    to.count = count;
    const Bytes rest = reader.rest();
    const std::size_t size = device_names_size(rest, count);
    if (!reader.varying(size)) return Kind::incomplete;
    to.payload = rest.first(size);
    return Kind::complete;
  }
  const bool arrived = reader.varying(count);
  if (count > limits::largest_transfer) return Kind::too_large;
  if (!arrived) return Kind::incomplete;
  if (operand == Operand::columns) {
    to.text = reader.text(count);
  } else {
    to.count = count;
    to.payload = reader.fixed(count);
  }
  return Kind::complete;
}

/// Reads one operand into its field.
inline Kind read_operand(Operand operand, OperandReader& reader, Instruction& to) {
  bool arrived = true;
  switch (operand) {
    case Operand::device: to.device = reader.uuid(); break;
    case Operand::second_device: to.second_device = reader.uuid(); break;
    case Operand::offset: to.offset = reader.integer<std::uint64_t>(); break;
    case Operand::second_offset: to.second_offset = reader.integer<std::uint64_t>(); break;
    case Operand::count32: to.count = reader.integer<std::uint32_t>(); break;
    case Operand::count64: to.count = reader.integer<std::uint64_t>(); break;
    case Operand::value8: to.payload = reader.fixed(1); break;
    case Operand::token: to.payload = reader.fixed(16); break;
    case Operand::block: to.payload = reader.fixed(limits::block_size); break;
    case Operand::name:
    case Operand::prefix: arrived = read_text16(reader, to.name); break;
    case Operand::after: arrived = read_text16(reader, to.second_name); break;
    case Operand::options:
      to.has_options = true;
      arrived = read_text16(reader, to.options);
      break;
    case Operand::credentials: {
      std::string_view text;
      arrived = read_text16(reader, text);
      to.payload = {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
      break;
    }
    case Operand::columns:
    case Operand::bytes:
    case Operand::device_names:
    case Operand::operands: return read_long_operand(operand, reader, to);
  }
  return arrived ? Kind::complete : Kind::incomplete;
}

/// True where the answer alone would be over the limit: the rows whose result is as long as their count says.
inline bool result_too_large(const Form& form, const Instruction& instruction) {
  return form.answers_count && instruction.count > limits::largest_transfer;
}

/// Reads all operands of a form whose minimum has arrived.
inline Decoded read_operands(const Form& form, OperandReader& reader, Instruction& to) {
  for (std::size_t i = 0; i < form.operands.size; ++i) {
    const Operand operand = form.operands.items[i];
    const Kind kind = read_operand(operand, reader, to);
    if (kind == Kind::complete) continue;
    if (kind == Kind::too_large && i + 1 < form.operands.size) {
      // Only a create's options can stand behind a text; their length is not known before the text has passed.
      return {.kind = kind, .options_follow = true, .size = reader.needed() - sizeof(std::uint16_t)};
    }
    return outcome(kind, reader.needed());
  }
  if (result_too_large(form, to)) return outcome(Kind::too_large, reader.needed());
  return outcome(Kind::complete, reader.needed());
}

/// 7F: the second opcode, the length of all operands, and operands that must agree with it.
Decoded decode_extension(Bytes stream, Instruction& to) {
  if (stream.size() < extension_header) return outcome(Kind::incomplete, extension_header);
  to.extension = stream[1];
  const Form& form = detail::extension_forms[to.extension];
  to.operation = form.operation;
  to.has_device = form.has_device;
  to.has_offset = form.has_offset;
  const std::uint64_t length = load<std::uint32_t>(stream.data() + 2);
  const std::uint64_t size = extension_header + length;
  if (length < form.minimum || (form.fixed && length != form.minimum)) return outcome(Kind::illegal, 0);

  if (length > std::uint64_t{limits::largest_transfer} + form.minimum) {
    // Too large or illegal: the counts in front of the operands tell, as far as they do without the rest.
    const std::uint64_t front = extension_header + form.minimum;
    if (stream.size() < front) return outcome(Kind::incomplete, front);
    if (form.operands.has(Operand::name)) return outcome(Kind::illegal, 0);
    if (form.operands.has(Operand::bytes)) {
      const std::uint64_t count = load<std::uint32_t>(stream.data() + front - sizeof(std::uint32_t));
      if (count != length - form.minimum) return outcome(Kind::illegal, 0);
    }
    return outcome(Kind::too_large, size);
  }
  if (stream.size() < size) return outcome(Kind::incomplete, size);

  OperandReader reader{stream.first(static_cast<std::size_t>(size)), extension_header, extension_header + form.minimum};
  const Decoded decoded = read_operands(form, reader, to);
  if (decoded.kind != Kind::complete || decoded.size != size) return outcome(Kind::illegal, 0);
  return decoded;
}

/// Zeros all fields, 16 bytes at a time. Left to itself the compiler takes `rep stos`, whose start costs more than all
/// the rest of a small instruction's decoding.
inline void clear(Instruction& instruction) {
  static_assert(std::is_trivially_copyable_v<Instruction>);
  constexpr std::size_t chunk = 16;
  auto* const at = reinterpret_cast<std::uint8_t*>(&instruction);
#pragma GCC unroll 16
  for (std::size_t i = 0; i < sizeof(Instruction) / chunk; ++i) std::memset(at + i * chunk, 0, chunk);
  std::memset(at + sizeof(Instruction) / chunk * chunk, 0, sizeof(Instruction) % chunk);
}

}  // namespace

Decoded decode(Bytes stream, Instruction& instruction) noexcept {
  if (stream.empty()) return outcome(Kind::incomplete, 1);
  const std::uint8_t opcode = stream[0];
  const Form& form = detail::first_forms[opcode];
  if (!form.legal) return outcome(Kind::illegal, 0);
  clear(instruction);
  instruction.opcode = opcode;
  instruction.operation = form.operation;
  if (opcode == extension_opcode) return decode_extension(stream, instruction);
  if (stream.size() < form.minimum) return outcome(Kind::incomplete, form.minimum);
  instruction.has_device = form.has_device;
  instruction.has_offset = form.has_offset;
  instruction.count = form.unit;
  OperandReader reader{stream, 1, form.minimum};
  return read_operands(form, reader, instruction);
}

}  // namespace chimera
