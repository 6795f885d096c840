#include "types/integers.h"

#include <array>

namespace chimera::types {

namespace {

/// Digits that 64 bits hold, whatever they are.
constexpr std::size_t short_digits = 19;

/// Divisions of 128 bits are calls and cost as much as all the rest, so most numbers go this way.
std::optional<U128> parse_short(std::string_view digits) noexcept {
  std::uint64_t number = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return number;
}

std::optional<U128> parse_long(std::string_view digits) noexcept {
  constexpr U128 most = greatest_u128 / 10;
  constexpr unsigned most_digit = static_cast<unsigned>(greatest_u128 % 10);
  U128 number = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    const auto digit = static_cast<unsigned>(c - '0');
    if (number > most || (number == most && digit > most_digit)) return std::nullopt;
    number = number * 10 + digit;
  }
  return number;
}

}  // namespace

std::optional<Integer> parse_integer(std::string_view text) noexcept {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  if (text.empty()) return std::nullopt;
  const std::optional<U128> magnitude = text.size() <= short_digits ? parse_short(text) : parse_long(text);
  if (!magnitude) return std::nullopt;
  return Integer{negative && *magnitude != 0, *magnitude};
}

void append_decimal(std::string& to, Integer value) {
  std::array<char, 40> digits;
  std::size_t at = digits.size();
  while (value.magnitude >> 64 != 0) {
    digits[--at] = static_cast<char>('0' + static_cast<int>(value.magnitude % 10));
    value.magnitude /= 10;
  }
  auto rest = static_cast<std::uint64_t>(value.magnitude);
  do {
    digits[--at] = static_cast<char>('0' + static_cast<int>(rest % 10));
    rest /= 10;
  } while (rest != 0);
  if (value.negative) to += '-';
  to.append(digits.data() + at, digits.size() - at);
}

}  // namespace chimera::types
