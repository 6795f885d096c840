#pragma once
// Keys: bytes whose order (memcmp, then length) is the order of the values (`compare`). A composite key is the keys of
// its parts, one behind the other; no key is the beginning of another one of the same parts. docs/table-format.md has
// the bytes. -0.0 has the key of 0.0.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "types/error.h"
#include "types/type.h"
#include "types/value.h"

namespace chimera::types {

/// Bytes of a key of this type where each has as many, nullable or not; nothing for the others.
[[nodiscard]] std::optional<std::uint32_t> key_width(const Type& type, bool nullable);

/// Appends the value's key. The type `has_order`, the value passes `check`. Does not look at limits::longest_key.
void append_key(const Value& value, const Type& type, bool nullable, std::vector<std::uint8_t>& to);

/// The error of a key that is longer than limits::longest_key.
[[nodiscard]] std::optional<Error> check_key_size(std::size_t size);

/// Takes the key of one value off the front of `bytes`. corrupt: no value has it.
[[nodiscard]] Result<Value> take_key(std::span<const std::uint8_t>& bytes, const Type& type, bool nullable);

/// The keys of whole numbers, for who has them as such: 8 bytes, those of an i64 and a u64 that are not nullable.
void append_key_i64(std::int64_t value, std::vector<std::uint8_t>& to);
void append_key_u64(std::uint64_t value, std::vector<std::uint8_t>& to);

}  // namespace chimera::types
