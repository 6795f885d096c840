#include "tables/masks.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "types/slot.h"

namespace chimera::tables {
namespace {

using types::Kind;

template <typename T>
T value_at(const std::uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// NaN is greater than all else, so what is not less or equal is greater.
template <typename T>
struct Less {
  static bool test(T a, T b) { return a < b; }
};
template <typename T>
struct LessEqual {
  static bool test(T a, T b) { return a <= b; }
};
template <typename T>
struct Equal {
  static bool test(T a, T b) { return a == b; }
};

template <typename T, typename Test, bool turned>
void compare_strided(const std::uint8_t* from, std::size_t stride, std::size_t count, T literal, std::uint8_t* yes) {
  if (stride == sizeof(T)) {
    for (std::size_t i = 0; i < count; ++i) yes[i] = Test::test(value_at<T>(from + i * sizeof(T)), literal) != turned;
  } else {
    for (std::size_t i = 0; i < count; ++i) yes[i] = Test::test(value_at<T>(from + i * stride), literal) != turned;
  }
}

/// Comparisons with NaN: everything else is less.
template <typename T>
void compare_with_nan(const std::uint8_t* from, std::size_t stride, std::size_t count, Comparison comparison,
                      std::uint8_t* yes) {
  for (std::size_t i = 0; i < count; ++i) {
    const bool is_nan = std::isnan(value_at<T>(from + i * stride));
    switch (comparison) {
      case Comparison::equal:
      case Comparison::greater_equal: yes[i] = is_nan; break;
      case Comparison::unequal:
      case Comparison::less: yes[i] = !is_nan; break;
      case Comparison::less_equal: yes[i] = true; break;
      case Comparison::greater: yes[i] = false; break;
    }
  }
}

template <typename T>
void compare_as(const ColumnEntries& entries, std::size_t count, Comparison comparison, const std::uint8_t* literal,
                std::uint8_t* yes) {
  const T value = value_at<T>(literal);
  const std::uint8_t* const from = entries.values();
  const std::size_t stride = entries.stride;
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(value)) return compare_with_nan<T>(from, stride, count, comparison, yes);
  }
  switch (comparison) {
    case Comparison::equal: return compare_strided<T, Equal<T>, false>(from, stride, count, value, yes);
    case Comparison::unequal: return compare_strided<T, Equal<T>, true>(from, stride, count, value, yes);
    case Comparison::less: return compare_strided<T, Less<T>, false>(from, stride, count, value, yes);
    case Comparison::less_equal: return compare_strided<T, LessEqual<T>, false>(from, stride, count, value, yes);
    case Comparison::greater: return compare_strided<T, LessEqual<T>, true>(from, stride, count, value, yes);
    case Comparison::greater_equal: return compare_strided<T, Less<T>, true>(from, stride, count, value, yes);
  }
}

/// Calls `use` with a value of the C++ type that a kind's entries are made of. False for kinds that are no scalars.
template <typename Use>
bool with_type(Kind kind, Use use) {
  switch (kind) {
    case Kind::boolean:
    case Kind::u8: return use(std::uint8_t{}), true;
    case Kind::u16: return use(std::uint16_t{}), true;
    case Kind::u32: return use(std::uint32_t{}), true;
    case Kind::usize:
    case Kind::u64: return use(std::uint64_t{}), true;
    case Kind::u128: return use(types::U128{}), true;
    case Kind::i8: return use(std::int8_t{}), true;
    case Kind::i16: return use(std::int16_t{}), true;
    case Kind::i32: return use(std::int32_t{}), true;
    case Kind::isize:
    case Kind::i64:
    case Kind::datetime:
    case Kind::duration: return use(std::int64_t{}), true;
    case Kind::i128: return use(types::I128{}), true;
    case Kind::f32: return use(float{}), true;
    case Kind::fsize:
    case Kind::f64: return use(double{}), true;
    default: return false;
  }
}

}  // namespace

bool is_scalar(Kind kind) noexcept {
  return with_type(kind, [](auto) {});
}

void compare_entries(Kind kind, const ColumnEntries& entries, std::size_t count, Comparison comparison,
                     const std::uint8_t* literal, std::uint8_t* yes) {
  with_type(kind, [&](auto zero) { compare_as<decltype(zero)>(entries, count, comparison, literal, yes); });
}

