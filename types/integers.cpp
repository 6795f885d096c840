#include "types/integers.h"

#include <array>

namespace chimera::types {

std::optional<Integer> parse_integer(std::string_view text) noexcept {
  Integer integer;
  if (text.starts_with('-')) {
    integer.negative = true;
    text.remove_prefix(1);
  }
  if (text.empty()) return std::nullopt;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    const auto digit = static_cast<unsigned>(c - '0');
    if (integer.magnitude > (greatest_u128 - digit) / 10) return std::nullopt;
    integer.magnitude = integer.magnitude * 10 + digit;
  }
  if (integer.magnitude == 0) integer.negative = false;
  return integer;
}

void append_decimal(std::string& to, Integer value) {
  std::array<char, 40> digits;
  std::size_t at = digits.size();
  do {
    digits[--at] = static_cast<char>('0' + static_cast<int>(value.magnitude % 10));
    value.magnitude /= 10;
  } while (value.magnitude != 0);
  if (value.negative) to += '-';
  to.append(digits.data() + at, digits.size() - at);
}

}  // namespace chimera::types
