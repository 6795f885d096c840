#include "tests/types/sample.h"

#include <fmt/format.h>
#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "types/order.h"

namespace chimera::types::test {
namespace {

constexpr std::array scalars{Kind::string,  Kind::datetime, Kind::duration, Kind::usize, Kind::u8,  Kind::u16,
                             Kind::u32,     Kind::u64,      Kind::u128,     Kind::isize, Kind::i8,  Kind::i16,
                             Kind::i32,     Kind::i64,      Kind::i128,     Kind::fsize, Kind::f32, Kind::f64,
                             Kind::boolean, Kind::pointer,  Kind::function, Kind::blob};
constexpr std::array compounds{Kind::array, Kind::set, Kind::enumeration, Kind::structure, Kind::one_of};
constexpr std::array unordered{Kind::object, Kind::interface, Kind::any, Kind::unknown};

template <typename Kinds>
Kind one_of(Random& random, const Kinds& kinds) {
  return kinds[random() % kinds.size()];
}

std::vector<Member> random_members(Random& random, Kind kind, unsigned depth, bool ordered) {
  std::vector<Member> members;
  const std::size_t count = 1 + random() % 4;
  for (std::size_t i = 0; i < count; ++i) {
    Member member{.name = fmt::format("{}{}", static_cast<char>('a' + random() % 26), i)};
    const bool is_bare = kind == Kind::enumeration && random() % 2 == 0;
    if (!is_bare) member.type = random_type(random, depth - 1, ordered);
    member.nullable = kind != Kind::enumeration && random() % 3 == 0;
    members.push_back(std::move(member));
  }
  return members;
}

std::string random_text(Random& random) {
  static constexpr std::array<std::string_view, 12> pieces{"a",  "b",    "\0", "",     "\"",   "\\",
                                                           "\n", "\x01", "ü",  "日本", "🙂", "\x7F"};
  std::string text;
  for (std::uint64_t n = random() % 6; n > 0; --n) {
    const std::string_view piece = pieces[random() % pieces.size()];
    text += piece.empty() ? std::string_view{"\0", 1} : piece;
  }
  if (random() % 20 == 0) text += std::string(random() % 300, 'x');
  return text;
}

std::string random_bytes(Random& random) {
  std::string bytes(random() % (random() % 20 == 0 ? 300 : 5), '\0');
  for (char& byte : bytes) byte = static_cast<char>(random() % 3 == 0 ? random() : random() % 2 * 0xFF);
  return bytes;
}

std::string random_program(Random& random) {
  std::string bytes;
  for (std::uint64_t n = random() % 4; n > 0; --n)
    bytes += random() % 2 == 0 ? std::string{"\xFB"} : std::string("\x02\0\0\0\0\0\0\0\0", 9);
  return bytes;
}

Value random_number(Random& random, Kind kind) {
  const unsigned bits = kind_width(kind) * 8;
  U128 number = U128{random()} << 64 | random();
  switch (random() % 4) {
    case 0: number = random() % 3; break;
    case 1: number = ~U128{random() % 3}; break;
    case 2: number = (U128{1} << (bits - 1)) - random() % 2; break;
    default: number >>= random() % 128; break;
  }
  const unsigned shift = 128 - bits;
  if (!holds_signed(kind)) return Value::unsigned_integer(kind, number << shift >> shift);
  return Value::signed_integer(kind, static_cast<I128>(number << shift) >> shift);
}

Value random_real(Random& random, Kind kind) {
  using Limits = std::numeric_limits<double>;
  static constexpr std::array values{0.0,
                                     -0.0,
                                     1.0,
                                     -1.0,
                                     0.1,
                                     1e300,
                                     -1e-300,
                                     5e-324,
                                     Limits::infinity(),
                                     -Limits::infinity(),
                                     Limits::quiet_NaN(),
                                     Limits::max()};
  if (random() % 3 != 0) return Value::real(kind, values[random() % values.size()]);
  const std::uint64_t bits = random();
  double value{};
  std::memcpy(&value, &bits, sizeof value);
  return Value::real(kind, value);
}

Value random_pointer(Random& random) {
  Pointer place;
  for (std::uint8_t& byte : place.device) byte = static_cast<std::uint8_t>(random() % 2 == 0 ? random() : 0);
  place.offset = random() % 2 == 0 ? random() : random() % 3;
  return Value::pointer(place);
}

Value random_scalar(Random& random, Kind kind) {
  switch (kind) {
    case Kind::string: return Value::string(random_text(random));
    case Kind::blob: return Value::blob(random_bytes(random));
    case Kind::function: return Value::function(random_program(random));
    case Kind::boolean: return Value::boolean(random() % 2 == 0);
    case Kind::pointer: return random_pointer(random);
    default: return is_float(kind) ? random_real(random, kind) : random_number(random, kind);
  }
}

std::vector<Field> random_fields(Random& random, unsigned depth) {
  std::vector<Field> fields;
  for (std::uint64_t n = random() % 3; n > 0; --n) {
    std::string name =
        random() % 2 == 0 ? fmt::format("${}", kind_name(static_cast<Kind>(random() % 32))) : fmt::format("n{}", n);
    if (random() % 4 == 0) name = random_text(random);
    const bool is_twice = std::ranges::any_of(fields, [&](const Field& field) { return field.name == name; });
    if (!is_twice) fields.push_back({std::move(name), random_any(random, depth - 1)});
  }
  return fields;
}

std::vector<Value> random_items(Random& random, const Type& type) {
  const std::uint64_t count =
      type.size && type.kind == Kind::array ? *type.size : random() % (type.size ? *type.size + 1 : 4);
  std::vector<Value> items;
  for (std::uint64_t i = 0; i < count; ++i) items.push_back(random_value(random, type.element()));
  return items;
}

}  // namespace

Type random_type(Random& random, unsigned depth, bool ordered) {
  if (depth > 1 && random() % 2 == 0) {
    const Kind kind = one_of(random, compounds);
    const std::optional<std::uint32_t> size =
        random() % 2 == 0 ? std::optional{static_cast<std::uint32_t>(1 + random() % 3)} : std::nullopt;
    switch (kind) {
      case Kind::array: return Type::array(random_type(random, depth - 1, ordered), size);
      case Kind::set: return Type::set(random_type(random, depth - 1, ordered), size);
      case Kind::one_of: {
        std::vector<Type> types;
        for (std::uint64_t n = 1 + random() % 3; n > 0; --n) {
          Type type = random_type(random, depth - 1, ordered);
          const std::string text = type_text(type);
          if (std::ranges::find(types, text, type_text) == types.end()) types.push_back(std::move(type));
        }
        return Type::one_of(std::move(types));
      }
      default: return Type::with_members(kind, random_members(random, kind, depth, ordered));
    }
  }
  if (!ordered && random() % 5 == 0) {
    const Kind kind = one_of(random, unordered);
    if (kind != Kind::interface) return Type::of(kind);
    if (depth > 1) return Type::with_members(kind, random_members(random, kind, depth, ordered));
  }
  Type type = Type::of(one_of(random, scalars));
  if (type.kind == Kind::string && random() % 2 == 0) type.size = 400;
  return type;
}

Value random_value(Random& random, const Type& type, bool nullable) {
  if (nullable && random() % 4 == 0) return {};
  switch (type.kind) {
    case Kind::any:
    case Kind::unknown: return random_any(random, 3);
    case Kind::object: return Value::fields(Kind::object, random_fields(random, 3));
    case Kind::array: return Value::array(random_items(random, type));
    case Kind::set: return Value::set(random_items(random, type));
    case Kind::structure:
    case Kind::interface: {
      std::vector<Field> fields;
      for (const Member& member : type.members)
        fields.push_back({member.name, random_value(random, member.type, member.nullable)});
      if (type.kind == Kind::interface && random() % 2 == 0) fields.push_back({"another", random_any(random, 2)});
      return Value::fields(type.kind, std::move(fields));
    }
    case Kind::enumeration:
    case Kind::one_of: {
      const Member& member = type.members[random() % type.members.size()];
      if (member.type.kind == Kind::null) return Value::variant(member.name);
      Value payload = random_value(random, member.type);
      return type.kind == Kind::one_of ? Value::one_of(member.name, std::move(payload))
                                       : Value::variant(member.name, std::move(payload));
    }
    default: return random_scalar(random, type.kind);
  }
}

Value random_any(Random& random, unsigned depth) {
  if (random() % 8 == 0) return {};
  if (depth <= 1 || random() % 2 == 0) return random_scalar(random, one_of(random, scalars));
  const auto some = [&] {
    std::vector<Value> items;
    const Kind alike = one_of(random, scalars);
    for (std::uint64_t n = random() % 4; n > 0; --n) {
      items.push_back(random() % 2 == 0 ? random_scalar(random, alike) : random_any(random, depth - 1));
    }
    return items;
  };
  switch (random() % 6) {
    case 0: return Value::array(some());
    case 1: return Value::set(some());
    case 2: return Value::fields(random() % 2 == 0 ? Kind::object : Kind::structure, random_fields(random, depth));
    case 3: return Value::fields(Kind::interface, random_fields(random, depth));
    case 4:
      return random() % 2 == 0 ? Value::variant(random_text(random))
                               : Value::variant("x", random_any(random, depth - 1));
    default: return Value::one_of(random_text(random), random_any(random, depth - 1));
  }
}

}  // namespace chimera::types::test
