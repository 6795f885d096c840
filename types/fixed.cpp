#include "types/fixed.h"

#include <fmt/format.h>
#include <algorithm>
#include <bit>
#include <cassert>

#include "isa/bytes.h"
#include "types/limits.h"

namespace chimera::types {
namespace {

template <typename T>
void store(std::uint8_t* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

void put_integer(const Value& value, unsigned width, std::uint8_t* to) {
  const U128 bits = value.as_unsigned();
  std::memcpy(to, &bits, width);
}

Value get_integer(Kind kind, const std::uint8_t* from) {
  U128 bits = 0;
  const unsigned width = kind_width(kind);
  std::memcpy(&bits, from, width);
  if (!holds_signed(kind)) return Value::unsigned_integer(kind, bits);
  const unsigned shift = 128 - width * 8;
  return Value::signed_integer(kind, static_cast<I128>(bits << shift) >> shift);
}

void put_value(const Value& value, const Type& type, std::uint8_t* to);
Result<Value> get_value(const Type& type, const std::uint8_t* from);

std::uint32_t member_width(const Member& member) { return *fixed_width(member.type) + (member.nullable ? 1 : 0); }

/// A place that may be null has a byte in front.
void put_optional(const Value& value, const Type& type, bool nullable, std::uint32_t width, std::uint8_t* to) {
  if (nullable) {
    if (value.is_null()) {
      std::memset(to, 0, width);
      return;
    }
    *to++ = 1;
  }
  put_value(value, type, to);
}

Result<Value> get_optional(const Type& type, bool nullable, std::uint32_t width, const std::uint8_t* from) {
  if (!nullable) return get_value(type, from);
  if (*from == 0) {
    const bool zeros = std::all_of(from, from + width, [](std::uint8_t byte) { return byte == 0; });
    if (!zeros) return corrupt("a null has bytes behind it that are not zero");
    return Value{};
  }
  if (*from != 1) return corrupt(fmt::format("byte {:#04x} in front of the value is neither 0 (null) nor 1", *from));
  return get_value(type, from + 1);
}

void put_compound(const Value& value, const Type& type, std::uint8_t* to) {
  if (type.kind == Kind::array) {
    const std::uint32_t width = *fixed_width(type.element());
    for (const Value& item : value.items()) {
      put_value(item, type.element(), to);
      to += width;
    }
    return;
  }
  for (std::size_t i = 0; i < type.members.size(); ++i) {
    const Member& member = type.members[i];
    const std::uint32_t width = member_width(member);
    put_optional(value.fields()[i].value, member.type, member.nullable, width, to);
    to += width;
  }
}

void put_value(const Value& value, const Type& type, std::uint8_t* to) {
  switch (type.kind) {
    case Kind::boolean: *to = value.as_bool() ? 1 : 0; return;
    case Kind::f32: return store(to, static_cast<float>(value.as_real()));
    case Kind::f64:
    case Kind::fsize: return store(to, value.as_real());
    case Kind::pointer:
      std::memcpy(to, value.as_pointer().device.data, 16);
      return store(to + 16, value.as_pointer().offset);
    case Kind::enumeration: {
      const auto place = static_cast<std::uint16_t>(type.find(value.label()).value_or(0));
      std::memcpy(to, &place, variant_width(type));
      return;
    }
    case Kind::array:
    case Kind::structure: return put_compound(value, type, to);
    default: return put_integer(value, kind_width(type.kind), to);
  }
}

Result<Value> get_items(const Type& type, const std::uint8_t* from) {
  std::vector<Value> items;
  items.reserve(*type.size);
  const std::uint32_t width = *fixed_width(type.element());
  for (std::uint32_t i = 0; i < *type.size; ++i, from += width) {
    auto item = get_value(type.element(), from);
    if (!item) return std::unexpected(within_item(i, std::move(item.error())));
    items.push_back(*std::move(item));
  }
  return Value::array(std::move(items));
}

Result<Value> get_fields(const Type& type, const std::uint8_t* from) {
  std::vector<Field> fields;
  fields.reserve(type.members.size());
  for (const Member& member : type.members) {
    const std::uint32_t width = member_width(member);
    auto value = get_optional(member.type, member.nullable, width, from);
    if (!value) return std::unexpected(within_field(member.name, std::move(value.error())));
    fields.push_back({member.name, *std::move(value)});
    from += width;
  }
  return Value::fields(Kind::structure, std::move(fields));
}

Result<Value> get_value(const Type& type, const std::uint8_t* from) {
  switch (type.kind) {
    case Kind::boolean:
      if (*from > 1) return corrupt(fmt::format("byte {:#04x} is no bool", *from));
      return Value::boolean(*from == 1);
    case Kind::f32: return Value::real(Kind::f32, std::bit_cast<float>(load<std::uint32_t>(from)));
    case Kind::f64:
    case Kind::fsize: return Value::real(type.kind, std::bit_cast<double>(load<std::uint64_t>(from)));
    case Kind::pointer: {
      Pointer pointer;
      std::memcpy(pointer.device.data, from, 16);
      pointer.offset = load<std::uint64_t>(from + 16);
      return Value::pointer(pointer);
    }
    case Kind::enumeration: {
      const std::size_t place = variant_width(type) == 1 ? *from : load<std::uint16_t>(from);
      if (place >= type.members.size()) return corrupt(fmt::format("the enum has no variant number {}", place));
      return Value::variant(type.members[place].name);
    }
    case Kind::array: return get_items(type, from);
    case Kind::structure: return get_fields(type, from);
    default: return get_integer(type.kind, from);
  }
}

/// The loop over one column of whole numbers of this width, without nulls.
template <typename T>
void put_numbers(std::span<const Row> rows, std::size_t column, std::uint8_t* to) {
  for (const Row& row : rows) {
    store(to, static_cast<T>(row[column].low_bits()));
    to += sizeof(T);
  }
}

template <typename T>
void put_reals(std::span<const Row> rows, std::size_t column, std::uint8_t* to) {
  for (const Row& row : rows) {
    store(to, static_cast<T>(row[column].as_real()));
    to += sizeof(T);
  }
}

template <typename T>
void get_numbers(Kind kind, const std::uint8_t* from, std::span<Row> rows, std::size_t column) {
  for (Row& row : rows) {
    T number;
    std::memcpy(&number, from, sizeof number);
    row[column].become(kind, number);
    from += sizeof number;
  }
}

}  // namespace

std::optional<std::uint32_t> fixed_width(const Type& type) {
  std::uint64_t width = kind_width(type.kind);
  if (type.kind == Kind::enumeration) {
    const bool bare =
        std::ranges::all_of(type.members, [](const Member& member) { return member.type.kind == Kind::null; });
    if (bare) width = variant_width(type);
  } else if (type.kind == Kind::array && type.size) {
    const auto element = fixed_width(type.element());
    if (element) width = std::uint64_t{*element} * *type.size;
  } else if (type.kind == Kind::structure) {
    for (const Member& member : type.members) {
      const auto one = fixed_width(member.type);
      if (!one) return std::nullopt;
      width += *one + (member.nullable ? 1 : 0);
    }
  }
  if (width == 0 || width > limits::most_fixed_width) return std::nullopt;
  return static_cast<std::uint32_t>(width);
}

FixedColumn::FixedColumn(const Type& type, bool nullable)
    : type_{type}, nullable_{nullable}, width_{fixed_width(type).value_or(0) + (nullable ? 1 : 0)} {
  assert(fixed_width(type));
}

void FixedColumn::put(const Value& value, std::uint8_t* to) const { put_optional(value, type_, nullable_, width_, to); }

Result<Value> FixedColumn::get(const std::uint8_t* from) const { return get_optional(type_, nullable_, width_, from); }

void FixedColumn::put_column(std::span<const Row> rows, std::size_t column, std::uint8_t* to) const {
  if (!nullable_) {
    if (type_.kind == Kind::f32) return put_reals<float>(rows, column, to);
    if (is_float(type_.kind)) return put_reals<double>(rows, column, to);
    if (is_integer(type_.kind) || is_time(type_.kind)) {
      switch (width_) {
        case 1: return put_numbers<std::uint8_t>(rows, column, to);
        case 2: return put_numbers<std::uint16_t>(rows, column, to);
        case 4: return put_numbers<std::uint32_t>(rows, column, to);
        case 8: return put_numbers<std::uint64_t>(rows, column, to);
        default: break;
      }
    }
  }
  for (const Row& row : rows) {
    put(row[column], to);
    to += width_;
  }
}

std::optional<Error> FixedColumn::get_column(const std::uint8_t* from, std::span<Row> rows, std::size_t column) const {
  if (!nullable_ && width_ == 8 && holds_signed(type_.kind)) {
    get_numbers<std::int64_t>(type_.kind, from, rows, column);
    return std::nullopt;
  }
  if (!nullable_ && width_ == 8 && is_unsigned(type_.kind)) {
    get_numbers<std::uint64_t>(type_.kind, from, rows, column);
    return std::nullopt;
  }
  for (std::size_t i = 0; i < rows.size(); ++i, from += width_) {
    auto value = get(from);
    if (!value) return within_item(i, std::move(value.error()));
    rows[i][column] = *std::move(value);
  }
  return std::nullopt;
}

}  // namespace chimera::types
