// Values to JSON.

#include "types/json.h"

#include <fmt/format.h>
#include <boost/uuid/uuid_io.hpp>
#include <cmath>

#include "types/scalar_text.h"

namespace chimera::types {
namespace {

const Type& any_type() {
  static const Type type = Type::of(Kind::any);
  return type;
}

class Writer {
 public:
  explicit Writer(std::string& to) : to_{to} {}

  void value(const Value& value, const Type& type) {
    if (value.is_null()) {
      to_ += "null";
    } else if (type.holds_any()) {
      free_value(value);
    } else {
      typed(value, type);
    }
  }

  void fields(std::span<const Field> fields, const Type& type) {
    to_ += '{';
    for (const Field& field : fields) {
      if (&field != fields.data()) to_ += ',';
      append_json_string(field.name, to_);
      to_ += ':';
      const auto place = type.kind == Kind::object ? std::nullopt : type.find(field.name);
      value(field.value, place ? type.members[*place].type : any_type());
    }
    to_ += '}';
  }

 private:
  /// A value where its kind does not follow from the place: it is tagged where JSON alone would not tell.
  void free_value(const Value& value) {
    const Kind kind = value.kind();
    const bool is_tagged = needs_tag(value);
    if (is_tagged) fmt::format_to(std::back_inserter(to_), "{{\"${}\":", kind_name(kind));
    typed(value, any_type());
    if (is_tagged) to_ += '}';
  }

  static bool needs_tag(const Value& value) {
    switch (value.kind()) {
      case Kind::boolean:
      case Kind::string:
      case Kind::array:
      case Kind::i64: return false;
      case Kind::f64: return !std::isfinite(value.as_real());
      case Kind::object: return value.fields().size() == 1 && value.fields().front().name.starts_with('$');
      default: return true;
    }
  }

  /// Without a tag. `type` is the value's, or any where the values inside have to tell their kinds themselves.
  void typed(const Value& value, const Type& type) {
    const Kind kind = value.kind();
    switch (kind) {
      case Kind::null: to_ += "null"; return;
      case Kind::boolean: to_ += value.as_bool() ? "true" : "false"; return;
      case Kind::string: return append_json_string(value.as_bytes(), to_);
      case Kind::datetime: return quoted([&] { append_datetime(to_, static_cast<std::int64_t>(value.low_bits())); });
      case Kind::duration: return quoted([&] { append_duration(to_, static_cast<std::int64_t>(value.low_bits())); });
      case Kind::blob: return quoted([&] { append_base64(to_, value.as_bytes()); });
      case Kind::function:
        to_ += "{\"program\":";
        quoted([&] { append_hex(to_, value.as_bytes()); });
        to_ += '}';
        return;
      case Kind::pointer:
        fmt::format_to(std::back_inserter(to_), "{{\"device\":\"{}\",\"offset\":{}}}",
                       to_string(value.as_pointer().device), value.as_pointer().offset);
        return;
      case Kind::array:
      case Kind::set: return items(value, type.holds_any() ? type : type.element());
      case Kind::enumeration:
      case Kind::one_of: return variant(value, type);
      case Kind::object:
      case Kind::structure:
      case Kind::interface: return fields(value.fields(), type.holds_any() ? Type::of(Kind::object) : type);
      default: return number(value);
    }
  }

  template <typename Append>
  void quoted(Append append) {
    to_ += '"';
    append();
    to_ += '"';
  }

  void number(const Value& value) {
    if (!is_float(value.kind())) return append_decimal(to_, value.as_integer());
    if (std::isfinite(value.as_real())) return append_real(to_, value.as_real(), value.kind());
    quoted([&] { append_real(to_, value.as_real(), value.kind()); });
  }

  void items(const Value& list, const Type& element) {
    to_ += '[';
    for (const Value& item : list.items()) {
      if (&item != list.items().data()) to_ += ',';
      value(item, element);
    }
    to_ += ']';
  }

  void variant(const Value& value, const Type& type) {
    if (value.payload() == nullptr) return append_json_string(value.label(), to_);
    to_ += '{';
    append_json_string(value.label(), to_);
    to_ += ':';
    const auto place = type.find(value.label());
    this->value(*value.payload(), place ? type.members[*place].type : any_type());
    to_ += '}';
  }

  std::string& to_;
};

}  // namespace

void append_json_string(std::string_view text, std::string& to) {
  to += '"';
  for (const char c : text) {
    const auto byte = static_cast<std::uint8_t>(c);
    switch (c) {
      case '"': to += "\\\""; break;
      case '\\': to += "\\\\"; break;
      case '\n': to += "\\n"; break;
      case '\r': to += "\\r"; break;
      case '\t': to += "\\t"; break;
      default:
        if (byte < 0x20 || byte == 0x7F) {
          fmt::format_to(std::back_inserter(to), "\\u{:04x}", byte);
        } else {
          to += c;
        }
    }
  }
  to += '"';
}

void append_json(const Value& value, const Type& type, std::string& to) { Writer{to}.value(value, type); }

std::string to_json(const Value& value, const Type& type) {
  std::string text;
  append_json(value, type, text);
  return text;
}

std::string to_json(const Value& value) { return to_json(value, any_type()); }

void append_json_row(std::span<const Value> values, std::span<const Member> members, std::string& to) {
  to += '{';
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (i > 0) to += ',';
    append_json_string(members[i].name, to);
    to += ':';
    append_json(values[i], members[i].type, to);
  }
  to += '}';
}

}  // namespace chimera::types
