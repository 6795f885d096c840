#pragma once
// Every kind of writing instruction, at the places of two small devices where its work differs.

#include <span>
#include <string_view>

#include "isa/builder.h"
#include "isa/uuid.h"

namespace chimera::simulation {

/// What they work on: `a` of three blocks and a half, with metadata and columns, and `b`, a clone of it that has gone
/// its own way.
struct TwoDevices {
  Uuid a, b;
};

struct WritingInstruction {
  std::string_view name;
  void (*append)(Program&, const TwoDevices&);
};

[[nodiscard]] std::span<const WritingInstruction> writing_instructions();

}  // namespace chimera::simulation
