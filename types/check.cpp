#include "types/check.h"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "isa/decoder.h"
#include "isa/text.h"
#include "types/json.h"
#include "types/limits.h"
#include "types/order.h"
#include "types/scalar_text.h"

namespace chimera::types {
namespace {

using Wrong = std::optional<Error>;

Wrong wrong(std::string words) { return Error{Status::bad_text, std::move(words)}; }

/// The value is of no type, but what is inside it may be anything that a value may be.
class Checker {
 public:
  [[nodiscard]] Wrong value(const Value& value, const Type& type, bool nullable, unsigned depth) const {
    if (depth > limits::most_depth) {
      return Error{Status::too_large,
                   fmt::format("values are inside each other more than {} deep", limits::most_depth)};
    }
    if (type.holds_any()) return free_value(value, depth);
    if (value.is_null()) {
      return nullable ? std::nullopt : wrong(fmt::format("expected {}, not null", kind_name(type.kind)));
    }
    if (value.kind() != type.kind) {
      return wrong(fmt::format("expected {}, not {} {}", kind_name(type.kind), kind_name(value.kind()), shown(value)));
    }
    switch (type.kind) {
      case Kind::array:
      case Kind::set: return items(value, type, depth);
      case Kind::structure: return structure(value, type, depth);
      case Kind::interface: return interface(value, type, depth);
      case Kind::enumeration:
      case Kind::one_of: return variant(value, type, depth);
      case Kind::string:
        if (type.size && value.as_bytes().size() > *type.size) {
          return wrong(fmt::format("{} bytes do not fit {}", value.as_bytes().size(), short_text(type)));
        }
        return free_value(value, depth);
      default: return free_value(value, depth);
    }
  }

 private:
  /// What has to hold for a value of any type.
  [[nodiscard]] Wrong free_value(const Value& value, unsigned depth) const {
    static const Type any = Type::of(Kind::any);
    switch (value.kind()) {
      case Kind::string: return is_utf8(value.as_bytes()) ? std::nullopt : wrong("the text is not UTF-8");
      case Kind::function: return program(value.as_bytes());
      case Kind::array:
      case Kind::set:
        for (std::size_t i = 0; i < value.items().size(); ++i) {
          if (auto found = this->value(value.items()[i], any, true, depth + 1)) return within_item(i, *found);
        }
        return value.kind() == Kind::set ? order(value) : std::nullopt;
      case Kind::object:
      case Kind::structure:
      case Kind::interface:
        for (const Field& field : value.fields()) {
          if (!is_utf8(field.name)) return wrong("a field's name is not UTF-8");
          if (auto found = this->value(field.value, any, true, depth + 1)) return within_field(field.name, *found);
        }
        return names(value);
      case Kind::enumeration:
      case Kind::one_of:
        if (!is_utf8(value.label())) return wrong("a variant's name is not UTF-8");
        if (value.payload() == nullptr) return std::nullopt;
        if (auto found = this->value(*value.payload(), any, true, depth + 1)) {
          return within_field(value.label(), *found);
        }
        return std::nullopt;
      default: return std::nullopt;
    }
  }

