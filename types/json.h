#pragma once
// Values as JSON and back, without loss for any type. docs/table-format.md has the form of each kind.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "types/error.h"
#include "types/type.h"
#include "types/value.h"

namespace chimera::types {

/// Appends a value of the type, or null. One line, no blanks.
void append_json(const Value& value, const Type& type, std::string& to);
[[nodiscard]] std::string to_json(const Value& value, const Type& type);
/// As where the type is any.
[[nodiscard]] std::string to_json(const Value& value);

/// The value that all of the text is. Its errors name the path in the value, and its offset in the text.
[[nodiscard]] Result<Value> from_json(std::string_view text, const Type& type, bool nullable);

/// A row: an object with the members as fields, in any order. A field that lacks is nothing in the result, whose
/// entries stand in the members' order; one that is no member's is an error.
[[nodiscard]] Result<std::vector<std::optional<Value>>> row_from_json(std::string_view text,
                                                                      std::span<const Member> members);
/// Appends an object; `values` are the members', in their order.
void append_json_row(std::span<const Value> values, std::span<const Member> members, std::string& to);

/// Appends a JSON string.
void append_json_string(std::string_view text, std::string& to);

}  // namespace chimera::types
