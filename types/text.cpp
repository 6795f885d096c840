#include "types/text.h"

#include <fmt/format.h>
#include <boost/uuid/uuid_io.hpp>

#include "isa/text.h"
#include "types/check.h"
#include "types/json.h"
#include "types/scalar_text.h"

namespace chimera::types {
namespace {

constexpr std::string_view hex_mark = "\\x";

/// An enum whose variants have no payloads is written as their names.
bool is_bare_variant(const Type& type, std::string_view label) {
  const auto place = type.find(label);
  return place && type.members[*place].type.kind == Kind::null;
}

Result<Value> pointer_from(std::string_view text) {
  const std::size_t at = text.find('@');
  const auto device = parse_uuid(text.substr(0, at));
  if (!device || at == std::string_view::npos) return bad(fmt::format("{} is no pointer, UUID@OFFSET", cited(text)));
  const auto offset = parse_integer_of(text.substr(at + 1), Kind::u64);
  if (!offset) return std::unexpected(offset.error());
  return Value::pointer({*device, static_cast<std::uint64_t>(offset->magnitude)});
}

Result<Value> bytes_from(std::string_view text) {
  if (text.starts_with(hex_mark)) return map(parse_hex(text.substr(hex_mark.size())), Value::blob);
  return map(parse_base64(text), Value::blob);
}

Result<Value> number_from(std::string_view text, Kind kind) {
  if (is_float(kind)) {
    return map(parse_real(text, kind), [kind](double real) { return Value::real(kind, real); });
  }
  return map(parse_integer_of(text, kind), [kind](Integer integer) { return Value::integer(kind, integer); });
}

/// Without `check`.
Result<Value> value_from(std::string_view text, const Type& type) {
  switch (type.kind) {
    case Kind::string: return Value::string(std::string{text});
    case Kind::boolean:
      if (text != "true" && text != "false") return bad(fmt::format("{} is neither true nor false", cited(text)));
      return Value::boolean(text == "true");
    case Kind::datetime: return map(parse_datetime(text), Value::datetime);
    case Kind::duration: return map(parse_duration(text), Value::duration);
    case Kind::blob: return bytes_from(text);
    case Kind::function: return map(parse_hex(text), Value::function);
    case Kind::pointer: return pointer_from(text);
    case Kind::enumeration:
      if (text.starts_with('{')) return from_json(text, type, false);
      return Value::variant(std::string{text});
    default: break;
  }
  if (is_integer(type.kind) || is_float(type.kind)) return number_from(text, type.kind);
  return from_json(text, type, type.holds_any());
}

}  // namespace

Result<Value> from_text(std::string_view text, const Type& type) {
  auto value = value_from(text, type);
  if (!value) return value;
  if (auto wrong = check(*value, type, false)) return std::unexpected(*std::move(wrong));
  return value;
}

void append_text(const Value& value, const Type& type, std::string& to) {
  switch (type.kind) {
    case Kind::string: to += value.as_bytes(); return;
    case Kind::boolean: to += value.as_bool() ? "true" : "false"; return;
    case Kind::datetime: return append_datetime(to, static_cast<std::int64_t>(value.low_bits()));
    case Kind::duration: return append_duration(to, static_cast<std::int64_t>(value.low_bits()));
    case Kind::blob: return append_base64(to, value.as_bytes());
    case Kind::function: return append_hex(to, value.as_bytes());
    case Kind::pointer:
      to += to_string(value.as_pointer().device);
      to += '@';
      return append_decimal(to, {false, value.as_pointer().offset});
    case Kind::enumeration:
      if (is_bare_variant(type, value.label())) {
        to += value.label();
        return;
      }
      break;
    default: break;
  }
  if (is_integer(type.kind)) return append_decimal(to, value.as_integer());
  if (is_float(type.kind)) return append_real(to, value.as_real(), type.kind);
  append_json(value, type, to);
}

std::string to_text(const Value& value, const Type& type) {
  std::string text;
  append_text(value, type, text);
  return text;
}

}  // namespace chimera::types
