#pragma once
// The version that `hello` tells: the project's.

#include <array>
#include <cstdint>

namespace chimera::vm {

inline constexpr std::array<std::uint8_t, 3> version{0, 1, 0};

}  // namespace chimera::vm
