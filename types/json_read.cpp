// JSON to values.

#include <fmt/format.h>
#include <algorithm>

#include "isa/nearest.h"
#include "isa/text.h"
#include "types/check.h"
#include "types/json.h"
#include "types/json_document.h"
#include "types/scalar_text.h"

namespace chimera::types {
namespace {

using Form = JsonNode::Form;

Type any_type() { return Type::of(Kind::any); }

std::unexpected<Error> expected_form(std::string_view what, const JsonNode& node) {
  if (node.form == Form::number) return bad(fmt::format("expected {}, not {}", what, node.text));
  if (node.form == Form::string) return bad(fmt::format("expected {}, not {}", what, cited(node.text)));
  return bad(fmt::format("expected {}, not {}", what, node.form_name()));
}

/// "there is no field …", with the nearest that there is.
Error no_member(std::string_view what, std::string_view name, std::span<const Member> members) {
  Nearest nearest{name};
  for (const Member& member : members) nearest.offer(member.name);
  std::string words = fmt::format("there is no {} {}", what, cited(name));
  if (!nearest.best().empty()) words += fmt::format("; did you mean '{}'?", nearest.best());
  return {Status::bad_text, std::move(words)};
}

Result<Value> read(const JsonNode& node, const Type& type, bool nullable);

Result<Value> read_any_number(const JsonNode& node) {
  if (node.text.find_first_of(".eE") != std::string::npos) {
    const auto real = parse_real(node.text, Kind::f64);
    if (!real) return std::unexpected(real.error());
    return Value::real(Kind::f64, *real);
  }
  const auto integer = parse_integer(node.text);
  for (const Kind kind : {Kind::i64, Kind::i128, Kind::u128}) {
    if (integer && fits(kind, *integer)) return Value::integer(kind, *integer);
  }
  return bad(fmt::format("{} has more than 128 bits", cited(node.text)));
}

/// The kind that an object of one field `$kind` says its value is of.
std::optional<Kind> tag_of(const JsonNode& node) {
  if (node.form != Form::object || node.names.size() != 1 || !node.names.front().starts_with('$')) return std::nullopt;
  const auto kind = kind_named(std::string_view{node.names.front()}.substr(1));
  if (!kind || *kind == Kind::null || *kind == Kind::any || *kind == Kind::unknown) return std::nullopt;
  return kind;
}

/// The name in front of each field's value, and what type it is to be of.
Result<std::vector<Field>> read_fields(const JsonNode& node) {
  std::vector<Field> fields;
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    auto value = read(node.items[i], any_type(), true);
    if (!value) return std::unexpected(within_field(node.names[i], std::move(value.error())));
    fields.push_back({node.names[i], *std::move(value)});
  }
  return fields;
}

Result<Value> read_any_compound(const JsonNode& node, Kind kind) {
  if (kind == Kind::array || kind == Kind::set) {
    if (node.form != Form::array) return expected_form("an array", node);
    return read(node, kind == Kind::array ? Type::array(any_type()) : Type::set(any_type()), false);
  }
  if (kind == Kind::enumeration && node.form == Form::string) return Value::variant(node.text);
  if (node.form != Form::object) return expected_form("an object", node);
  auto fields = read_fields(node);
  if (!fields) return std::unexpected(fields.error());
  if (kind != Kind::enumeration && kind != Kind::one_of) return Value::fields(kind, *std::move(fields));
  if (fields->size() != 1) return bad(fmt::format("{} is an object with one field", kind_name(kind)));
  Field& only = fields->front();
  return kind == Kind::one_of ? Value::one_of(std::move(only.name), std::move(only.value))
                              : Value::variant(std::move(only.name), std::move(only.value));
}

bool is_compound(Kind kind) {
  switch (kind) {
    case Kind::array:
    case Kind::set:
    case Kind::object:
    case Kind::enumeration:
    case Kind::structure:
    case Kind::one_of:
    case Kind::interface: return true;
    default: return false;
  }
}

Result<Value> read_any(const JsonNode& node) {
  if (const auto kind = tag_of(node)) {
    const JsonNode& inside = node.items.front();
    return is_compound(*kind) ? read_any_compound(inside, *kind) : read(inside, Type::of(*kind), false);
  }
  switch (node.form) {
    case Form::null: return Value{};
    case Form::boolean: return Value::boolean(node.truth);
    case Form::number: return read_any_number(node);
    case Form::string: return Value::string(node.text);
    case Form::array: return read_any_compound(node, Kind::array);
    case Form::object: return read_any_compound(node, Kind::object);
  }
  return bad("no JSON");
}

Result<Value> read_items(const JsonNode& node, const Type& type) {
  if (node.form != Form::array) return expected_form("an array", node);
  std::vector<Value> items;
  items.reserve(node.items.size());
  for (const JsonNode& inside : node.items) {
    auto item = read(inside, type.element(), false);
    if (!item) return std::unexpected(within_item(items.size(), std::move(item.error())));
    items.push_back(*std::move(item));
  }
  return type.kind == Kind::set ? Value::set(std::move(items)) : Value::array(std::move(items));
}

/// The members' values in their order, nothing for one that lacks. `others` takes what is no member's, or that is an
/// error.
Result<std::vector<std::optional<Value>>> read_members(const JsonNode& node, std::span<const Member> members,
                                                       std::string_view what, std::vector<Field>* others) {
  if (node.form != Form::object) return expected_form("an object", node);
  std::vector<std::optional<Value>> values(members.size());
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    const auto member = std::ranges::find(members, node.names[i], &Member::name);
    if (member == members.end() && others == nullptr) {
      Error error = no_member(what, node.names[i], members);
      error.offset = node.name_offsets[i];
      return std::unexpected(std::move(error));
    }
    auto value = member == members.end() ? read(node.items[i], any_type(), true)
                                         : read(node.items[i], member->type, member->nullable);
    if (!value) return std::unexpected(within_field(node.names[i], std::move(value.error())));
    if (member == members.end()) {
      others->push_back({node.names[i], *std::move(value)});
    } else {
      values[static_cast<std::size_t>(member - members.begin())] = *std::move(value);
    }
  }
  return values;
}

