#include "tables/catalogue.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "tables/catalogue_rows.h"
#include "tables/change.h"
#include "tables/create.h"
#include "tables/names.h"
#include "tables/scan.h"

namespace chimera::tables {
namespace {

using types::Row;

constexpr std::string_view schema_text = R"(
relation namespaces = struct {
  namespace: string,
  created: datetime,
} key (namespace)

relation databases = struct {
  namespace: string,
  database: string,
  created: datetime,
} key (namespace, database)

relation tables = struct {
  namespace: string,
  database: string,
  table: string,
  created: datetime,
} key (namespace, database, table)
)";

}  // namespace

std::int64_t Catalogue::now() const {
  if (options_.now) return options_.now();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

Result<Catalogue::Tables> Catalogue::open_all() {
  Tables all;
  std::unique_ptr<OpenTable>* const to[] = {&all.spaces, &all.databases, &all.tables};
  for (std::size_t i = 0; i < std::size(catalogue_names); ++i) {
    auto opened = open_table(*link_, options_.table.explained, std::string(catalogue_names[i]));
    if (!opened) return std::unexpected(std::move(opened.error()));
    *to[i] = std::move(*opened);
  }
  return all;
}

/// One transaction makes all three. The first change of what they list enters them too.
Result<> Catalogue::make_all() {
  Change change(*link_, options_.table.explained);
  plan_all(change);
  return change.commit();
}

void Catalogue::plan_all(Change& change) {
  const auto schema = types::parse_schema(schema_text, "catalogue");
  assert(schema.has_value());
  for (std::size_t i = 0; i < std::size(catalogue_names); ++i) {
    TableShape shape(schema->relations[i]);
    shape.name = catalogue_names[i];
    plan_create(change, shape);
  }
}

Result<> Catalogue::plan_itself(Tables& all, Change& to) {
  const std::int64_t created = now();
  for (const std::string_view name : catalogue_names) {
    const auto parts = parts_of(name, 3);
    if (auto done = plan_entry(*all.spaces, to, front_of(*parts, 1), created); !done) return done;
    if (auto done = plan_entry(*all.databases, to, front_of(*parts, 2), created); !done) return done;
    if (auto done = plan_entry(*all.tables, to, *parts, created); !done) return done;
  }
  return {};
}

Result<> Catalogue::change(const std::function<Result<>(Tables&, Change&)>& plan) {
  for (unsigned tries = 1;; ++tries) {
    auto all = open_all();
    Result<> done = {};
    if (!all && all.error().status == Status::not_found) {
      done = make_all();
      // What is only shown is not there now, and cannot be gone on with.
      if (done && options_.table.explained) return done;
      if (done) continue;
    } else if (!all) {
      done = std::unexpected(std::move(all.error()));
    } else {
      Change change(*link_, options_.table.explained);
      if (all->spaces->header().live == 0) done = plan_itself(*all, change);
      if (done) done = plan(*all, change);
      if (done) done = change.commit();
      if (done) return done;
    }
    if (!is_lost_race(done.error()) || tries >= options_.table.most_tries) return done;
    std::this_thread::sleep_for(std::chrono::microseconds(50u * std::min(tries, 100u)));
  }
}

Result<> Catalogue::create_table(const std::string& name, const types::Relation& relation) {
  const auto parts = parts_of(name, 3);
  if (!parts) return std::unexpected(parts.error());
  if (auto others = check_not_its_own(name, true); !others) return others;
  if (auto readable = check_readable(relation); !readable) return readable;
  return change([&](Tables& all, Change& to) -> Result<> {
    const auto there = is_there(*all.tables, *parts);
    if (!there) return std::unexpected(there.error());
    if (*there) return std::unexpected(Failure{Status::exists, fmt::format("There is a table {} already.", name)});
    if (auto done = plan_table(all, to, *parts); !done) return done;
    TableShape shape(relation);
    shape.name = name;
    plan_create(to, shape);
    return {};
  });
}

/// `not_found` where somebody has dropped it meanwhile.
Result<> Catalogue::enter_table(const std::string& name) {
  const auto parts = parts_of(name, 3);
  if (!parts) return std::unexpected(parts.error());
  return change([&](Tables& all, Change& to) -> Result<> {
    const auto table = open_table(*link_, options_.table.explained, name);
    if (table) (*table)->version().check(to.script);
    if (!table && !is_damaged_table(table.error())) return std::unexpected(table.error());
    if (auto left = table ? Result<>() : check_is_left(name); !left) return left;
    return plan_table(all, to, *parts);
  });
}

/// In its namespace and database, which are entered too where they are not there.
Result<> Catalogue::plan_table(Tables& all, Change& to, const Row& parts) {
  const std::int64_t created = now();
  if (auto done = plan_entry(*all.spaces, to, front_of(parts, 1), created); !done) return done;
  if (auto done = plan_entry(*all.databases, to, front_of(parts, 2), created); !done) return done;
  return plan_entry(*all.tables, to, parts, created);
}

Result<> Catalogue::rename_table(const std::string& from, const std::string& to_name) {
  const auto old_parts = parts_of(from, 3), parts = parts_of(to_name, 3);
  if (!old_parts || !parts) return std::unexpected((old_parts ? parts : old_parts).error());
  if (auto others = check_not_its_own(from, false); !others) return others;
  if (auto others = check_not_its_own(to_name, true); !others) return others;
  std::unique_ptr<OpenTable> table;
  return change([&](Tables& all, Change& to) -> Result<> {
    const auto there = is_there(*all.tables, *parts);
    if (!there) return std::unexpected(there.error());
    if (*there) return std::unexpected(Failure{Status::exists, fmt::format("There is a table {} already.", to_name)});
    if (auto done = plan_removal(*all.tables, to, *old_parts, "table"); !done) return done;
    if (auto done = plan_table(all, to, *parts); !done) return done;
    auto opened = open_table(*link_, options_.table.explained, from);
    if (!opened && opened.error().status == Status::not_found) {
      if (auto still = all.tables->confirm(); !still) return still;
      return std::unexpected(Failure{Status::corrupt, fmt::format("{} is listed, but the device of its header is not "
                                                                  "there: it can be dropped, and not renamed.",
                                                                  from)});
    }
    if (!opened) return std::unexpected(std::move(opened.error()));
    table = std::move(*opened);
    return plan_rename(to, *table, to_name);
  });
}

Result<> Catalogue::create_namespace(std::string_view space) {
  const auto parts = parts_of(space, 1);
  if (!parts) return std::unexpected(parts.error());
  return change([&](Tables& all, Change& to) { return plan_entry(*all.spaces, to, *parts, now()); });
}

Result<> Catalogue::create_database(std::string_view name) {
  const auto parts = parts_of(name, 2);
  if (!parts) return std::unexpected(parts.error());
  return change([&](Tables& all, Change& to) -> Result<> {
    if (auto done = plan_entry(*all.spaces, to, front_of(*parts, 1), now()); !done) return done;
    return plan_entry(*all.databases, to, *parts, now());
  });
}

namespace {

/// The rows of one of the catalogue's tables for which a condition is true; none where there is no catalogue.
Result<std::vector<Row>> listed(Link& link, const TableOptions& options, std::string_view name, std::string where) {
  auto table = Table::open(link, std::string(name), options);
  if (!table && table.error().status == Status::not_found) return std::vector<Row>();
  if (!table) return std::unexpected(std::move(table.error()));
  ScanOptions wanted;
  wanted.where = std::move(where);
  wanted.along = "key";
  auto scan = table->scan(wanted);
  if (!scan) return std::unexpected(std::move(scan.error()));
  std::vector<Row> all, rows;
  for (;;) {
    const auto some = scan->next(rows);
    if (!some) return std::unexpected(some.error());
    if (!*some) return all;
    std::ranges::move(rows, std::back_inserter(all));
  }
}

/// A condition for what lies in a namespace or a database.
Result<std::string> where_within(std::string_view within, std::size_t most_parts) {
  if (within.empty()) return std::string();
  const bool is_database = within.find('/') != within.npos && most_parts == 2;
  const auto parts = parts_of(within, is_database ? 2 : 1);
  if (!parts) return std::unexpected(parts.error());
  std::string where = fmt::format("namespace = '{}'", (*parts)[0].as_bytes());
  if (is_database) where += fmt::format(" and database = '{}'", (*parts)[1].as_bytes());
  return where;
}

}  // namespace

Result<std::vector<std::string>> Catalogue::namespaces() {
  const auto rows = listed(*link_, options_.table, catalogue_names[0], {});
  if (!rows) return std::unexpected(rows.error());
  std::vector<std::string> spaces;
  for (const Row& row : *rows) spaces.push_back(joined(row, 1));
  return spaces;
}

Result<std::vector<std::string>> Catalogue::databases(std::string_view space) {
  const auto where = where_within(space, 1);
  if (!where) return std::unexpected(where.error());
  const auto rows = listed(*link_, options_.table, catalogue_names[1], *where);
  if (!rows) return std::unexpected(rows.error());
  std::vector<std::string> all;
  for (const Row& row : *rows) all.push_back(joined(row, 2));
  return all;
}

Result<std::vector<ListedTable>> Catalogue::tables(std::string_view within) {
  const auto where = where_within(within, 2);
  if (!where) return std::unexpected(where.error());
  const auto rows = listed(*link_, options_.table, catalogue_names[2], *where);
  if (!rows) return std::unexpected(rows.error());
  std::vector<ListedTable> all;
  for (const Row& row : *rows) all.push_back({joined(row, 3), static_cast<std::int64_t>(row[3].as_signed())});
  return all;
}

}  // namespace chimera::tables
