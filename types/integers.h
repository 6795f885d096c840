#pragma once
// Integers of 128 bits, which the language has as an extension only.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace chimera::types {

__extension__ using U128 = unsigned __int128;
__extension__ using I128 = __int128;

inline constexpr U128 greatest_u128 = ~U128{0};
inline constexpr I128 greatest_i128 = static_cast<I128>(greatest_u128 >> 1);
inline constexpr I128 least_i128 = -greatest_i128 - 1;

/// An integer of either sign, wide enough for every kind.
struct Integer {
  bool negative = false;
  U128 magnitude = 0;

  /// What it is modulo 2^128: two's complement.
  [[nodiscard]] constexpr U128 bits() const { return negative ? ~magnitude + 1 : magnitude; }
};

[[nodiscard]] constexpr Integer integer_of(I128 value) {
  return value < 0 ? Integer{true, ~static_cast<U128>(value) + 1} : Integer{false, static_cast<U128>(value)};
}

/// Decimal digits, with a minus in front or without; nothing for anything else and what 128 bits do not hold.
[[nodiscard]] std::optional<Integer> parse_integer(std::string_view text) noexcept;

void append_decimal(std::string& to, Integer value);

}  // namespace chimera::types
