#pragma once
// One value of any kind. It knows its kind: a u8 of 5 and an i64 of 5 are different values.

#include <cassert>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "isa/uuid.h"
#include "types/kind.h"

namespace chimera::types {

/// A place in the store.
struct Pointer {
  Uuid device{};
  std::uint64_t offset = 0;
  friend bool operator==(const Pointer&, const Pointer&) = default;
};

struct Field;

/// Owns what it holds; copies are deep, moves cheap. What a getter returns lives as long as the value is unchanged.
/// Getters may be called for the kinds that they name only; that is asserted.
class Value {
 public:
  /// Null.
  Value() = default;
  Value(const Value&) = default;
  Value(Value&&) noexcept = default;
  Value& operator=(const Value& other);
  Value& operator=(Value&& other) noexcept;
  ~Value() = default;

  /// Becomes a whole number of at most 64 bits or a time, which has the kind: faster than assigning one.
  void become(Kind kind, std::int64_t number);
  void become(Kind kind, std::uint64_t number);
  /// Becomes a string, blob or function, in the memory of one that it is already.
  void become(Kind kind, std::string_view bytes);

  static Value boolean(bool value);
  /// `kind` is an integer kind, datetime or duration, and has the value (`fits`).
  static Value integer(Kind kind, Integer value);
  static Value signed_integer(Kind kind, I128 value);
  static Value unsigned_integer(Kind kind, U128 value);
  static Value datetime(std::int64_t nanoseconds);
  static Value duration(std::int64_t nanoseconds);
  /// `kind` is f32, f64 or fsize; an f32 is rounded. Every NaN becomes the same one.
  static Value real(Kind kind, double value);
  /// UTF-8, which `check` looks at.
  static Value string(std::string text);
  static Value blob(std::string bytes);
  /// A program.
  static Value function(std::string bytes);
  static Value pointer(Pointer place);
  static Value array(std::vector<Value> items);
  /// Brings the elements into a set's order (`total_order`) and removes what is there twice.
  static Value set(std::vector<Value> items);
  /// Object, structure or interface. A structure's fields stand in its type's order; an interface's own first.
  static Value fields(Kind kind, std::vector<Field> fields);
  /// A variant of an enum, without and with a payload.
  static Value variant(std::string name);
  static Value variant(std::string name, Value payload);
  /// A value of a union; `label` is the alternative's name, which is its type's text.
  static Value one_of(std::string label, Value value);
  /// Of the C++ types that have one kind each: bool, std::int8_t to std::uint64_t, float, double.
  template <typename T>
  static Value of(T value);

  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] bool is_null() const { return kind_ == Kind::null; }
  [[nodiscard]] bool as_bool() const { return std::get<Wide>(content_).low != 0; }
  /// Unsigned integers.
  [[nodiscard]] U128 as_unsigned() const { return bits(); }
  /// Signed integers, datetime, duration.
  [[nodiscard]] I128 as_signed() const { return static_cast<I128>(bits()); }
  /// Every integer kind, datetime, duration.
  [[nodiscard]] Integer as_integer() const {
    return holds_signed(kind_) ? integer_of(as_signed()) : Integer{false, bits()};
  }
  /// The low 64 bits of any of these, and bool.
  [[nodiscard]] std::uint64_t low_bits() const { return std::get<Wide>(content_).low; }
  /// f32, f64, fsize.
  [[nodiscard]] double as_real() const { return std::get<double>(content_); }
  /// String, blob, function.
  [[nodiscard]] const std::string& as_bytes() const { return std::get<std::string>(content_); }
  /// Takes the bytes out; the value is null afterwards.
  [[nodiscard]] std::string take_bytes();
  [[nodiscard]] const Pointer& as_pointer() const { return std::get<Pointer>(content_); }
  /// Array, set.
  [[nodiscard]] const std::vector<Value>& items() const { return std::get<std::vector<Value>>(content_); }
  [[nodiscard]] std::vector<Value>& items() { return std::get<std::vector<Value>>(content_); }
  /// Object, structure, interface.
  [[nodiscard]] const std::vector<Field>& fields() const { return std::get<std::vector<Field>>(content_); }
  [[nodiscard]] std::vector<Field>& fields() { return std::get<std::vector<Field>>(content_); }
  /// Enum: the variant's name; union: the alternative's.
  [[nodiscard]] const std::string& label() const;
  /// Enum: nullptr where the variant has no payload; union: its value.
  [[nodiscard]] const Value* payload() const;
  [[nodiscard]] Value* payload();

