// A catalogue that is made anew from the tables that are there.

#include <algorithm>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "isa/answer.h"
#include "tables/all_devices.h"
#include "tables/catalogue.h"
#include "tables/change.h"
#include "tables/check_table.h"
#include "tables/create.h"
#include "tables/names.h"

namespace chimera::tables {
namespace {

/// Devices that each table has one of, behind its name.
constexpr std::string_view endings[] = {":free", ":heap", ":key"};

/// The table that a device is of, if its name says that.
std::string_view table_of(std::string_view device) {
  for (const std::string_view ending : endings) {
    if (!device.ends_with(ending)) continue;
    device.remove_suffix(ending.size());
    return parse_table_name(device) ? device : std::string_view();
  }
  return {};
}

}  // namespace

/// Whether all three of its tables are.
Result<bool> Catalogue::is_whole() {
  for (const std::string_view name : catalogue_names) {
    bool is_sound = true;
    const auto checked = check_table(*link_, std::string(name), [&](const std::string&) { is_sound = false; });
    if (!checked && checked.error().status == Status::conflict) return std::unexpected(checked.error());
    if (!checked && checked.error().status == Status::io_error && checked.error().instruction == Failure::nowhere) {
      return std::unexpected(checked.error());
    }
    if (!checked || !is_sound) return false;
  }
  return true;
}

Result<std::vector<std::string>> Catalogue::tables_by_devices() {
  std::vector<std::string> found;
  const auto take = [&](std::string_view device) {
    const std::string_view table = table_of(device);
    if (!table.empty() && std::ranges::find(catalogue_names, table) == std::end(catalogue_names)) {
      found.emplace_back(table);
    }
  };
  auto done = for_each_device(*link_, options_.table.explained, "devices whose names say which tables there are", take);
  if (!done) return std::unexpected(std::move(done.error()));
  std::ranges::sort(found);
  const auto twice = std::ranges::unique(found);
  found.erase(twice.begin(), twice.end());
  return found;
}

/// A table that cannot be opened is listed too, so that it can be dropped.
Result<> Catalogue::check_is_left(const std::string& name) {
  Script script(options_.table.explained);
  Answers answers;
  script.note([&] { return fmt::format("whether there is something of {}, which cannot be opened", name); });
  script.add(Program().list_devices(name + ":", {}, 1));
  if (auto done = link_->run(script, answers); !done) return done;
  if (!devices_of(answers[0]).empty()) return {};
  return std::unexpected(Failure{Status::not_found, fmt::format("There is no table {}.", name)});
}

Result<std::vector<std::string>> Catalogue::relist() {
  using Names = std::vector<std::string>;
  const auto whole = is_whole();
  if (!whole) return std::unexpected(whole.error());
  if (!*whole) {
    Change change(*link_, options_.table.explained);
    for (const std::string_view name : catalogue_names) {
      if (auto done = plan_drop_by_name(*link_, change, std::string(name)); !done) {
        return std::unexpected(std::move(done.error()));
      }
    }
    plan_all(change);
    if (auto done = change.commit(); !done) return std::unexpected(std::move(done.error()));
    if (options_.table.explained) return Names();
  }
  auto there = tables_by_devices();
  if (!there) return there;
  const auto listed = tables();
  if (!listed) return std::unexpected(listed.error());
  Names added;
  for (std::string& name : *there) {
    if (std::ranges::find(*listed, name, &ListedTable::name) != listed->end()) continue;
    auto done = enter_table(name);
    if (!done && done.error().status == Status::not_found) continue;  // somebody has dropped it meanwhile
    if (!done) return std::unexpected(std::move(done.error()));
    added.push_back(std::move(name));
  }
  return added;
}

}  // namespace chimera::tables
