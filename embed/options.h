#pragma once
// The options that a caller has given, looked at once.

#include "embed/failure.h"
#include "include/chimera.h"

namespace chimera::embed {

/// The caller's, with 0 for what its version of the structure does not have, and every choice within its range.
/// Null: all as usual.
[[nodiscard]] Outcome<chimera_options> read_options(const chimera_options* options);

/// Exactly one of a path and a disk of the caller's own.
[[nodiscard]] Outcome<> check_place(const char* path, const chimera_options& options);

}  // namespace chimera::embed
