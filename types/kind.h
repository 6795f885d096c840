#pragma once
// The kinds of values. Their numbers stand in stored bytes and stay as they are.

#include <cstdint>
#include <optional>
#include <string_view>

#include "types/integers.h"

namespace chimera::types {

enum class Kind : std::uint8_t {
  null = 0,
  string = 1,
  array = 2,
  set = 3,
  object = 4,
  datetime = 5,  ///< nanoseconds since 1970 UTC, an i64
  duration = 6,  ///< nanoseconds, an i64
  usize = 7,     ///< 64 bits, as isize and fsize
  u8 = 8,
  u16 = 9,
  u32 = 10,
  u64 = 11,
  u128 = 12,
  isize = 13,
  i8 = 14,
  i16 = 15,
  i32 = 16,
  i64 = 17,
  i128 = 18,
  fsize = 19,
  f32 = 20,
  f64 = 21,
  boolean = 22,  ///< "bool"
  pointer = 23,
  function = 24,
  enumeration = 25,  ///< "enum"
  structure = 26,    ///< "struct"
  one_of = 27,       ///< "union"
  interface = 28,
  any = 29,
  unknown = 30,
  blob = 31,
};

inline constexpr unsigned kind_count = 32;

/// As schemas write it: "string", "enum", "bool".
[[nodiscard]] std::string_view kind_name(Kind kind) noexcept;
[[nodiscard]] std::optional<Kind> kind_named(std::string_view name) noexcept;

/// usize to u128.
[[nodiscard]] constexpr bool is_unsigned(Kind kind) { return kind >= Kind::usize && kind <= Kind::u128; }
/// isize to i128.
[[nodiscard]] constexpr bool is_signed(Kind kind) { return kind >= Kind::isize && kind <= Kind::i128; }
[[nodiscard]] constexpr bool is_integer(Kind kind) { return kind >= Kind::usize && kind <= Kind::i128; }
[[nodiscard]] constexpr bool is_float(Kind kind) { return kind >= Kind::fsize && kind <= Kind::f64; }
/// datetime and duration.
[[nodiscard]] constexpr bool is_time(Kind kind) { return kind == Kind::datetime || kind == Kind::duration; }
/// What an i128 holds in a Value: signed integers, datetime, duration.
[[nodiscard]] constexpr bool holds_signed(Kind kind) { return is_signed(kind) || is_time(kind); }

/// Bytes of a number, a bool, a time or a pointer; 0 for other kinds.
[[nodiscard]] constexpr unsigned kind_width(Kind kind) {
  switch (kind) {
    case Kind::u8:
    case Kind::i8:
    case Kind::boolean: return 1;
    case Kind::u16:
    case Kind::i16: return 2;
    case Kind::u32:
    case Kind::i32:
    case Kind::f32: return 4;
    case Kind::u64:
    case Kind::usize:
    case Kind::i64:
    case Kind::isize:
    case Kind::f64:
    case Kind::fsize:
    case Kind::datetime:
    case Kind::duration: return 8;
    case Kind::u128:
    case Kind::i128: return 16;
    case Kind::pointer: return 24;
    default: return 0;
  }
}

/// Whether an integer kind, datetime or duration has this value.
[[nodiscard]] constexpr bool fits(Kind kind, Integer value) {
  const unsigned bits = kind_width(kind) * 8;
  if (is_unsigned(kind)) return !value.negative && (bits == 128 || value.magnitude >> bits == 0);
  const U128 half = U128{1} << (bits - 1);
  return value.negative ? value.magnitude <= half : value.magnitude < half;
}

}  // namespace chimera::types
