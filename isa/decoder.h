#pragma once
// Bytes to instructions. Total: any bytes give one of four outcomes, and nothing is read past their end.

#include <cstdint>
#include <span>

#include "isa/instruction.h"

namespace chimera {

/// Small enough to be returned in registers.
struct Decoded {
  enum class Kind : std::uint8_t {
    complete,    ///< `size` bytes were decoded
    incomplete,  ///< at least `size` bytes are needed in all before decoding is worth trying again
    illegal,     ///< no instruction starts like this; the stream cannot go on
    too_large,   ///< a payload, text or result over the limit: pass over `size` bytes in all (they may not
                 ///< have arrived yet), or end the stream where `size` is limits::skippable_payload or more.
                 ///< The operation and opcode of the instruction are set
  };
  Kind kind;
  /// With `too_large` only, of a create whose columns are too large: behind `size` bytes there stand a u16 length and
  /// that many bytes of options, to be passed over as well.
  bool options_follow = false;
  std::uint64_t size;
};

/// Decodes the instruction at the front of `stream`. `instruction` is meaningful for `complete` only,
/// but for its operation and opcodes, which `too_large` sets as well. Allocates nothing, throws nothing.
/// A loop is faster if it decodes into the same Instruction every time: making one costs more than most decodes.
[[nodiscard]] Decoded decode(std::span<const std::uint8_t> stream, Instruction& instruction) noexcept;

}  // namespace chimera
