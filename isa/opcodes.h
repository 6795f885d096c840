#pragma once
// The instruction set as tables, expanded from opcodes.def when this is compiled.
//
//     bit  7    6 5 4   3     2 1 0
//          W    class   alt   mode
//
// W: 0 the read family, 1 the write family. Class: 0 byte, 1 bytes, 2 block, 3 shape, 4 handle, 5 length, 6 metadata,
// 7 existence. Alt: the class's second operation. Mode: 0 is the row's default, else bit 0 says that a device follows,
// bit 1 that an offset does, and bit 2 alone that neither does. F8-FF and 7F are numbered one by one.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "isa/limits.h"

namespace chimera {

/// The instructions, whatever their mode. `extension` is a 7F with a second opcode that no row has.
enum class Operation : std::uint8_t {
#define INSTRUCTION(operation, ...) operation,
#define EXTENSION(operation, ...) operation,
#include "isa/opcodes.def"
#undef INSTRUCTION
#undef EXTENSION
};

/// Which opcodes a row has, counted from its number, and what they carry (D device, O offset).
enum class Addressing : std::uint8_t {
  bits,      ///< +0, +1 (D), +2 (O), +3 (D O): rows 0x0_ and 0x1_
  full,      ///< +0 (D O), +1 (D), +2 (O), +4
  device,    ///< +0 (D), +4
  placed,    ///< +0 (D O), +2 (O): the offset is never implied
  creation,  ///< +0, +1 (D), +2 (options), +3 (D, options)
  single,    ///< one number; device and offset stand among the operands where it has them
  journal,   ///< the number and all above it
};

/// What may stand in the stream behind an opcode. Integers are little-endian.
enum class Operand : std::uint8_t {
  device,         ///< 16 bytes, RFC 4122 order
  second_device,  ///< 16 bytes
  offset,         ///< u64
  second_offset,  ///< u64
  count32,        ///< u32
  count64,        ///< u64
  value8,         ///< u8
  token,          ///< 16 bytes
  block,          ///< 4096 bytes
  name,           ///< u16 length, bytes
  prefix,         ///< u16 length, bytes: the beginning of a name, perhaps empty
  after,          ///< u16 length, bytes: a name to start after, perhaps empty
  options,        ///< u16 length, bytes: `key=value` pairs separated by commas
  credentials,    ///< u16 length, bytes, perhaps none
  columns,        ///< u32 length, bytes
  bytes,          ///< u32 count, bytes
  device_names,   ///< u32 n, n times (device, name)
  operands,       ///< behind 7F xx: all the bytes that its length covers
};

/// What stands behind status 0.
enum class Result : std::uint8_t {
  none,
  byte,
  bytes,     ///< as many as the instruction's count
  block,     ///< 4096 bytes
  text,      ///< u32 length, bytes
  extents,   ///< u32 n, n times (length u64, flags u32)
  uuid,      ///< 16 bytes
  uuids,     ///< as many as the instruction's count, 16 bytes each
  devices,   ///< u32 n, n times (UUID, u16 length, name)
  u64,       ///< 8 bytes
  digest,    ///< 32 bytes
  greeting,  ///< 31 bytes: version 3 x u8, block size u32, largest transfer u32, most open u32, session u64, features
             ///< u64
};

/// The bytes that an instruction touches, which Instruction::count tells.
enum class Access : std::uint8_t { none, byte, block, counted };

/// What an instruction does, as a set of bits.
namespace properties {
inline constexpr std::uint16_t reads = 1;           ///< looks at a device
inline constexpr std::uint16_t writes = 2;          ///< changes a device: refused where that one is read only
inline constexpr std::uint16_t metadata = 4;        ///< of the metadata, not of the data
inline constexpr std::uint16_t moves_cursor = 8;    ///< to the end of its access
inline constexpr std::uint16_t sets_cursor = 16;    ///< to its offset
inline constexpr std::uint16_t makes_current = 32;  ///< makes a device current that it opens or creates, or its target
inline constexpr std::uint16_t control = 64;        ///< concerns a transaction or the whole store, not one device
inline constexpr std::uint16_t protects = 128;      ///< changes whether the device is read only
inline constexpr std::uint16_t needs_device = 256;  ///< derived: acts on a device that exists, named or current
}  // namespace properties

/// The operands of one row, at most `most`.
struct OperandList {
  static constexpr std::size_t most = 8;
  std::array<Operand, most> items{};
  std::uint8_t size = 0;

  constexpr OperandList() = default;
  template <typename... Operands>
  explicit constexpr OperandList(Operands... operands)
      : items{operands...}, size{static_cast<std::uint8_t>(sizeof...(operands))} {}

