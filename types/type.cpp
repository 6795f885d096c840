#include "types/type.h"

#include <fmt/format.h>
#include <algorithm>
#include <unordered_set>

#include "types/limits.h"

namespace chimera::types {
namespace {

void append_body(std::string& to, const Type& type);

void append_type(std::string& to, const Type& type) {
  if (!type.name.empty()) {
    to += type.name;
  } else {
    append_body(to, type);
  }
}

void append_fields(std::string& to, const Type& type) {
  to += " {";
  for (const Member& member : type.members) {
    to += &member == type.members.data() ? " " : ", ";
    to += member.name;
    if (type.kind == Kind::enumeration) {
      if (member.type.kind == Kind::null) continue;
      to += ' ';
    } else {
      to += ": ";
    }
    append_type(to, member.type);
    if (member.nullable) to += " nullable";
  }
  to += " }";
}

void append_body(std::string& to, const Type& type) {
  to += kind_name(type.kind);
  switch (type.kind) {
    case Kind::string:
      if (type.size) fmt::format_to(std::back_inserter(to), "({})", *type.size);
      break;
    case Kind::array:
    case Kind::set:
      to += '(';
      append_type(to, type.element());
      if (type.size) fmt::format_to(std::back_inserter(to), ", {}", *type.size);
      to += ')';
      break;
    case Kind::enumeration:
    case Kind::structure:
    case Kind::interface: append_fields(to, type); break;
    case Kind::one_of:
      to += " {";
      for (const Member& member : type.members) {
        to += &member == type.members.data() ? " " : " | ";
        append_type(to, member.type);
      }
      to += " }";
      break;
    default: break;
  }
}

std::optional<Error> check_names(const Type& type) {
  std::unordered_set<std::string_view> names;
  for (const Member& member : type.members) {
    if (type.kind != Kind::one_of && !is_identifier(member.name)) {
      return Error{Status::bad_text,
                   fmt::format("'{}' is no name: a letter or _, then letters, digits and _, at most {}", member.name,
                               limits::longest_identifier)};
    }
    if (type.kind == Kind::one_of && member.name != type_text(member.type)) {
      return Error{Status::bad_text, fmt::format("the alternative {} has another name", type_text(member.type))};
    }
    if (!names.insert(member.name).second) {
      return Error{Status::bad_text, fmt::format("'{}' is there twice", member.name)};
    }
  }
  return std::nullopt;
}

/// What `check_type` looks at for one type; its members come afterwards.
std::optional<Error> check_one(const Type& type) {
  const bool is_list = type.kind == Kind::array || type.kind == Kind::set;
  const bool is_compound = type.kind == Kind::enumeration || type.kind == Kind::structure ||
                           type.kind == Kind::interface || type.kind == Kind::one_of;
  if (type.size && !is_list && type.kind != Kind::string) return Error{Status::bad_text, "this type has no size"};
  if (type.size && (*type.size == 0 || *type.size > limits::most_size)) {
    return Error{Status::bad_text, fmt::format("a size is 1 to {}", limits::most_size)};
  }
  if (is_list) {
    if (type.members.size() != 1) return Error{Status::bad_text, "an array or set has one type of elements"};
  } else if (is_compound) {
    if (type.members.empty()) return Error{Status::bad_text, "there is nothing in it"};
    return check_names(type);
  } else if (!type.members.empty()) {
    return Error{Status::bad_text, fmt::format("{} has no members", kind_name(type.kind))};
  }
  return std::nullopt;
}

std::optional<Error> check_inside(const Type& type) {
  if (auto wrong = check_one(type)) return wrong;
  for (const Member& member : type.members) {
    const bool without_payload = type.kind == Kind::enumeration && member.type.kind == Kind::null;
    if (member.type.kind == Kind::null && !without_payload) return Error{Status::bad_text, "null is no type"};
    if (auto wrong = check_inside(member.type)) return within_field(member.name, *std::move(wrong));
  }
  return std::nullopt;
}

}  // namespace

Type Type::of(Kind kind, std::optional<std::uint32_t> size) {
  Type type;
  type.kind = kind;
  type.size = size;
  return type;
}

Type Type::array(Type element, std::optional<std::uint32_t> size) {
  Type type = of(Kind::array, size);
  type.members.push_back({.name = {}, .type = std::move(element)});
  return type;
}

Type Type::set(Type element, std::optional<std::uint32_t> size) {
  Type type = array(std::move(element), size);
  type.kind = Kind::set;
  return type;
}

Type Type::with_members(Kind kind, std::vector<Member> members) {
  Type type = of(kind);
  type.members = std::move(members);
  return type;
}

Type Type::one_of(std::vector<Type> alternatives) {
  Type type = of(Kind::one_of);
  for (Type& alternative : alternatives) {
    std::string label = type_text(alternative);
    type.members.push_back({.name = std::move(label), .type = std::move(alternative)});
  }
  return type;
}

const Type& Type::element() const { return members.front().type; }

std::optional<std::size_t> Type::find(std::string_view member) const {
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (members[i].name == member) return i;
  }
  return std::nullopt;
}

bool Type::operator==(const Type& other) const {
  return kind == other.kind && size == other.size && members == other.members;
}

bool Member::operator==(const Member& other) const {
  return name == other.name && nullable == other.nullable && type == other.type;
}

std::string type_text(const Type& type) {
  std::string text;
  append_type(text, type);
  return text;
}

std::string short_text(const Type& type) {
  constexpr std::size_t most = 60;
  std::string text = type_text(type);
  if (text.size() > most) text.replace(most, std::string::npos, "…");
  return text;
}

std::string type_body(const Type& type) {
  std::string text;
  append_body(text, type);
  return text;
}

unsigned depth_of(const Type& type) {
  unsigned deepest = 0;
  for (const Member& member : type.members) deepest = std::max(deepest, depth_of(member.type));
  return deepest + 1;
}

std::size_t members_of(const Type& type) {
  std::size_t count = type.members.size();
  for (const Member& member : type.members) count += members_of(member.type);
  return count;
}

bool is_identifier(std::string_view name) noexcept {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  const auto is_rest = [is_letter](char c) { return is_letter(c) || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= limits::longest_identifier && is_letter(name.front()) &&
         std::ranges::all_of(name, is_rest);
}

std::optional<Error> check_type(const Type& type) {
  if (depth_of(type) > limits::most_depth) {
    return Error{Status::too_large, fmt::format("types are inside each other more than {} deep", limits::most_depth)};
  }
  if (members_of(type) > limits::most_members) {
    return Error{Status::too_large, fmt::format("the type has more than {} members", limits::most_members)};
  }
  return check_inside(type);
}

}  // namespace chimera::types
