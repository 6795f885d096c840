#pragma once
// A column of one kind, by its name, and the relation in which it is marked as compressed, or no longer.

#include <fmt/format.h>

#include <cstdint>
#include <string_view>

#include "tables/link.h"
#include "tables/table_shape.h"

namespace chimera::tables {

/// The column's place; `busy`: it is not of that kind, so another one has its name by now.
[[nodiscard]] inline Result<std::uint32_t> column_of_kind(const TableShape& shape, std::string_view name,
                                                          bool is_variable) {
  const auto column = shape.relation.find(name);
  if (!column) {
    return std::unexpected(Failure{Status::not_found, fmt::format("{} has no column {}.", shape.name, name)});
  }
  if (shape.columns[*column].is_variable() == is_variable) return static_cast<std::uint32_t>(*column);
  return std::unexpected(Failure{
      Status::busy, fmt::format("Another column of {} has got the name {} meanwhile: do it again.", shape.name, name)});
}

[[nodiscard]] inline Result<types::Relation> marked(const TableShape& shape, std::string_view name, bool is_variable,
                                                    bool compressed) {
  const auto column = column_of_kind(shape, name, is_variable);
  if (!column) return std::unexpected(column.error());
  types::Relation relation = shape.relation;
  relation.columns[*column].compressed = compressed;
  return relation;
}

}  // namespace chimera::tables
