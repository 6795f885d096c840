#pragma once
// Schemas: types with names, and relations, in a text that people write. docs/schema.md describes the language.

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "isa/diagnostic.h"
#include "types/type.h"
#include "types/value.h"

namespace chimera::types {

struct Column {
  std::string name;
  Type type;
  bool nullable = false;
  bool external = false;  ///< its values stand in a heap of their own; variable types only
  bool compressed = false;
  bool indexed = false;                     ///< an index of this column alone, which has the column's name
  bool unique = false;                      ///< the same, and no two rows have the same value
  std::optional<Value> default_value = {};  ///< passes `check`

  [[nodiscard]] bool operator==(const Column&) const = default;
};

/// An index over several columns, or one with a name of its own.
struct Index {
  std::string name;
  bool unique = false;
  std::vector<std::uint32_t> columns;  ///< places in the relation's columns

  [[nodiscard]] bool operator==(const Index&) const = default;
};

struct Relation {
  std::string name;  ///< with its modules, "shop.orders"
  std::vector<Column> columns;
  std::vector<std::uint32_t> key = {};          ///< places of the primary key's columns; empty: rows have no key
  std::vector<Index> indexes = {};              ///< in the order of the text
  std::optional<std::uint64_t> circular = {};   ///< the most rows: the oldest gives way
  std::optional<std::uint32_t> append_by = {};  ///< the place of the column that never decreases from row to row

  [[nodiscard]] std::optional<std::size_t> find(std::string_view column) const;
  /// The columns as a structure, for JSON and checks of whole rows.
  [[nodiscard]] Type row_type() const;
  /// Every index: those of single columns in the columns' order, then `indexes`.
  [[nodiscard]] std::vector<Index> all_indexes() const;

  [[nodiscard]] bool operator==(const Relation&) const = default;
};

/// A schema's parts in the order of its text. Names of types and relations have their modules in front, "geo.Point".
struct Schema {
  std::vector<Type> types;  ///< each with its name
  std::vector<Relation> relations;

  [[nodiscard]] const Relation* find(std::string_view relation) const;
  [[nodiscard]] bool operator==(const Schema&) const = default;
};

/// All that is wrong with the text, in its order, or what it says. `file` is the name that diagnostics have.
[[nodiscard]] std::expected<Schema, std::vector<Diagnostic>> parse_schema(std::string_view text, std::string_view file);

/// The canonical text: parse_schema gives the same schema for it, and printing that the same text.
[[nodiscard]] std::string print(const Schema& schema);

/// The canonical text of a relation with the named types that it uses: what is stored as the columns of its device.
[[nodiscard]] std::string print(const Relation& relation);

/// The diagnostics, one behind the other, each with its line and carets.
[[nodiscard]] std::string diagnostics_text(const std::vector<Diagnostic>& diagnostics);

}  // namespace chimera::types