  constexpr void add(Operand operand) { items[size++] = operand; }
  [[nodiscard]] constexpr const Operand* begin() const { return items.data(); }
  [[nodiscard]] constexpr const Operand* end() const { return items.data() + size; }
  [[nodiscard]] constexpr bool has(Operand wanted) const {
    for (Operand operand : *this) {
      if (operand == wanted) return true;
    }
    return false;
  }
};

/// One row of opcodes.def.
struct Row {
  Operation operation;
  std::string_view name;      ///< the operation's identifier, words joined by _
  std::string_view mnemonic;  ///< the words of the table
  bool is_extension;          ///< the number is the second opcode, behind 0x7F
  std::uint8_t number;
  Addressing addressing;
  OperandList operands;  ///< those behind device and offset
  Access access;
  Result result;
  std::uint16_t properties;
  std::string_view meaning;

  [[nodiscard]] constexpr bool has(std::uint16_t property) const { return (properties & property) != 0; }
};

/// The opcode behind which the second opcode of an extension stands.
inline constexpr std::uint8_t extension_opcode = 0x7F;
/// 7F, second opcode, u32 length of the operands.
inline constexpr std::size_t extension_header = 6;

namespace detail {
using enum Operand;

constexpr std::uint16_t all_properties(Addressing addressing, const OperandList& operands, unsigned properties) {
  const bool addressed = addressing == Addressing::bits || addressing == Addressing::full ||
                         addressing == Addressing::device || addressing == Addressing::placed;
  const bool needs = addressed || operands.has(device) || operands.has(offset) || operands.has(device_names);
  return static_cast<std::uint16_t>(properties | (needs ? properties::needs_device : 0u));
}

#define CHIMERA_LIST(...) \
  OperandList { __VA_ARGS__ }
#define CHIMERA_ROW(is_extension, operation, mnemonic, number, addressing, operands, access, result, bits, meaning) \
  Row{Operation::operation,                                                                                         \
      #operation,                                                                                                   \
      mnemonic,                                                                                                     \
      is_extension,                                                                                                 \
      number,                                                                                                       \
      Addressing::addressing,                                                                                       \
      CHIMERA_LIST operands,                                                                                        \
      Access::access,                                                                                               \
      Result::result,                                                                                               \
      all_properties(Addressing::addressing, CHIMERA_LIST operands, bits),                                          \
      meaning},
}  // namespace detail

/// Every row, in the order of Operation.
inline constexpr auto rows = [] {
  using namespace detail;
  using namespace properties;
  return std::to_array<Row>({
#define INSTRUCTION(...) CHIMERA_ROW(false, __VA_ARGS__)
#define EXTENSION(...) CHIMERA_ROW(true, __VA_ARGS__)
#include "isa/opcodes.def"
#undef INSTRUCTION
#undef EXTENSION
#undef CHIMERA_ROW
#undef CHIMERA_LIST
  });
}();

inline constexpr std::size_t operation_count = rows.size();

[[nodiscard]] constexpr const Row& row_of(Operation operation) { return rows[static_cast<std::size_t>(operation)]; }
[[nodiscard]] constexpr std::string_view mnemonic(Operation operation) { return row_of(operation).mnemonic; }

/// One legal opcode: a row in one of its modes.
struct Form {
  Operation operation{};
  bool legal = false;
  bool has_device = false;     ///< carries the device that the row would otherwise imply
  bool has_offset = false;     ///< carries the offset that the row would otherwise imply
  bool fixed = false;          ///< no operand of a varying length
  bool answers_count = false;  ///< the result has as many bytes as Instruction::count says
  std::uint16_t minimum = 0;   ///< bytes of the opcode and its operands where all varying ones are empty;
                               ///< for extensions of the operands alone
  std::uint16_t unit = 0;      ///< what Instruction::count is unless an operand tells
  OperandList operands;        ///< all that stand in the stream, device and offset included
};

/// The form of a first opcode, `legal` false where there is none; 0x7F: the form of `extension`.
[[nodiscard]] const Form& form_of(std::uint8_t opcode) noexcept;
/// The form of a second opcode; the one of `extension` where no row has it.
[[nodiscard]] const Form& form_of_extension(std::uint8_t second) noexcept;
/// The opcodes of a row, from its fullest form to the barest, at most four (journal record: its first).
struct Opcodes {
  std::array<std::uint8_t, 4> items{};
  std::uint8_t size = 0;
  [[nodiscard]] constexpr const std::uint8_t* begin() const { return items.data(); }
  [[nodiscard]] constexpr const std::uint8_t* end() const { return items.data() + size; }
};
[[nodiscard]] constexpr Opcodes opcodes_of(const Row& row) {
  const auto at = [&row](auto... steps) {
    return Opcodes{{static_cast<std::uint8_t>(row.number + steps)...}, sizeof...(steps)};
  };
  switch (row.addressing) {
    case Addressing::bits: return at(3, 1, 2, 0);
    case Addressing::full: return at(0, 1, 2, 4);
    case Addressing::device: return at(0, 4);
    case Addressing::placed: return at(0, 2);
    case Addressing::creation: return at(3, 1, 2, 0);
    case Addressing::single:
    case Addressing::journal: break;
  }
  return at(0);
}

}  // namespace chimera
