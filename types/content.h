#pragma once
// The bytes of a value of a variable type, which stand in a slot or at its place: those of a string, blob or function
// as they are, of everything else the self-describing encoding.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "types/error.h"
#include "types/type.h"
#include "types/value.h"

namespace chimera::types {

/// Whether the content is the value's own bytes, `as_bytes`: nothing has to be encoded.
[[nodiscard]] inline bool is_plain(const Type& type) {
  return type.kind == Kind::string || type.kind == Kind::blob || type.kind == Kind::function;
}

/// The content of a value that is not null and passes `check`: a view of its own bytes where the type is plain, else of
/// what is appended to `scratch`, which must outlive the view unchanged.
[[nodiscard]] std::span<const std::uint8_t> content_of(const Value& value, const Type& type,
                                                       std::vector<std::uint8_t>& scratch);

/// The value that the bytes are. corrupt: none of this type.
[[nodiscard]] Result<Value> value_of_content(std::span<const std::uint8_t> content, const Type& type);
/// The same into a value that is there, whose memory is used again if it can be.
[[nodiscard]] std::optional<Error> read_content(std::span<const std::uint8_t> content, const Type& type, Value& value);

}  // namespace chimera::types
