#include "types/scalar_text.h"

#include <fmt/format.h>
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "isa/text.h"
#include "isa/utf8.h"

namespace chimera::types {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Digits, perhaps a point and digits, perhaps an exponent: what JSON calls a number, but leading zeros and a point
/// without digits on one side do no harm.
bool is_decimal(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  std::size_t digits = 0;
  const auto take_digits = [&text] {
    const std::size_t begin = text.size();
    while (!text.empty() && is_digit(text.front())) text.remove_prefix(1);
    return begin - text.size();
  };
  digits += take_digits();
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    digits += take_digits();
  }
  if (digits == 0) return false;
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
    if (take_digits() == 0) return false;
  }
  return text.empty();
}

/// Whether a decimal number too far from 1 for its kind is too small rather than too large: by the power of ten of its
/// first digit that is not zero.
bool is_tiny(std::string_view text) {
  const std::size_t exponent_at = std::min(text.find_first_of("eE"), text.size());
  const std::string_view digits = text.substr(0, exponent_at);
  const std::size_t point = std::min(digits.find('.'), digits.size());
  const std::size_t first = std::min(digits.find_first_of("123456789"), digits.size());
  const auto power = static_cast<std::int64_t>(point) - static_cast<std::int64_t>(first);
  if (exponent_at == text.size()) return power < 0;
  std::string_view exponent = text.substr(exponent_at + 1);
  const bool negative = exponent.starts_with('-');
  exponent.remove_prefix(negative || exponent.starts_with('+') ? 1 : 0);
  std::int64_t value = 0;
  const auto parsed = std::from_chars(exponent.data(), exponent.data() + exponent.size(), value);
  if (parsed.ec != std::errc{}) return negative;  // more than any text has digits
  return power + (negative ? -value : value) < 0;
}

template <typename Real>
Result<double> parse_as(std::string_view text, Kind kind) {
  const std::string_view number = text.starts_with('+') ? text.substr(1) : text;
  Real value{};
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (error == std::errc::result_out_of_range) {
    if (is_tiny(number)) return number.starts_with('-') ? -0.0 : 0.0;
    return bad(fmt::format("{} does not fit {}", cited(text), kind_name(kind)));
  }
  if (error != std::errc{} || end != number.data() + number.size()) {
    return bad(fmt::format("{} is no number", cited(text)));
  }
  return static_cast<double>(value);
}

template <typename Real>
void append_as(std::string& to, Real value) {
  std::array<char, 64> text;
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), value);
  const std::string_view shortest{text.data(), end};
  to += shortest;
  if (shortest.find_first_of(".e") == std::string_view::npos) to += ".0";
}

constexpr std::string_view base64_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int base64_value(char c) {
  const std::size_t at = base64_digits.find(c);
  return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

}  // namespace

std::string cited(std::string_view text) {
  constexpr std::size_t most = 40;
  std::string shown = "'";
  while (!text.empty() && shown.size() < most) {
    const Utf8Character character = first_character(text);
    const std::size_t size = std::max<std::size_t>(character.size, 1);
    const bool is_shown = character.size != 0 && !is_control(character.point);
    shown += is_shown ? text.substr(0, size) : "�";
    text.remove_prefix(size);
  }
  return shown + (text.empty() ? "'" : "…'");
}

void append_real(std::string& to, double value, Kind kind) {
  if (std::isnan(value)) {
    to += "nan";
  } else if (std::isinf(value)) {
    to += value < 0 ? "-inf" : "inf";
  } else if (kind == Kind::f32) {
    append_as(to, static_cast<float>(value));
  } else {
    append_as(to, value);
  }
}

Result<double> parse_real(std::string_view text, Kind kind) {
  if (text == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (text == "inf") return std::numeric_limits<double>::infinity();
  if (text == "-inf") return -std::numeric_limits<double>::infinity();
  if (!is_decimal(text)) return bad(fmt::format("{} is no number", cited(text)));
  return kind == Kind::f32 ? parse_as<float>(text, kind) : parse_as<double>(text, kind);
}

Result<Integer> parse_integer_of(std::string_view text, Kind kind) {
  const auto integer = parse_integer(text);
  if (integer && fits(kind, *integer)) return *integer;
  std::string_view digits = text;
  if (digits.starts_with('-')) digits.remove_prefix(1);
  if (digits.empty() || !std::ranges::all_of(digits, is_digit)) {
    return bad(fmt::format("{} is no whole number", cited(text)));
  }
  const unsigned bits = kind_width(kind) * 8;
  const U128 most = is_unsigned(kind) ? greatest_u128 >> (128 - bits) : greatest_u128 >> (129 - bits);
  std::string range;
  append_decimal(range, is_unsigned(kind) ? Integer{} : Integer{true, most + 1});
  range += " to ";
  append_decimal(range, Integer{false, most});
  const std::string shown = text.size() <= 60 ? std::string{text} : cited(text);
  return bad(fmt::format("{} does not fit {} ({})", shown, kind_name(kind), range));
}

void append_base64(std::string& to, std::string_view bytes) {
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::string_view three = bytes.substr(at, 3);
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 3; ++i) bits = bits << 8 | (i < three.size() ? static_cast<std::uint8_t>(three[i]) : 0);
    for (std::size_t i = 0; i < 4; ++i) {
      to += i <= three.size() ? base64_digits[bits >> (18 - 6 * i) & 63] : '=';
    }
  }
}

Result<std::string> parse_base64(std::string_view text) {
  if (text.size() % 4 != 0) return bad("base64 has a multiple of 4 characters, with = at the end");
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  for (std::size_t at = 0; at < text.size(); at += 4) {
    const bool is_last = at + 4 == text.size();
    const std::size_t padding = !is_last ? 0 : text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      const int digit = i + padding >= 4 ? 0 : base64_value(text[at + i]);
      if (digit < 0) return bad(fmt::format("character {} of the base64 is none of it", at + i + 1));
      bits = bits << 6 | static_cast<std::uint32_t>(digit);
    }
    if ((bits & ((1u << 8 * padding) - 1)) != 0) return bad("the base64 has bits behind its last byte");
    for (std::size_t i = 0; i < 3 - padding; ++i) bytes += static_cast<char>(bits >> (16 - 8 * i) & 0xFF);
  }
  return bytes;
}

void append_hex(std::string& to, std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  for (const char c : bytes) {
    to += digits[static_cast<std::uint8_t>(c) >> 4];
    to += digits[static_cast<std::uint8_t>(c) & 15];
  }
}

Result<std::string> parse_hex(std::string_view text) {
  if (text.size() % 2 != 0) return bad("hexadecimal has two digits a byte");
  std::string bytes;
  bytes.reserve(text.size() / 2);
  for (std::size_t at = 0; at < text.size(); at += 2) {
    const int high = digit_value(text[at]);
    const int low = digit_value(text[at + 1]);
    if (high < 0 || low < 0) return bad(fmt::format("character {} is no hexadecimal digit", at + (high < 0 ? 1 : 2)));
    bytes += static_cast<char>(high << 4 | low);
  }
  return bytes;
}

}  // namespace chimera::types