void find_values(const ColumnEntries& entries, std::size_t count, std::uint8_t* there) {
  if (entries.slots) {
    for (std::size_t i = 0; i < count; ++i) there[i] = !types::read_slot(entries.bytes + i * entries.stride).is_null();
    return;
  }
  if (!entries.nullable) {
    std::fill_n(there, count, std::uint8_t{1});
    return;
  }
  for (std::size_t i = 0; i < count; ++i) there[i] = entries.bytes[i * entries.stride] != 0;
}

bool Sum::is_float() const { return types::is_float(kind_); }

template <typename Integer>
void Sum::add_integers(const ColumnEntries& entries, std::size_t count, const std::uint8_t* mask) {
  const std::uint8_t* const from = entries.values();
  if constexpr (sizeof(Integer) <= 4) {
    std::int64_t sum = 0;  // of fewer than 2^31 entries
    for (std::size_t i = 0; i < count; ++i) {
      sum += mask[i] != 0 ? static_cast<std::int64_t>(value_at<Integer>(from + i * entries.stride)) : 0;
    }
    overflown_ = __builtin_add_overflow(integer_, types::I128{sum}, &integer_) || overflown_;
  } else if constexpr (sizeof(Integer) == 8) {
    // In two halves, which the compiler can keep in vectors: 2^31 entries fit each.
    std::uint64_t low = 0;
    std::conditional_t<std::is_signed_v<Integer>, std::int64_t, std::uint64_t> high = 0;
    const auto add = [&](std::size_t stride) {
      for (std::size_t i = 0; i < count; ++i) {
        const Integer value = mask[i] != 0 ? value_at<Integer>(from + i * stride) : Integer{0};
        low += static_cast<std::uint32_t>(value);
        high += value >> 32;
      }
    };
    entries.stride == sizeof(Integer) ? add(sizeof(Integer)) : add(entries.stride);
    const types::I128 sum = (types::I128{high} << 32) + types::I128{low};
    overflown_ = __builtin_add_overflow(integer_, sum, &integer_) || overflown_;
  } else {
    for (std::size_t i = 0; i < count; ++i) {
      if (mask[i] == 0) continue;
      overflown_ =
          __builtin_add_overflow(integer_, value_at<Integer>(from + i * entries.stride), &integer_) || overflown_;
    }
  }
}

template <typename Float>
void Sum::add_floats(const ColumnEntries& entries, std::size_t count, const std::uint8_t* mask) {
  // Four sums side by side, so that one addition does not wait for the other.
  double sums[4] = {};
  const std::uint8_t* const from = entries.values();
  for (std::size_t i = 0; i < count; ++i) {
    sums[i % 4] += mask[i] != 0 ? static_cast<double>(value_at<Float>(from + i * entries.stride)) : 0.0;
  }
  real_ += (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

void Sum::add(const ColumnEntries& entries, std::size_t count, const std::uint8_t* mask) {
  std::size_t there = 0;
  for (std::size_t i = 0; i < count; ++i) there += mask[i];
  count_ += there;
  if (there == 0) return;
  with_type(kind_, [&](auto zero) {
    using T = decltype(zero);
    if constexpr (std::is_floating_point_v<T>) {
      add_floats<T>(entries, count, mask);
    } else {
      add_integers<T>(entries, count, mask);
    }
  });
}

namespace {

/// NaN is the greatest.
template <typename T>
bool is_less(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(a) || std::isnan(b)) return !std::isnan(a);
  }
  return a < b;
}

}  // namespace

template <typename T>
void Extremes::add_as(const ColumnEntries& entries, std::size_t count, const std::uint8_t* mask) {
  const std::uint8_t* const from = entries.values();
  std::size_t i = 0;
  if (empty_) {
    while (i < count && mask[i] == 0) ++i;
    if (i == count) return;
    std::memcpy(least_.data(), from + i * entries.stride, sizeof(T));
    greatest_ = least_;
    empty_ = false;
  }
  T least = value_at<T>(least_.data()), greatest = value_at<T>(greatest_.data());
  for (; i < count; ++i) {
    const T value = value_at<T>(from + i * entries.stride);
    least = mask[i] != 0 && is_less(value, least) ? value : least;
    greatest = mask[i] != 0 && is_less(greatest, value) ? value : greatest;
  }
  std::memcpy(least_.data(), &least, sizeof least);
  std::memcpy(greatest_.data(), &greatest, sizeof greatest);
}

void Extremes::add(const ColumnEntries& entries, std::size_t count, const std::uint8_t* mask) {
  with_type(kind_, [&](auto zero) { add_as<decltype(zero)>(entries, count, mask); });
}

}  // namespace chimera::tables
