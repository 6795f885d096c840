#include "cli/table_places.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "isa/nearest.h"

namespace chimera::cli {
namespace {

constexpr std::size_t most_listed = 8;

/// `known` are in the same place: their names differ in the last part alone.
Done find(std::string_view what, const std::string& name, const std::vector<std::string>& known) {
  if (std::ranges::find(known, name) != known.end()) return {};
  const std::size_t place = name.rfind('/') + 1;
  Nearest nearest(std::string_view(name).substr(place));
  for (const std::string& other : known) nearest.offer(std::string_view(other).substr(place));
  if (!nearest.best().empty()) {
    return std::unexpected(
        fmt::format("There is no {} {}; did you mean {}{}?", what, name, name.substr(0, place), nearest.best()));
  }
  std::string list;
  for (std::size_t i = 0; i < std::min(known.size(), most_listed); ++i) list += (i == 0 ? "" : ", ") + known[i];
  if (known.size() > most_listed) list += fmt::format(" and {} more", known.size() - most_listed);
  if (list.empty()) return std::unexpected(fmt::format("There is no {} {}, nor any other.", what, name));
  return std::unexpected(
      fmt::format("There is no {} {}. There {} {}.", what, name, known.size() == 1 ? "is" : "are", list));
}

}  // namespace

Done check_is_there(tables::Catalogue& catalogue, const std::string& within) {
  const std::string space = within.substr(0, within.find('/'));
  const auto spaces = catalogue.namespaces();
  if (!spaces) return words_of(spaces);
  if (auto there = find("namespace", space, *spaces); !there || space == within) return there;
  const auto databases = catalogue.databases(space);
  if (!databases) return words_of(databases);
  return find("database", within, *databases);
}

std::string words_of_table(tables::Link& link, const std::string& name, const tables::Failure& failure) {
  if (failure.status != Status::not_found) return failure.words;
  tables::Catalogue catalogue(link);
  const std::string place = name.substr(0, name.rfind('/'));
  const auto all = catalogue.tables(place);
  if (!all) return failure.words;
  if (const auto there = check_is_there(catalogue, place); !there) return there.error();
  std::vector<std::string> names;
  for (const tables::ListedTable& table : *all) names.push_back(table.name);
  const Done found = find("table", name, names);
  return found ? failure.words : found.error();
}

}  // namespace chimera::cli
