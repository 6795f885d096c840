// What the catalogue drops: tables, and places empty or with all that is in them.

#include <fmt/format.h>

#include "tables/catalogue_rows.h"
#include "tables/create.h"
#include "tables/names.h"
#include "tables/remove.h"

namespace chimera::tables {

using types::Row;

namespace {

/// Tables that one transaction drops: for each of their devices, of which a table has ten or so, one is opened, and a
/// session has 16,384 open ones at most.
constexpr std::uint64_t most_tables_at_once = 1024;

Result<bool> has_below(OpenTable& table, const Row& parts) {
  const auto rows = rows_below(table, parts, 1);
  if (!rows) return std::unexpected(rows.error());
  return !rows->empty();
}

}  // namespace

Result<> Catalogue::drop_table(const std::string& name) {
  const auto parts = parts_of(name, 3);
  if (!parts) return std::unexpected(parts.error());
  if (auto others = check_not_its_own(name, false); !others) return others;
  return change([&](Tables& all, Change& to) -> Result<> {
    if (auto done = plan_removal(*all.tables, to, *parts, "table"); !done) return done;
    return plan_devices_go(to, name);
  });
}

/// All that there is of a table but its row.
Result<> Catalogue::plan_devices_go(Change& to, const std::string& name) {
  const auto table = open_table(*link_, options_.table.explained, name);
  if (!table && is_damaged_table(table.error())) return plan_drop_by_name(*link_, to, name);
  if (!table) return std::unexpected(table.error());
  (*table)->version().check(to.script);
  return plan_drop(*link_, to, (*table)->shape());
}

Result<> Catalogue::drop_namespace(std::string_view space) {
  const auto parts = parts_of(space, 1);
  if (!parts) return std::unexpected(parts.error());
  return change([&](Tables& all, Change& to) -> Result<> {
    const auto below = has_below(*all.databases, *parts);
    if (!below) return std::unexpected(below.error());
    if (*below) return std::unexpected(Failure{Status::denied, fmt::format("There are databases in {}.", space)});
    to.join(*all.databases);
    return plan_removal(*all.spaces, to, *parts, "namespace");
  });
}

Result<> Catalogue::drop_database(std::string_view name) {
  const auto parts = parts_of(name, 2);
  if (!parts) return std::unexpected(parts.error());
  return change([&](Tables& all, Change& to) -> Result<> {
    const auto below = has_below(*all.tables, *parts);
    if (!below) return std::unexpected(below.error());
    if (*below) return std::unexpected(Failure{Status::denied, fmt::format("There are tables in {}.", name)});
    to.join(*all.tables);
    return plan_removal(*all.databases, to, *parts, "database");
  });
}

Result<Catalogue::Dropped> Catalogue::drop_all(std::string_view within) {
  const auto parts = parts_of(within, within.contains('/') ? 2 : 1);
  if (!parts) return std::unexpected(parts.error());
  // Before anything goes that comes in front of them.
  const std::string own = std::string(within) + (parts->size() == 1 ? "/catalogue/tables" : "/tables");
  if (auto others = check_not_its_own(own, false); !others) return std::unexpected(others.error());
  Dropped dropped;
  for (std::uint64_t most = most_tables_at_once;;) {
    Dropped piece;
    bool is_last = false;
    const auto done = change([&](Tables& all, Change& to) -> Result<> {
      const auto planned = plan_drop_all(all, to, *parts, most);
      if (!planned) return std::unexpected(planned.error());
      piece = *planned;
      is_last = piece.tables < most;
      return is_last ? plan_drop_place(all, to, *parts, piece) : Result<>();
    });
    if (!done && done.error().status == Status::too_large && piece.tables > 1) {
      most = piece.tables / 2;
      continue;
    }
    dropped.tables += done ? piece.tables : 0;
    dropped.databases += done ? piece.databases : 0;
    // What is only shown is the first piece: its tables do not go.
    if (done && !is_last && !options_.table.explained) continue;
    if (done) return dropped;
    Failure failure = done.error();
    if (dropped.tables > 0) failure.words += fmt::format("\n{} of the tables in it have gone.", dropped.tables);
    return std::unexpected(std::move(failure));
  }
}

/// Of the tables in a place as many as are to go at once.
Result<Catalogue::Dropped> Catalogue::plan_drop_all(Tables& all, Change& to, const Row& parts, std::uint64_t most) {
  const auto rows = rows_below(*all.tables, parts, most);
  if (!rows) return std::unexpected(rows.error());
  const auto names = names_of(*all.tables, *rows, 3);
  if (!names) return std::unexpected(names.error());
  for (const std::string& name : *names) {
    if (auto others = check_not_its_own(name, false); !others) return std::unexpected(others.error());
    if (auto done = plan_devices_go(to, name); !done) return std::unexpected(done.error());
  }
  if (auto done = plan_remove(*all.tables, to, *rows, WhatIsGone::refused); !done) return std::unexpected(done.error());
  return Dropped{.tables = names->size(), .databases = 0};
}

/// The place itself, when its tables have gone, with its databases where it is a namespace.
Result<> Catalogue::plan_drop_place(Tables& all, Change& to, const Row& parts, Dropped& dropped) {
  if (parts.size() == 2) return plan_removal(*all.databases, to, parts, "database");
  const auto databases = rows_below(*all.databases, parts, most_rows);
  if (!databases) return std::unexpected(databases.error());
  dropped.databases = databases->size();
  if (auto done = plan_remove(*all.databases, to, *databases, WhatIsGone::refused); !done) return done;
  return plan_removal(*all.spaces, to, parts, "namespace");
}

}  // namespace chimera::tables