Result<Value> read_structure(const JsonNode& node, const Type& type) {
  std::vector<Field> others;
  auto values = read_members(node, type.members, "field", type.kind == Kind::interface ? &others : nullptr);
  if (!values) return std::unexpected(values.error());
  std::vector<Field> fields;
  for (std::size_t i = 0; i < type.members.size(); ++i) {
    const Member& member = type.members[i];
    auto& value = (*values)[i];
    if (!value && !member.nullable && !member.type.holds_any()) {
      return bad(fmt::format("the field '{}' is missing", member.name));
    }
    fields.push_back({member.name, value ? *std::move(value) : Value{}});
  }
  std::ranges::move(others, std::back_inserter(fields));
  return Value::fields(type.kind, std::move(fields));
}

Result<Value> read_variant(const JsonNode& node, const Type& type) {
  const bool is_object = node.form == Form::object && node.items.size() == 1;
  const bool is_bare = type.kind == Kind::enumeration && node.form == Form::string;
  if (!is_object && !is_bare) {
    return expected_form(
        type.kind == Kind::enumeration ? R"(a variant, "name" or {"name": …})" : R"(a union's value, {"type": …})",
        node);
  }
  const std::string& label = is_bare ? node.text : node.names.front();
  const auto place = type.find(label);
  if (!place) {
    return std::unexpected(no_member(type.kind == Kind::enumeration ? "variant" : "alternative", label, type.members));
  }
  const Member& member = type.members[*place];
  if (is_bare != (member.type.kind == Kind::null)) {
    if (is_bare) return bad(fmt::format("the variant '{}' has a payload: {{\"{}\": …}}", label, label));
    return bad(fmt::format("the variant '{}' has no payload: \"{}\"", label, label));
  }
  if (is_bare) return Value::variant(label);
  auto payload = read(node.items.front(), member.type, false);
  if (!payload) return std::unexpected(within_field(label, std::move(payload.error())));
  return type.kind == Kind::one_of ? Value::one_of(label, *std::move(payload))
                                   : Value::variant(label, *std::move(payload));
}

