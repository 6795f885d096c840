#pragma once
// The names of a table's devices. A part of a name is an identifier, so none of them means two things.

#include <expected>
#include <string>
#include <string_view>

namespace chimera::tables {

/// `NAMESPACE/DATABASE/TABLE`.
struct TableName {
  std::string space;
  std::string database;
  std::string table;

  /// The name of the header's device.
  [[nodiscard]] std::string text() const { return space + "/" + database + "/" + table; }
  friend bool operator==(const TableName&, const TableName&) = default;
};

/// A letter or underscore, then letters, digits and underscores; at most types::limits::longest_identifier bytes.
[[nodiscard]] bool is_name_part(std::string_view part) noexcept;

/// Takes `NAMESPACE/DATABASE/TABLE` apart. The error is a whole sentence.
[[nodiscard]] std::expected<TableName, std::string> parse_table_name(std::string_view text);

/// Where the catalogue keeps its own tables.
inline constexpr std::string_view catalogue_names[] = {"chimera/catalogue/namespaces", "chimera/catalogue/databases",
                                                       "chimera/catalogue/tables"};
/// Whether this is one of them: they can be read like others, and only the catalogue changes them.
[[nodiscard]] bool is_catalogues_own(std::string_view name) noexcept;

/// The names of a table's devices; `header` is that of its header.
[[nodiscard]] std::string column_device(std::string_view header, std::string_view column);
[[nodiscard]] std::string heap_device(std::string_view header);
[[nodiscard]] std::string key_device(std::string_view header);
[[nodiscard]] std::string index_device(std::string_view header, std::string_view index);
/// A column of many rows that is being added; `owner` tells those of several sessions apart.
[[nodiscard]] std::string filling_device(std::string_view header, std::string_view owner);
/// Of who is putting a long value; `owner` tells several apart.
[[nodiscard]] std::string stage_device(std::string_view header, std::string_view owner);
/// An index that is being added.
[[nodiscard]] std::string unfinished_device(std::string_view header, std::string_view index);
[[nodiscard]] std::string external_device(std::string_view header, std::string_view column);
[[nodiscard]] std::string free_device(std::string_view header);

}  // namespace chimera::tables
