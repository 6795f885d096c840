#pragma once
// One decoded instruction: a view of the bytes that it was decoded from.

#include <cstdint>
#include <span>
#include <string_view>

#include "isa/opcodes.h"
#include "isa/uuid.h"

namespace chimera {

/// What an instruction asks for. The spans and views point into the decoded stream and live as long as it.
/// Fields that the instruction's row does not have are zero or empty.
struct Instruction {
  Operation operation{};            ///< the row of the table, whatever the mode
  std::uint8_t opcode = 0;          ///< the first byte
  std::uint8_t extension = 0;       ///< the second byte where the first is 0x7F
  bool has_device = false;          ///< the device stands in the stream; otherwise the current one is meant
  bool has_offset = false;          ///< the offset stands in the stream; otherwise the cursor is meant
  Uuid device{};                    ///< copy bytes: from; compare devices, roll back device: the first
  Uuid second_device{};             ///< copy bytes: to; compare devices, roll back device: the second
  std::uint64_t offset = 0;         ///< copy bytes: from; write length: the new length
  std::uint64_t second_offset = 0;  ///< copy bytes: to
  std::uint64_t count = 0;          ///< count32 or count64; 1 for byte rows, 4096 for block rows
  /// Bytes, block, value8 (one byte), token, credentials; snapshot: its packed (device, name) list,
  /// whose length in entries is `count`; an unknown or journal extension: all of its operands.
  std::span<const std::uint8_t> payload;
  std::string_view name;         ///< not validated: a bad one is the machine's to answer (18)
  std::string_view second_name;  ///< list devices: the name to start after
  std::string_view text;         ///< columns
  std::string_view options;      ///< `key=value` pairs
  bool has_options = false;
};

}  // namespace chimera
