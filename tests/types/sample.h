#pragma once
// Types and values made at random.

#include <random>

#include "types/type.h"
#include "types/value.h"

namespace chimera::types::test {

using Random = std::mt19937_64;

/// A type of at most that depth. `ordered`: one whose values have an order.
Type random_type(Random& random, unsigned depth, bool ordered = false);

/// A value that passes `check`: often one at a limit of its type, and often one that is near others, so that two of
/// them may be equal.
Value random_value(Random& random, const Type& type, bool nullable = false);

/// A value of any kind, with values inside it down to that depth.
Value random_any(Random& random, unsigned depth);

}  // namespace chimera::types::test
