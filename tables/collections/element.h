#pragma once
// C++ types whose values a collection keeps, and how: bool, integers, float and double, strings (UTF-8), bytes, and
// types::Value for anything.

#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "types/type.h"
#include "types/value.h"

namespace chimera::tables {

/// `type` is the column's; `make` a value of it, `take` what the value was made of.
template <typename T>
struct Element {
  static_assert(std::is_arithmetic_v<T>, "a collection keeps bool, numbers, strings, bytes, and types::Value");
  static types::Type type() { return types::Type::of(types::Value::of(T{}).kind()); }
  static types::Value make(T value) { return types::Value::of(value); }
  static T take(types::Value value) {
    if constexpr (std::is_floating_point_v<T>) {
      return static_cast<T>(value.as_real());
    } else {
      return static_cast<T>(value.low_bits());
    }
  }
};

template <>
struct Element<std::string> {
  static types::Type type() { return types::Type::of(types::Kind::string); }
  static types::Value make(std::string text) { return types::Value::string(std::move(text)); }
  static std::string take(types::Value value) { return value.take_bytes(); }
};

template <>
struct Element<std::vector<std::uint8_t>> {
  static types::Type type() { return types::Type::of(types::Kind::blob); }
  static types::Value make(const std::vector<std::uint8_t>& bytes) {
    return types::Value::blob({bytes.begin(), bytes.end()});
  }
  static std::vector<std::uint8_t> take(const types::Value& value) {
    return {value.as_bytes().begin(), value.as_bytes().end()};
  }
};

template <>
struct Element<types::Value> {
  static types::Type type() { return types::Type::of(types::Kind::any); }
  static types::Value make(types::Value value) { return value; }
  static types::Value take(types::Value value) { return value; }
};

}  // namespace chimera::tables
