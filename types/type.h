#pragma once
// What values a column, a field or a variable may have.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "types/error.h"
#include "types/kind.h"

namespace chimera::types {

struct Member;

/// A plain value: copies are deep, at most limits::most_members large.
struct Type {
  Kind kind = Kind::null;  ///< null is the type of nothing: of an enum's variant without payload
  /// string: the most bytes; array: the exact number of elements; set: the most elements.
  std::optional<std::uint32_t> size;
  /// array, set: one, the element's, without name. enum: variants. struct, interface: fields. union: alternatives,
  /// whose names are their types' texts.
  std::vector<Member> members;
  /// What the schema calls this type, "geo.Point"; empty for a type that is written out where it is used. Takes no part
  /// in comparisons.
  std::string name;

  static Type of(Kind kind, std::optional<std::uint32_t> size = std::nullopt);
  static Type array(Type element, std::optional<std::uint32_t> size = std::nullopt);
  static Type set(Type element, std::optional<std::uint32_t> size = std::nullopt);
  /// enumeration, structure or interface.
  static Type with_members(Kind kind, std::vector<Member> members);
  static Type one_of(std::vector<Type> alternatives);

  [[nodiscard]] const Type& element() const;
  /// Where the member of that name stands; nothing if there is none.
  [[nodiscard]] std::optional<std::size_t> find(std::string_view member) const;
  /// any and unknown hold null as a value of theirs.
  [[nodiscard]] bool holds_any() const { return kind == Kind::any || kind == Kind::unknown; }

  [[nodiscard]] bool operator==(const Type& other) const;
};

struct Member {
  std::string name;
  Type type;
  bool nullable = false;  ///< of fields only
  [[nodiscard]] bool operator==(const Member& other) const;
};

/// As a schema writes it where it is used: the name of a named type, else the type written out on one line.
[[nodiscard]] std::string type_text(const Type& type);
/// Written out on one line even if it has a name; what is inside it has its names.
[[nodiscard]] std::string type_body(const Type& type);
/// `type_text`, cut off where it is long: for errors.
[[nodiscard]] std::string short_text(const Type& type);
/// Bytes of the place of a variant among an enum's or union's, in entries and keys: 1 as long as that is enough,
/// else 2.
[[nodiscard]] inline unsigned variant_width(const Type& type) { return type.members.size() <= 256 ? 1 : 2; }
/// Types inside each other; 1 for a scalar.
[[nodiscard]] unsigned depth_of(const Type& type);
/// Members of the type and of all that is inside it.
[[nodiscard]] std::size_t members_of(const Type& type);

/// A letter or _, then letters, digits, _; at most limits::longest_identifier bytes.
[[nodiscard]] bool is_identifier(std::string_view name) noexcept;
/// What is wrong with a type that was not made by the parser: depth, members, sizes, names, names that are there twice.
[[nodiscard]] std::optional<Error> check_type(const Type& type);

/// Of a type without the names of others, `array(u8, 16)`. The error says the place within the text.
[[nodiscard]] Result<Type> parse_type(std::string_view text);

}  // namespace chimera::types
