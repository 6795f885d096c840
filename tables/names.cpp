#include "tables/names.h"

#include <fmt/format.h>

#include <algorithm>

#include "types/limits.h"

namespace chimera::tables {

using types::limits::longest_identifier;

namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

}  // namespace

bool is_name_part(std::string_view part) noexcept {
  if (part.empty() || part.size() > longest_identifier || !is_letter(part.front())) return false;
  return std::ranges::all_of(part, [](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

bool is_catalogues_own(std::string_view name) noexcept {
  return std::ranges::find(catalogue_names, name) != std::end(catalogue_names);
}

std::expected<TableName, std::string> parse_table_name(std::string_view text) {
  const std::size_t first = text.find('/');
  const std::size_t second = first == text.npos ? text.npos : text.find('/', first + 1);
  if (second == text.npos) {
    return std::unexpected(fmt::format("\"{}\" is no table's name: it has to be NAMESPACE/DATABASE/TABLE.", text));
  }
  TableName name{std::string(text.substr(0, first)), std::string(text.substr(first + 1, second - first - 1)),
                 std::string(text.substr(second + 1))};
  for (const std::string* part : {&name.space, &name.database, &name.table}) {
    if (is_name_part(*part)) continue;
    return std::unexpected(
        fmt::format("\"{}\" in the table's name \"{}\" is no identifier: a letter or underscore, then letters, digits "
                    "and underscores, {} bytes at most.",
                    *part, text, longest_identifier));
  }
  return name;
}

std::string column_device(std::string_view header, std::string_view column) {
  return fmt::format("{}/{}", header, column);
}
std::string heap_device(std::string_view header) { return fmt::format("{}:heap", header); }
std::string key_device(std::string_view header) { return fmt::format("{}:key", header); }
std::string index_device(std::string_view header, std::string_view index) {
  return fmt::format("{}:index/{}", header, index);
}
std::string filling_device(std::string_view header, std::string_view owner) {
  return fmt::format("{}:filling/{}", header, owner);
}
std::string stage_device(std::string_view header, std::string_view owner) {
  return fmt::format("{}:stage/{}", header, owner);
}
std::string unfinished_device(std::string_view header, std::string_view index) {
  return fmt::format("{}:unfinished/{}", header, index);
}
std::string external_device(std::string_view header, std::string_view column) {
  return fmt::format("{}:external/{}", header, column);
}
std::string free_device(std::string_view header) { return fmt::format("{}:free", header); }

}  // namespace chimera::tables