Result<Value> read_pointer(const JsonNode& node) {
  static const std::vector<Member> members{{"device", Type::of(Kind::string)}, {"offset", Type::of(Kind::u64)}};
  auto parts = read_members(node, members, "field", nullptr);
  if (!parts) return std::unexpected(parts.error());
  if (!parts->front() || !parts->back()) return bad(R"(a pointer is {"device": UUID, "offset": number})");
  const auto device = parse_uuid(parts->front()->as_bytes());
  if (!device) return bad(fmt::format("{} is no UUID", cited(parts->front()->as_bytes())));
  return Value::pointer({*device, parts->back()->low_bits()});
}

Result<Value> read_function(const JsonNode& node) {
  const bool has_program = node.form == Form::object && node.items.size() == 1 && node.names.front() == "program" &&
                           node.items.front().form == Form::string;
  if (!has_program) return expected_form(R"(a function, {"program": hexadecimal})", node);
  auto bytes = parse_hex(node.items.front().text);
  if (!bytes) return std::unexpected(within_field("program", std::move(bytes.error())));
  return Value::function(*std::move(bytes));
}

/// A number, or the text that JSON has a string for.
Result<Value> read_scalar(const JsonNode& node, Kind kind) {
  const bool is_number = is_integer(kind) || is_float(kind);
  const bool is_infinite = is_float(kind) && (node.text == "nan" || node.text == "inf" || node.text == "-inf");
  if (is_number ? node.form != Form::number && !(node.form == Form::string && is_infinite)
                : node.form != Form::string) {
    return expected_form(kind_name(kind), node);
  }
  switch (kind) {
    case Kind::string: return Value::string(node.text);
    case Kind::datetime: return map(parse_datetime(node.text), Value::datetime);
    case Kind::duration: return map(parse_duration(node.text), Value::duration);
    case Kind::blob: return map(parse_base64(node.text), Value::blob);
    default: break;
  }
  if (is_float(kind)) {
    return map(parse_real(node.text, kind), [kind](double real) { return Value::real(kind, real); });
  }
  return map(parse_integer_of(node.text, kind), [kind](Integer integer) { return Value::integer(kind, integer); });
}

Result<Value> read(const JsonNode& node, const Type& type, bool nullable) {
  if (type.holds_any()) return read_any(node);
  if (node.form == Form::null) {
    if (nullable) return Value{};
    return bad(fmt::format("expected {}, not null", kind_name(type.kind)));
  }
  switch (type.kind) {
    case Kind::boolean:
      if (node.form != Form::boolean) return expected_form("true or false", node);
      return Value::boolean(node.truth);
    case Kind::array:
    case Kind::set: return read_items(node, type);
    case Kind::object: return read_any_compound(node, Kind::object);
    case Kind::structure:
    case Kind::interface: return read_structure(node, type);
    case Kind::enumeration:
    case Kind::one_of: return read_variant(node, type);
    case Kind::pointer: return read_pointer(node);
    case Kind::function: return read_function(node);
    default: return read_scalar(node, type.kind);
  }
}

/// The same error with the offset of what its path leads to.
std::unexpected<Error> located(const JsonNode& node, Error error) {
  if (error.offset == Error::nowhere) error.offset = offset_at(node, error.path);
  return std::unexpected(std::move(error));
}

}  // namespace

Result<Value> from_json(std::string_view text, const Type& type, bool nullable) {
  const auto node = parse_json(text);
  if (!node) return std::unexpected(node.error());
  auto value = read(*node, type, nullable);
  if (!value) return located(*node, std::move(value.error()));
  if (auto wrong = check(*value, type, nullable)) return located(*node, *std::move(wrong));
  return value;
}

Result<std::vector<std::optional<Value>>> row_from_json(std::string_view text, std::span<const Member> members) {
  const auto node = parse_json(text);
  if (!node) return std::unexpected(node.error());
  auto values = read_members(*node, members, "column", nullptr);
  if (!values) return located(*node, std::move(values.error()));
  for (std::size_t i = 0; i < members.size(); ++i) {
    const auto& value = (*values)[i];
    if (!value) continue;
    if (auto wrong = check(*value, members[i].type, members[i].nullable)) {
      return located(*node, within_field(members[i].name, *std::move(wrong)));
    }
  }
  return values;
}

}  // namespace chimera::types
