#pragma once
// One value of any kind. It knows its kind: a u8 of 5 and an i64 of 5 are different values.

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
/// Getters are for the kinds that they name; what they give of another kind means nothing, as 0 or an empty text.
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
  /// `kind` is an integer kind, datetime or duration, and has the value (`fits`); null otherwise.
  static Value integer(Kind kind, Integer value);
  static Value signed_integer(Kind kind, I128 value);
  static Value unsigned_integer(Kind kind, U128 value);
  static Value datetime(std::int64_t nanoseconds);
  static Value duration(std::int64_t nanoseconds);
  /// `kind` is f32, f64 or fsize (null otherwise); an f32 is rounded. Every NaN becomes the same one.
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
  /// Object, structure or interface (null otherwise). A structure's fields stand in its type's order; an interface's
  /// own first.
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
  [[nodiscard]] bool as_bool() const { return content<Wide>().low != 0; }
  /// Unsigned integers.
  [[nodiscard]] U128 as_unsigned() const { return bits(); }
  /// Signed integers, datetime, duration.
  [[nodiscard]] I128 as_signed() const { return static_cast<I128>(bits()); }
  /// Every integer kind, datetime, duration.
  [[nodiscard]] Integer as_integer() const {
    return holds_signed(kind_) ? integer_of(as_signed()) : Integer{false, bits()};
  }
  /// The low 64 bits of any of these, and bool.
  [[nodiscard]] std::uint64_t low_bits() const { return content<Wide>().low; }
  /// f32, f64, fsize.
  [[nodiscard]] double as_real() const { return content<double>(); }
  /// String, blob, function.
  [[nodiscard]] const std::string& as_bytes() const { return content<std::string>(); }
  /// Takes the bytes out; the value is null afterwards.
  [[nodiscard]] std::string take_bytes();
  [[nodiscard]] const Pointer& as_pointer() const { return content<Pointer>(); }
  /// Array, set. Of another kind the second makes an empty array of it.
  [[nodiscard]] const std::vector<Value>& items() const { return content<std::vector<Value>>(); }
  [[nodiscard]] std::vector<Value>& items() { return own_content<std::vector<Value>>(Kind::array); }
  /// Object, structure, interface. Of another kind the second makes an empty object of it.
  [[nodiscard]] const std::vector<Field>& fields() const { return content<std::vector<Field>>(); }
  [[nodiscard]] std::vector<Field>& fields() { return own_content<std::vector<Field>>(Kind::object); }
  /// Enum: the variant's name; union: the alternative's.
  [[nodiscard]] const std::string& label() const;
  /// Enum: nullptr where the variant has no payload; union: its value.
  [[nodiscard]] const Value* payload() const;
  [[nodiscard]] Value* payload();

  /// Identical: the kinds, and all bits. NaN is NaN; -0.0 is not 0.0 (`compare` in order.h says that they are equal).
  [[nodiscard]] bool operator==(const Value& other) const;

 private:
  struct Wide {
    Wide() = default;
    Wide(std::uint64_t low_half, std::uint64_t high_half) : low{low_half}, high{high_half} {}
    std::uint64_t low = 0, high = 0;
    friend bool operator==(const Wide&, const Wide&) = default;
  };
  /// In two halves, which keeps the alignment of a Value at 8.
  using Content =
      std::variant<std::monostate, Wide, double, std::string, Pointer, std::vector<Value>, std::vector<Field>>;

  Value(Kind kind, Content content);
  /// What it holds, or what a value that holds nothing has in its place.
  template <typename Held>
  [[nodiscard]] const Held& content() const {
    if (const Held* const held = std::get_if<Held>(&content_)) return *held;
    static const Held nothing{};
    return nothing;
  }
  template <typename Held>
  [[nodiscard]] Held& own_content(Kind kind) {
    if (!std::holds_alternative<Held>(content_)) *this = Value(kind, Held{});
    return *std::get_if<Held>(&content_);
  }
  static Wide wide(U128 bits) { return {static_cast<std::uint64_t>(bits), static_cast<std::uint64_t>(bits >> 64)}; }
  [[nodiscard]] U128 bits() const {
    const Wide& halves = content<Wide>();
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
  const bool is_of_kind = (is_integer(kind) || is_time(kind)) && fits(kind, value);
  return is_of_kind ? Value(kind, wide(value.bits())) : Value();
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