  /// Identical: the kinds, and all bits. NaN is NaN; -0.0 is not 0.0 (`compare` in order.h says that they are equal).
  [[nodiscard]] bool operator==(const Value& other) const;

 private:
  struct Wide {
    Wide(std::uint64_t low_half, std::uint64_t high_half) : low{low_half}, high{high_half} {}
    std::uint64_t low, high;
    friend bool operator==(const Wide&, const Wide&) = default;
  };
  /// In two halves, which keeps the alignment of a Value at 8.
  using Content =
      std::variant<std::monostate, Wide, double, std::string, Pointer, std::vector<Value>, std::vector<Field>>;

  Value(Kind kind, Content content);
  static Wide wide(U128 bits) { return {static_cast<std::uint64_t>(bits), static_cast<std::uint64_t>(bits >> 64)}; }
  [[nodiscard]] U128 bits() const {
    const Wide& halves = std::get<Wide>(content_);
    return U128{halves.high} << 64 | halves.low;
  }

  Kind kind_ = Kind::null;
  Content content_;
};

struct Field {
  std::string name;
  Value value;
  [[nodiscard]] bool operator==(const Field& other) const { return name == other.name && value == other.value; }
};

using Row = std::vector<Value>;

// Down here, since what makes or ends a Value has to know what a Field is.
inline Value::Value(Kind kind, Content content) : kind_{kind}, content_{std::move(content)} {}
inline Value Value::boolean(bool value) { return {Kind::boolean, Wide{value, 0}}; }
inline Value Value::integer(Kind kind, Integer value) {
  assert(fits(kind, value));
  return {kind, wide(value.bits())};
}
inline Value Value::string(std::string text) { return {Kind::string, std::move(text)}; }
inline Value Value::blob(std::string bytes) { return {Kind::blob, std::move(bytes)}; }
inline Value Value::function(std::string bytes) { return {Kind::function, std::move(bytes)}; }
inline Value Value::pointer(Pointer place) { return {Kind::pointer, place}; }
inline Value Value::array(std::vector<Value> items) { return {Kind::array, std::move(items)}; }
inline Value Value::variant(std::string name) { return {Kind::enumeration, std::move(name)}; }
inline Value Value::signed_integer(Kind kind, I128 value) { return integer(kind, integer_of(value)); }
inline Value Value::unsigned_integer(Kind kind, U128 value) { return integer(kind, {false, value}); }
inline Value Value::datetime(std::int64_t nanoseconds) { return signed_integer(Kind::datetime, nanoseconds); }
inline Value Value::duration(std::int64_t nanoseconds) { return signed_integer(Kind::duration, nanoseconds); }
inline void Value::become(Kind kind, std::int64_t number) {
  content_.emplace<Wide>(static_cast<std::uint64_t>(number), number < 0 ? ~std::uint64_t{0} : 0);
  kind_ = kind;
}
inline void Value::become(Kind kind, std::uint64_t number) {
  content_.emplace<Wide>(number, std::uint64_t{0});
  kind_ = kind;
}

template <typename T>
Value Value::of(T value) {
  if constexpr (std::is_same_v<T, bool>) {
    return boolean(value);
  } else if constexpr (std::is_same_v<T, float>) {
    return real(Kind::f32, value);
  } else if constexpr (std::is_same_v<T, double>) {
    return real(Kind::f64, value);
  } else if constexpr (std::is_signed_v<T>) {
    constexpr Kind kind = sizeof(T) == 1   ? Kind::i8
                          : sizeof(T) == 2 ? Kind::i16
                          : sizeof(T) == 4 ? Kind::i32
                                           : Kind::i64;
    return signed_integer(kind, value);
  } else {
    static_assert(std::is_unsigned_v<T>);
    constexpr Kind kind = sizeof(T) == 1   ? Kind::u8
                          : sizeof(T) == 2 ? Kind::u16
                          : sizeof(T) == 4 ? Kind::u32
                                           : Kind::u64;
    return unsigned_integer(kind, value);
  }
}

}  // namespace chimera::types
