#include "types/key.h"

#include <fmt/format.h>
#include <algorithm>
#include <bit>
#include <cstring>

#include "isa/text.h"
#include "types/limits.h"

namespace chimera::types {
namespace {

using Bytes = std::vector<std::uint8_t>;
using View = std::span<const std::uint8_t>;

/// The top bit of a number of that many bytes.
U128 sign_of(unsigned width) { return U128{1} << (width * 8 - 1); }

/// The low `width` bytes, the highest first.
void append_big(Bytes& to, U128 bits, unsigned width) {
  const std::size_t end = to.size();
  to.resize(end + width);
  if (width == 8) {
    const std::uint64_t swapped = __builtin_bswap64(static_cast<std::uint64_t>(bits));
    std::memcpy(to.data() + end, &swapped, sizeof swapped);
    return;
  }
  for (unsigned i = 0; i < width; ++i) to[end + i] = static_cast<std::uint8_t>(bits >> (8 * (width - 1 - i)));
}

/// A float's bits in the order of values.
U128 ordered_bits(const Value& value, unsigned width) {
  const double real = value.as_real() + 0.0;  // -0.0 + 0.0 is 0.0
  const U128 bits = width == 4 ? U128{std::bit_cast<std::uint32_t>(static_cast<float>(real))}
                               : U128{std::bit_cast<std::uint64_t>(real)};
  return (bits & sign_of(width)) != 0 ? ~bits : bits | sign_of(width);
}

void append_text(Bytes& to, std::string_view text) {
  while (true) {
    const std::size_t zero = text.find('\0');
    const std::string_view plain = text.substr(0, zero);
    to.insert(to.end(), plain.begin(), plain.end());
    to.push_back(0);
    if (zero == std::string_view::npos) break;
    to.push_back(0xFF);
    text.remove_prefix(zero + 1);
  }
  to.push_back(1);
}

void append_value(const Value& value, const Type& type, Bytes& to);

void append_items(const Value& value, const Type& type, Bytes& to) {
  const bool exact = type.kind == Kind::array && type.size;
  for (const Value& item : value.items()) {
    if (!exact) to.push_back(1);
    append_value(item, type.element(), to);
  }
  if (!exact) to.push_back(0);
}

void append_variant(const Value& value, const Type& type, Bytes& to) {
  const std::size_t place = type.find(value.label()).value_or(0);
  append_big(to, place, variant_width(type));
  if (value.payload() != nullptr) append_value(*value.payload(), type.members[place].type, to);
}

void append_value(const Value& value, const Type& type, Bytes& to) {
  const unsigned width = kind_width(type.kind);
  switch (type.kind) {
    case Kind::boolean: return to.push_back(value.as_bool() ? 1 : 0);
    case Kind::string:
    case Kind::blob:
    case Kind::function: return append_text(to, value.as_bytes());
    case Kind::pointer:
      to.insert(to.end(), value.as_pointer().device.begin(), value.as_pointer().device.end());
      return append_big(to, value.as_pointer().offset, 8);
    case Kind::array:
    case Kind::set: return append_items(value, type, to);
    case Kind::enumeration:
    case Kind::one_of: return append_variant(value, type, to);
    case Kind::structure:
      for (std::size_t i = 0; i < type.members.size(); ++i) {
        append_key(value.fields()[i].value, type.members[i].type, type.members[i].nullable, to);
      }
      return;
    default: break;
  }
  if (is_float(type.kind)) return append_big(to, ordered_bits(value, width), width);
  const U128 flip = holds_signed(type.kind) ? sign_of(width) : 0;
  append_big(to, value.as_unsigned() ^ flip, width);
}

std::unexpected<Error> cut_off() { return corrupt("the key ends within a value"); }

Result<U128> take_big(View& bytes, unsigned width) {
  if (bytes.size() < width) return cut_off();
  U128 bits = 0;
  for (const std::uint8_t byte : bytes.first(width)) bits = bits << 8 | byte;
  bytes = bytes.subspan(width);
  return bits;
}

Result<std::string> take_text(View& bytes) {
  std::string text;
  while (true) {
    const auto zero = std::ranges::find(bytes, 0);
    text.append(bytes.begin(), zero);
    bytes = bytes.subspan(static_cast<std::size_t>(zero - bytes.begin()));
    if (bytes.size() < 2) return cut_off();
    const std::uint8_t mark = bytes[1];
    bytes = bytes.subspan(2);
    if (mark == 1) return text;
    if (mark != 0xFF) return corrupt("a zero in a key is followed by neither 01 nor FF");
    text += '\0';
  }
}

Result<Value> take_value(View& bytes, const Type& type);

Result<Value> take_number(View& bytes, Kind kind) {
  const unsigned width = kind_width(kind);
  auto bits = take_big(bytes, width);
  if (!bits) return std::unexpected(bits.error());
  const U128 sign = sign_of(width);
  if (is_float(kind)) {
    const U128 back = (*bits & sign) != 0 ? *bits ^ sign : ~*bits;
    return Value::real(kind, width == 4 ? static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(back)))
                                        : std::bit_cast<double>(static_cast<std::uint64_t>(back)));
  }
  if (!holds_signed(kind)) return Value::unsigned_integer(kind, *bits);
  const unsigned shift = 128 - width * 8;
  return Value::signed_integer(kind, static_cast<I128>((*bits ^ sign) << shift) >> shift);
}

