#pragma once
// Values whose bytes say what they are: what any, unknown, object and union hold, and whatever has others inside it and
// no fixed width. docs/table-format.md has the bytes. Each value has exactly one encoding, and what is not that of any
// value is refused: decode and encode are each other's inverse.

#include <cstdint>
#include <span>
#include <vector>

#include "types/error.h"
#include "types/value.h"

namespace chimera::types {

/// Appends the encoding. Values inside each other more than limits::most_depth deep have none: `check` finds them.
void encode_self_describing(const Value& value, std::vector<std::uint8_t>& to);

/// The value that all of the bytes are. Total: any bytes give a value or an Error (corrupt), nothing is read past their
/// end, and memory stays in proportion to them.
[[nodiscard]] Result<Value> decode_self_describing(std::span<const std::uint8_t> bytes);

}  // namespace chimera::types
