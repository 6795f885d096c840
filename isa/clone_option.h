#pragma once
// The one option of `create device` that stands alone.

#include <optional>
#include <string_view>

#include "isa/uuid.h"

namespace chimera {

/// `clone=UUID`, and nothing else: the device is to be a clone of that one. Nothing for anything else, which is for
/// parse_create_options.
[[nodiscard]] std::optional<Uuid> parse_clone_option(std::string_view options) noexcept;

}  // namespace chimera