Result<Value> take_items(View& bytes, const Type& type) {
  std::vector<Value> items;
  if (type.kind == Kind::array && type.size) {
    for (std::uint32_t i = 0; i < *type.size; ++i) {
      auto item = take_value(bytes, type.element());
      if (!item) return item;
      items.push_back(*std::move(item));
    }
    return Value::array(std::move(items));
  }
  while (true) {
    const auto mark = take_big(bytes, 1);
    if (!mark) return std::unexpected(mark.error());
    if (*mark > 1) return corrupt("a list in a key goes on with neither 00 nor 01");
    if (*mark == 0) return type.kind == Kind::set ? Value::set(std::move(items)) : Value::array(std::move(items));
    auto item = take_value(bytes, type.element());
    if (!item) return item;
    items.push_back(*std::move(item));
  }
}

Result<Value> take_variant(View& bytes, const Type& type) {
  const auto place = take_big(bytes, variant_width(type));
  if (!place) return std::unexpected(place.error());
  if (*place >= type.members.size()) return corrupt("a key has a variant that its type lacks");
  const Member& member = type.members[static_cast<std::size_t>(*place)];
  if (member.type.kind == Kind::null) return Value::variant(member.name);
  auto payload = take_value(bytes, member.type);
  if (!payload) return payload;
  return type.kind == Kind::one_of ? Value::one_of(member.name, *std::move(payload))
                                   : Value::variant(member.name, *std::move(payload));
}

Result<Value> take_bytes(View& bytes, Kind kind) {
  auto text = take_text(bytes);
  if (!text) return std::unexpected(text.error());
  if (kind == Kind::blob) return Value::blob(*std::move(text));
  if (kind == Kind::function) return Value::function(*std::move(text));
  if (!is_utf8(*text)) return corrupt("a string in a key is not UTF-8");
  return Value::string(*std::move(text));
}

Result<Value> take_value(View& bytes, const Type& type) {
  switch (type.kind) {
    case Kind::boolean: {
      const auto bit = take_big(bytes, 1);
      if (!bit) return std::unexpected(bit.error());
      if (*bit > 1) return corrupt("a bool in a key is neither 00 nor 01");
      return Value::boolean(*bit == 1);
    }
    case Kind::string:
    case Kind::blob:
    case Kind::function: return take_bytes(bytes, type.kind);
    case Kind::pointer: {
      if (bytes.size() < 24) return cut_off();
      Pointer place;
      std::memcpy(place.device.data, bytes.data(), 16);
      bytes = bytes.subspan(16);
      place.offset = static_cast<std::uint64_t>(*take_big(bytes, 8));
      return Value::pointer(place);
    }
    case Kind::array:
    case Kind::set: return take_items(bytes, type);
    case Kind::enumeration:
    case Kind::one_of: return take_variant(bytes, type);
    case Kind::structure: {
      std::vector<Field> fields;
      for (const Member& member : type.members) {
        auto value = take_key(bytes, member.type, member.nullable);
        if (!value) return value;
        fields.push_back({member.name, *std::move(value)});
      }
      return Value::fields(Kind::structure, std::move(fields));
    }
    default: return take_number(bytes, type.kind);
  }
}

}  // namespace

std::optional<std::uint32_t> key_width(const Type& type, bool nullable) {
  std::uint64_t width = kind_width(type.kind);
  const bool has_members =
      type.kind == Kind::enumeration || type.kind == Kind::structure || (type.kind == Kind::array && type.size);
  if (type.kind == Kind::enumeration) width = variant_width(type);
  for (const Member& member : type.members) {
    if (!has_members) return std::nullopt;
    if (type.kind == Kind::enumeration && member.type.kind == Kind::null) continue;
    const auto one = type.kind == Kind::enumeration ? std::nullopt : key_width(member.type, member.nullable);
    if (!one) return std::nullopt;
    width += std::uint64_t{*one} * (type.kind == Kind::array ? *type.size : 1);
  }
  if (width == 0 || width > limits::longest_key) return std::nullopt;
  return static_cast<std::uint32_t>(width + (nullable ? 1 : 0));
}

void append_key(const Value& value, const Type& type, bool nullable, std::vector<std::uint8_t>& to) {
  if (nullable) {
    to.push_back(value.is_null() ? 0 : 1);
    if (value.is_null()) {
      // As wide as every other key, so that a tree can keep them as an array.
      if (const auto width = key_width(type, false)) to.resize(to.size() + *width);
      return;
    }
  }
  append_value(value, type, to);
}

std::optional<Error> check_key_size(std::size_t size) {
  if (size <= limits::longest_key) return std::nullopt;
  return Error{Status::too_large, fmt::format("the key has {} bytes, more than {}", size, limits::longest_key)};
}

Result<Value> take_key(std::span<const std::uint8_t>& bytes, const Type& type, bool nullable) {
  if (nullable) {
    const auto mark = take_big(bytes, 1);
    if (!mark) return std::unexpected(mark.error());
    if (*mark > 1) return corrupt("the first byte of a key that may be null is neither 00 nor 01");
    if (*mark == 0) {
      const std::uint32_t width = key_width(type, false).value_or(0);
      if (bytes.size() < width) return cut_off();
      bytes = bytes.subspan(width);
      return Value{};
    }
  }
  return take_value(bytes, type);
}

void append_key_i64(std::int64_t value, std::vector<std::uint8_t>& to) {
  append_big(to, static_cast<std::uint64_t>(value) ^ (std::uint64_t{1} << 63), 8);
}

void append_key_u64(std::uint64_t value, std::vector<std::uint8_t>& to) { append_big(to, value, 8); }

}  // namespace chimera::types
