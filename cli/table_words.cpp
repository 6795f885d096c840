#include "cli/table_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <sstream>

#include "types/text.h"

namespace chimera::cli {
namespace {

using types::Column;
using types::Relation;

/// As a condition writes it. What is wrong with it the condition's parser says.
std::string literal_of(const Column& column, const std::string& word) {
  const types::Kind kind = column.type.kind;
  if (types::is_integer(kind) || types::is_float(kind) || kind == types::Kind::boolean) return word;
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("''") : std::string(1, c);
  return text + "'";
}

std::optional<std::uint32_t> first_column(const Relation& relation, const std::string& index) {
  if (index.empty() || index == "key") {
    if (relation.key.empty()) return std::nullopt;
    return relation.key[0];
  }
  for (const types::Index& other : relation.all_indexes()) {
    if (other.name == index) return other.columns[0];
  }
  return std::nullopt;
}

}  // namespace

std::expected<types::Row, std::string> key_of(const tables::Table& table, const std::vector<std::string>& words) {
  const Relation& relation = table.relation();
  if (relation.key.empty()) return std::unexpected(fmt::format("{} has no primary key: use --where.", table.name()));
  if (words.size() != relation.key.size()) {
    std::string names;
    for (const std::uint32_t place : relation.key) names += (names.empty() ? "" : ", ") + relation.columns[place].name;
    return std::unexpected(fmt::format("The key of {} is ({}): {} values, and {} are given.", table.name(), names,
                                       relation.key.size(), words.size()));
  }
  types::Row key;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const Column& column = relation.columns[relation.key[i]];
    auto value = types::from_text(words[i], column.type);
    if (!value) return std::unexpected(fmt::format("Column {}: {}.", column.name, value.error().text()));
    key.push_back(std::move(*value));
  }
  return key;
}

std::expected<std::vector<tables::Assignment>, std::string> assignments_of(const tables::Table& table,
                                                                           const std::vector<std::string>& words) {
  std::vector<tables::Assignment> assignments;
  for (const std::string& word : words) {
    const std::size_t at = word.find('=');
    const std::string name = word.substr(0, at);
    if (at == word.npos) return std::unexpected(fmt::format("\"{}\" assigns nothing: write COLUMN=VALUE.", word));
    const auto place = table.relation().find(name);
    if (!place) return std::unexpected(fmt::format("{} has no column {}.", table.name(), name));
    const Column& column = table.relation().columns[*place];
    const std::string text = word.substr(at + 1);
    if (text.empty() && column.nullable) {
      assignments.push_back({name, types::Value()});
      continue;
    }
    auto value = types::from_text(text, column.type);
    if (!value) return std::unexpected(fmt::format("Column {}: {}.", name, value.error().text()));
    assignments.push_back({name, std::move(*value)});
  }
  return assignments;
}

std::expected<std::string, std::string> condition_of_range(const Relation& relation, const std::string& index,
                                                           const std::string& from, const std::string& to,
                                                           const std::string& where) {
  if (from.empty() && to.empty()) return where;
  const auto place = first_column(relation, index);
  if (!place) {
    return std::unexpected(index.empty() ? fmt::format("{} has no primary key: name an index.", relation.name)
                                         : fmt::format("{} has no index {}.", relation.name, index));
  }
  const Column& column = relation.columns[*place];
  std::string condition = where.empty() ? "" : "(" + where + ")";
  for (const auto& [sign, word] : {std::pair{">=", from}, std::pair{"<=", to}}) {
    if (word.empty()) continue;
    condition += (condition.empty() ? "" : " and ") + column.name + " " + sign + " " + literal_of(column, word);
  }
  return condition;
}

std::vector<std::string> names_in(const std::string& list) {
  std::vector<std::string> names;
  std::istringstream parts(list);
  for (std::string part; std::getline(parts, part, ',');) names.push_back(part);
  return names;
}

}  // namespace chimera::cli
