#pragma once
// The order of the values of a type: numbers by size, NaN behind all others, -0.0 equal to 0.0; strings and bytes by
// their bytes; enums by the place of their variants; lists element by element, the shorter first; null before all else.

#include <compare>

#include "types/type.h"
#include "types/value.h"

namespace chimera::types {

/// Whether the type's values have an order, and so a key: all but any, unknown, object, interface and what holds one.
[[nodiscard]] bool has_order(const Type& type);

/// Of two values of the type, or nulls; `has_order(type)`. The order of the bytes of keys is this one.
[[nodiscard]] std::weak_ordering compare(const Value& left, const Value& right, const Type& type);

/// Of any two values: kinds by their numbers, then as `compare`, but variants by their names, and -0.0 before 0.0, so
/// that only identical values are equal. Sets are in this order.
[[nodiscard]] std::strong_ordering total_order(const Value& left, const Value& right);

}  // namespace chimera::types