  [[nodiscard]] static Wrong program(const std::string& bytes) {
    std::span<const std::uint8_t> rest{reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
    Instruction instruction;
    while (!rest.empty()) {
      const Decoded decoded = decode(rest, instruction);
      if (decoded.kind != Decoded::Kind::complete) {
        return wrong(fmt::format("byte {} of the function begins no whole instruction", bytes.size() - rest.size()));
      }
      rest = rest.subspan(static_cast<std::size_t>(decoded.size));
    }
    return std::nullopt;
  }

  [[nodiscard]] static Wrong order(const Value& set) {
    const auto out_of_order = [](const Value& left, const Value& right) { return total_order(left, right) >= 0; };
    if (std::ranges::adjacent_find(set.items(), out_of_order) == set.items().end()) return std::nullopt;
    return wrong("the set is not in order");
  }

  [[nodiscard]] static Wrong names(const Value& value) {
    std::unordered_set<std::string_view> seen;
    for (const Field& field : value.fields()) {
      if (!seen.insert(field.name).second) return wrong(fmt::format("the field {} is there twice", cited(field.name)));
    }
    return std::nullopt;
  }

  [[nodiscard]] Wrong items(const Value& value, const Type& type, unsigned depth) const {
    const std::size_t count = value.items().size();
    const bool is_set = type.kind == Kind::set;
    if (type.size && (is_set ? count > *type.size : count != *type.size)) {
      return wrong(fmt::format("{} elements do not fit {}", count, short_text(type)));
    }
    for (std::size_t i = 0; i < count; ++i) {
      if (auto found = this->value(value.items()[i], type.element(), false, depth + 1)) {
        return within_item(i, *found);
      }
    }
    return is_set ? order(value) : std::nullopt;
  }

  /// The first fields are the type's members, in their order.
  [[nodiscard]] Wrong members(const Value& value, const Type& type, unsigned depth) const {
    for (std::size_t i = 0; i < type.members.size(); ++i) {
      const Member& member = type.members[i];
      if (i >= value.fields().size() || value.fields()[i].name != member.name) {
        return wrong(fmt::format("the field '{}' is missing at place {}", member.name, i));
      }
      if (auto found = this->value(value.fields()[i].value, member.type, member.nullable, depth + 1)) {
        return within_field(member.name, *found);
      }
    }
    return std::nullopt;
  }

  [[nodiscard]] Wrong structure(const Value& value, const Type& type, unsigned depth) const {
    if (value.fields().size() > type.members.size()) {
      return wrong(fmt::format("there is no field {}", cited(value.fields()[type.members.size()].name)));
    }
    return members(value, type, depth);
  }

  [[nodiscard]] Wrong interface(const Value& value, const Type& type, unsigned depth) const {
    if (auto found = members(value, type, depth)) return found;
    return free_value(value, depth);
  }

  [[nodiscard]] Wrong variant(const Value& value, const Type& type, unsigned depth) const {
    const auto place = type.find(value.label());
    if (!place) return wrong(fmt::format("{} is none of {}", cited(value.label()), short_text(type)));
    const Type& inside = type.members[*place].type;
    const bool has_payload = value.payload() != nullptr;
    if (has_payload != (inside.kind != Kind::null)) {
      return wrong(fmt::format("'{}' {} a payload", value.label(), has_payload ? "has no place for" : "lacks"));
    }
    if (!has_payload) return std::nullopt;
    if (auto found = this->value(*value.payload(), inside, false, depth + 1)) {
      return within_field(value.label(), *found);
    }
    return std::nullopt;
  }
};

void conform_integer(Value& value, Kind kind) {
  const Integer integer = value.as_integer();
  if (is_integer(kind)) {
    if (fits(kind, integer)) value = Value::integer(kind, integer);
    return;
  }
  // A float of that many bits has every whole number up to there; beyond, those only that come back unchanged.
  const auto real = static_cast<double>(integer.magnitude);
  const Value candidate = Value::real(kind, integer.negative ? -real : real);
  const double limit = 0x1p127;
  if (std::fabs(candidate.as_real()) < limit &&
      static_cast<U128>(std::fabs(candidate.as_real())) == integer.magnitude) {
    value = candidate;
  }
}

void conform_real(Value& value, Kind kind) {
  const Value candidate = Value::real(kind, value.as_real());
  if (std::isnan(value.as_real()) || candidate.as_real() == value.as_real()) value = candidate;
}

Wrong conform_inside(Value& value, const Type& type, unsigned depth);

Wrong conform_fields(Value& value, const Type& type, unsigned depth) {
  std::vector<Field> found = std::move(value.fields());
  std::vector<Field> fields;
  for (const Member& member : type.members) {
    const auto field = std::ranges::find(found, member.name, &Field::name);
    if (field == found.end() && !member.nullable && !member.type.holds_any()) {
      return wrong(fmt::format("the field '{}' is missing", member.name));
    }
    fields.push_back({member.name, field == found.end() ? Value{} : std::move(field->value)});
    if (field != found.end()) found.erase(field);
    if (auto bad_field = conform_inside(fields.back().value, member.type, depth + 1)) {
      return within_field(member.name, *bad_field);
    }
  }
  if (type.kind == Kind::structure && !found.empty()) {
    return wrong(fmt::format("there is no field {}", cited(found.front().name)));
  }
  std::ranges::move(found, std::back_inserter(fields));
  value = Value::fields(type.kind, std::move(fields));
  return std::nullopt;
}

Wrong conform_items(Value& value, const Type& type, unsigned depth) {
  std::vector<Value> items = std::move(value.items());
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (auto bad_item = conform_inside(items[i], type.element(), depth + 1)) return within_item(i, *bad_item);
  }
  value = type.kind == Kind::set ? Value::set(std::move(items)) : Value::array(std::move(items));
  return std::nullopt;
}

Wrong conform_variant(Value& value, const Type& type, unsigned depth) {
  if (value.kind() == type.kind) {
    const auto place = type.find(value.label());
    if (!place || value.payload() == nullptr) return std::nullopt;
    return conform_inside(*value.payload(), type.members[*place].type, depth + 1);
  }
  if (type.kind == Kind::enumeration) {
    if (value.kind() == Kind::string) value = Value::variant(value.take_bytes());
    return std::nullopt;
  }
  for (const Member& alternative : type.members) {
    if (check(value, alternative.type, false)) continue;
    value = Value::one_of(alternative.name, std::move(value));
    return std::nullopt;
  }
  return std::nullopt;
}

/// Changes what it can; what is wrong afterwards `check` says.
Wrong conform_inside(Value& value, const Type& type, unsigned depth) {
  if (depth > limits::most_depth || value.is_null() || type.holds_any()) return std::nullopt;
  const Kind kind = value.kind();
  const bool has_fields = kind == Kind::object || kind == Kind::structure || kind == Kind::interface;
  switch (type.kind) {
    case Kind::structure:
    case Kind::interface: return has_fields ? conform_fields(value, type, depth) : std::nullopt;
    case Kind::array:
    case Kind::set:
      if (kind == type.kind || kind == Kind::array) return conform_items(value, type, depth);
      return std::nullopt;
    case Kind::enumeration:
    case Kind::one_of: return conform_variant(value, type, depth);
    default: break;
  }
  if (kind == type.kind) return std::nullopt;
  if (is_integer(kind) && (is_integer(type.kind) || is_float(type.kind))) {
    conform_integer(value, type.kind);
    if (value.kind() == kind && is_integer(type.kind)) {
      // Says the range.
      std::string text;
      append_decimal(text, value.as_integer());
      return parse_integer_of(text, type.kind).error();
    }
  } else if (is_float(kind) && is_float(type.kind)) {
    conform_real(value, type.kind);
  }
  return std::nullopt;
}

}  // namespace

std::optional<Error> check(const Value& value, const Type& type, bool nullable) {
  return Checker{}.value(value, type, nullable, 1);
}

std::optional<Error> conform(Value& value, const Type& type, bool nullable) {
  if (auto found = conform_inside(value, type, 1)) return found;
  return check(value, type, nullable);
}

std::string shown(const Value& value) {
  constexpr std::size_t most = 40;
  std::string text = to_json(value);
  if (text.size() <= most) return text;
  std::size_t end = most;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + "…";
}

}  // namespace chimera::types
