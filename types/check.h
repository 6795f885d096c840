#pragma once
// Whether a value is one of a type, and making it one.

#include <optional>

#include "types/error.h"
#include "types/type.h"
#include "types/value.h"

namespace chimera::types {

/// What keeps the value from being of that type. Exact: kinds have to be the same, a structure has its type's fields in
/// their order. What this lets pass, every encoder takes.
[[nodiscard]] std::optional<Error> check(const Value& value, const Type& type, bool nullable);

/// Makes of the value what the type wants where nothing is lost, then checks it: an integer of another kind whose value
/// fits; an integer or a wider float for a float that has exactly this value; a string for an enum's variant; an object
/// or a structure in another order for a structure, whose nullable fields may lack; an array for a set; for a union the
/// first alternative that the value itself is of. After an error the value is as it was or partly changed.
[[nodiscard]] std::optional<Error> conform(Value& value, const Type& type, bool nullable);

/// How a value is shown in an error: its JSON, cut off where it is long.
[[nodiscard]] std::string shown(const Value& value);

}  // namespace chimera::types
