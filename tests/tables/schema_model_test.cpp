// Random changes of tables, columns, indexes and rows by several sessions, one in the middle of another's, against a
// model. What a session does has happened at some moment between its beginning and its end, and all answers and what
// there is afterwards have to fit one order of such moments.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include "io/seeded_random.h"
#include "tables/open_table.h"
#include "tests/tables/table_rig.h"

namespace chimera::tables::testing {
namespace {

using Cell = std::optional<std::int64_t>;

struct SchemaModel {
  std::vector<std::string> columns;  ///< beside `id`
  std::map<std::string, NewIndex> indexes;
  std::map<std::int64_t, std::vector<Cell>> rows;

  [[nodiscard]] std::optional<std::size_t> find(const std::string& column) const {
    const auto found = std::ranges::find(columns, column);
    if (found == columns.end()) return {};
    return found - columns.begin();
  }
  /// Whether two rows have the same values in a unique index.
  [[nodiscard]] bool repeats(const NewIndex& index) const {
    std::vector<std::vector<Cell>> keys;
    for (const auto& [id, row] : rows) {
      std::vector<Cell> key;
      for (const std::string& column : index.columns) key.push_back(row[*find(column)]);
      if (std::ranges::find(key, Cell()) == key.end()) keys.push_back(std::move(key));
    }
    std::ranges::sort(keys);
    return index.unique && std::ranges::adjacent_find(keys) != keys.end();
  }
  [[nodiscard]] bool repeats() const {
    return std::ranges::any_of(indexes, [&](const auto& index) { return repeats(index.second); });
  }
  bool operator==(const SchemaModel&) const = default;
};

using World = std::map<std::string, SchemaModel>;

enum class Act {
  create,
  drop,
  rename,
  add_column,
  drop_column,
  rename_column,
  add_index,
  drop_index,
  insert,
  update,
  remove,
  get,
  truncate,
  compress,
  decompress
};

struct Deed {
  Act act = Act::get;
  std::string table, to;  ///< of names that change: the new one
  std::string column;
  NewIndex index;
  std::int64_t id = 0;
  std::vector<Cell> cells;
};

struct Outcome {
  Status status = Status::ok;
  std::optional<std::vector<Cell>> row;  ///< that was found; of changes an empty one
  bool operator==(const Outcome&) const = default;
};

/// Takes away what has a column, as the first half of its drop does.
void release(SchemaModel& of, const std::string& column) {
  std::erase_if(of.indexes, [&](const auto& index) {
    return std::ranges::find(index.second.columns, column) != index.second.columns.end();
  });
}

Outcome apply_to_columns(SchemaModel& of, const Deed& deed) {
  const auto place = of.find(deed.column);
  if (deed.act == Act::add_column) {
    if (place) return {Status::exists, {}};
    of.columns.push_back(deed.column);
    for (auto& row : of.rows) row.second.push_back({});
    return {};
  }
  if (!place) return {Status::not_found, {}};
  if (deed.act == Act::drop_column) {
    release(of, deed.column);
    of.columns.erase(of.columns.begin() + static_cast<std::ptrdiff_t>(*place));
    for (auto& row : of.rows) row.second.erase(row.second.begin() + static_cast<std::ptrdiff_t>(*place));
    return {};
  }
  if (of.find(deed.to)) return {Status::exists, {}};
  of.columns[*place] = deed.to;
  for (auto& index : of.indexes) std::ranges::replace(index.second.columns, deed.column, deed.to);
  return {};
}

Outcome apply_to_indexes(SchemaModel& of, const Deed& deed) {
  const NewIndex& index = deed.index;
  if (deed.act == Act::drop_index) return {of.indexes.erase(index.name) > 0 ? Status::ok : Status::not_found, {}};
  if (of.indexes.contains(index.name)) return {Status::exists, {}};
  if (!std::ranges::all_of(index.columns, [&](const auto& column) { return of.find(column).has_value(); })) {
    return {Status::not_found, {}};
  }
  if (of.repeats(index)) return {Status::exists, {}};
  of.indexes[index.name] = index;
  return {};
}

Outcome apply_to_rows(SchemaModel& of, const Deed& deed) {
  const auto row = of.rows.find(deed.id);
  switch (deed.act) {
    case Act::truncate: of.rows.clear(); return {};
    case Act::get: return {Status::ok, row == of.rows.end() ? std::nullopt : std::optional(row->second)};
    case Act::remove:
      return {Status::ok, of.rows.erase(deed.id) > 0 ? std::optional(std::vector<Cell>{}) : std::nullopt};
    case Act::insert: {
      if (deed.cells.size() != of.columns.size()) return {Status::bad_text, {}};
      if (row != of.rows.end()) return {Status::exists, {}};
      SchemaModel after = of;
      after.rows[deed.id] = deed.cells;
      if (after.repeats()) return {Status::exists, {}};
      of = std::move(after);
      return {};
    }
    default: {
      const auto place = of.find(deed.column);
      if (!place) return {Status::not_found, {}};
      if (row == of.rows.end()) return {};
      SchemaModel after = of;
      after.rows[deed.id][*place] = deed.cells.at(0);
      if (after.repeats()) return {Status::exists, {}};
      of = std::move(after);
      return {Status::ok, std::vector<Cell>{}};
    }
  }
}

Outcome apply(World& world, const Deed& deed) {
  const auto of = world.find(deed.table);
  if (deed.act == Act::create) {
    if (of != world.end()) return {Status::exists, {}};
    world[deed.table].columns = {"a"};
    return {};
  }
  if (deed.act == Act::rename && world.contains(deed.to)) return {Status::exists, {}};
  if (of == world.end()) return {Status::not_found, {}};
  switch (deed.act) {
    case Act::rename: world[deed.to] = of->second; [[fallthrough]];
    case Act::drop: world.erase(deed.table); return {};
    case Act::add_column:
    case Act::drop_column:
    case Act::rename_column: return apply_to_columns(of->second, deed);
    case Act::add_index:
    case Act::drop_index: return apply_to_indexes(of->second, deed);
    // How values are kept is nothing to the model.
    case Act::compress:
    case Act::decompress: return {of->second.find(deed.column) ? Status::ok : Status::not_found, {}};
    default: return apply_to_rows(of->second, deed);
  }
}

Value value_of(const Cell& cell) { return cell ? i64(*cell) : Value(); }

std::vector<Cell> cells_of(const Row& row) {
  std::vector<Cell> cells;
  for (std::size_t i = 1; i < row.size(); ++i) {
    cells.push_back(row[i].is_null() ? Cell() : static_cast<std::int64_t>(row[i].as_signed()));
  }
  return cells;
}

template <typename Done>
Outcome outcome_of(const Done& done) {
  return {done ? Status::ok : done.error().status, {}};
}
Outcome outcome_of(const Result<bool>& done) {
  if (!done) return {done.error().status, {}};
  return {Status::ok, *done ? std::optional(std::vector<Cell>{}) : std::nullopt};
}

/// One session, with the tables that it has opened once: what it knows of them is old by now.
struct Actor {
  Actor(vm::Machine& machine, std::function<void()> after) : link(machine, std::move(after)) {}

  Outcome act(const Deed& deed) {
    Catalogue catalogue(link);
    switch (deed.act) {
      case Act::create:
        return outcome_of(catalogue.create_table(
            deed.table, relation_of("relation t = struct { id: i64, a: i64 nullable } key (id)")));
      case Act::drop: return outcome_of(catalogue.drop_table(deed.table));
      case Act::rename: return outcome_of(catalogue.rename_table(deed.table, deed.to));
      default: break;
    }
    auto known = tables.find(deed.table);
    if (known == tables.end()) {
      auto opened = Table::open(link, deed.table);
      if (!opened) return outcome_of(opened);
      known = tables.emplace(deed.table, std::move(*opened)).first;
    }
    return act_on(known->second, deed);
  }

  static Outcome act_on(Table& table, const Deed& deed) {
    switch (deed.act) {
      case Act::add_column: {
        types::Column column = relation_of("relation t = struct { x: i64 nullable }").columns[0];
        column.name = deed.column;
        return outcome_of(table.add_column(column));
      }
      case Act::drop_column: return outcome_of(table.drop_column(deed.column));
      case Act::rename_column: return outcome_of(table.rename_column(deed.column, deed.to));
      case Act::add_index: return outcome_of(table.add_index(deed.index));
      case Act::drop_index: return outcome_of(table.drop_index(deed.index.name));
      case Act::insert: {
        Row row = {i64(deed.id)};
        for (const Cell& cell : deed.cells) row.push_back(value_of(cell));
        return outcome_of(table.insert({row}));
      }
      case Act::update: return outcome_of(table.update({i64(deed.id)}, {{deed.column, value_of(deed.cells.at(0))}}));
      case Act::remove: return outcome_of(table.remove({i64(deed.id)}));
      case Act::truncate: return outcome_of(table.truncate());
      case Act::compress:
      case Act::decompress: return outcome_of(table.compress_column(deed.column, deed.act == Act::compress));
      default: break;
    }
    const auto row = table.get({i64(deed.id)});
    if (!row) return outcome_of(row);
    return {Status::ok, *row ? std::optional(cells_of(**row)) : std::nullopt};
  }

  WatchedLink link;
  std::map<std::string, Table> tables;
};

Deed random_deed(io::SeededRandom& random, const World& known) {
  constexpr Act often[] = {Act::insert, Act::update, Act::remove, Act::get};
  constexpr Act seldom[] = {Act::add_column, Act::drop_column, Act::rename_column, Act::add_index,
                            Act::drop_index, Act::compress,    Act::decompress};
  constexpr Act rarely[] = {Act::create, Act::drop, Act::rename, Act::truncate};
  const auto name = [&](char letter, std::uint64_t count) {
    return std::string(1, static_cast<char>(letter + random.below(count)));
  };
  Deed deed;
  deed.act = random.chance(50)   ? often[random.below(4)]
             : random.chance(75) ? seldom[random.below(7)]
                                 : rarely[random.below(4)];
  deed.table = "test/main/" + name('t', 2);
  deed.to = deed.act == Act::rename ? "test/main/" + name('t', 2) : name('a', 4);
  deed.column = name('a', 4);
  deed.index = {name('i', 2), random.chance(40), {name('a', 2)}};
  if (random.chance(40)) deed.index.columns.push_back(name('c', 2));
  deed.id = static_cast<std::int64_t>(random.below(6));
  const auto of = known.find(deed.table);
  std::size_t count = of == known.end() ? 1 : of->second.columns.size();
  if (random.chance(5)) ++count;
  if (deed.act == Act::update) count = 1;
  while (deed.cells.size() < count) {
    deed.cells.push_back(random.chance(30) ? Cell() : static_cast<std::int64_t>(random.below(8)));
  }
  return deed;
}

struct Done {
  Deed deed;
  Outcome outcome;
};

/// Whether a deed may have had its outcome at this moment, and what there is afterwards.
bool happens(World& world, const Done& done) {
  // Rows are for the columns that the session had looked at when it began, and not for those of others since.
  if (done.deed.act == Act::insert && done.outcome.status == Status::mismatch) return true;
  // Somebody has decompressed the column meanwhile.
  if (done.deed.act == Act::compress && done.outcome.status == Status::busy) return true;
  return apply(world, done.deed) == done.outcome;
}

/// What there may be when `outer` has been done, and `inner` in its middle one after the other: each order in which all
/// answers are right gives one.
void orders(const World& world, const Done& outer, bool is_done, std::span<const Done> inner,
            std::vector<World>& ends) {
  if (!is_done) {
    World after = world;
    if (happens(after, outer)) orders(after, outer, true, inner, ends);
    after = world;
    if (outer.deed.act == Act::drop_column && after.contains(outer.deed.table)) {
      release(after[outer.deed.table], outer.deed.column);
      if (after != world) orders(after, outer, false, inner, ends);
    }
  }
  if (inner.empty()) {
    if (is_done) ends.push_back(world);
    return;
  }
  World after = world;
  if (happens(after, inner[0])) orders(after, outer, is_done, inner.subspan(1), ends);
}

World look_at(Link& link) {
  World world;
  const auto listed = Catalogue(link).tables("test/main");
  REQUIRE_OK(listed);
  std::size_t devices = 0;
  for (const ListedTable& entry : *listed) {
    auto table = Table::open(link, entry.name);
    REQUIRE_OK(table);
    devices += table->opened().shape().devices().size();
    SchemaModel& of = world[entry.name];
    const types::Relation& relation = table->relation();
    for (std::size_t i = 1; i < relation.columns.size(); ++i) of.columns.push_back(relation.columns[i].name);
    for (const types::Index& index : relation.all_indexes()) {
      NewIndex& to = of.indexes[index.name] = {index.name, index.unique, {}};
      for (const std::uint32_t column : index.columns) to.columns.push_back(relation.columns[column].name);
    }
    for (const Row& row : rows_of(*table)) of.rows[static_cast<std::int64_t>(row[0].as_signed())] = cells_of(row);
    REQUIRE_EQ(problems_of(link, entry.name), "");
  }
  Script script;
  Answers answers;
  script.add(Program().list_devices("test/main/", {}, 100));
  REQUIRE_OK(link.run(script, answers));
  REQUIRE_EQ(devices_of(answers[0]).size(), devices);
  return world;
}

std::string shown(const Deed& deed, const Outcome& outcome) {
  constexpr const char* acts[] = {"create",        "drop",      "rename",     "add column", "drop column",
                                  "rename column", "add index", "drop index", "insert",     "update",
                                  "remove",        "get",       "truncate",   "compress",   "decompress"};
  std::string text = fmt::format("{} {}", acts[static_cast<int>(deed.act)], deed.table);
  text += fmt::format(" column {} to {}, index {}{} ({}), id {}, cells", deed.column, deed.to, deed.index.name,
                      deed.index.unique ? " unique" : "", fmt::join(deed.index.columns, ","), deed.id);
  for (const Cell& cell : deed.cells) text += cell ? fmt::format(" {}", *cell) : " null";
  return fmt::format("{}: {}{}", text, status_text(outcome.status), outcome.row ? ", found" : "");
}

std::string shown(const World& world) {
  std::string text;
  for (const auto& [name, of] : world) {
    text += fmt::format("[{} ({}):", name, fmt::join(of.columns, ","));
    for (const auto& [of_index, index] : of.indexes) {
      text += fmt::format(" {}{} ({})", of_index, index.unique ? " unique" : "", fmt::join(index.columns, ","));
    }
    for (const auto& [id, row] : of.rows) {
      text += fmt::format(" {}:", id);
      for (const Cell& cell : row) text += cell ? fmt::format(" {}", *cell) : " null";
    }
    text += "]";
  }
  return text;
}

void run_schema_model(std::uint64_t seed, std::size_t steps) {
  CAPTURE(seed);
  constexpr std::size_t most_inner = 3;
  MemoryGround ground;
  io::SeededRandom random(seed);
  std::vector<std::unique_ptr<Actor>> actors;
  World world;
  std::optional<std::size_t> acting;  ///< whoever does the outer deed
  std::vector<Done> inner;
  const auto in_between = [&] {
    if (!acting || inner.size() == most_inner || !random.chance(25)) return;
    const std::size_t outer = *acting;
    acting.reset();
    const Deed deed = random_deed(random, world);
    const std::size_t other = (outer + 1 + random.below(actors.size() - 1)) % actors.size();
    inner.push_back({deed, actors[other]->act(deed)});
    acting = outer;
  };
  for (int n = 0; n < 3; ++n) actors.push_back(std::make_unique<Actor>(ground.machine, in_between));
  std::size_t mixed = 0;
  for (std::size_t step = 0; step < steps; ++step) {
    CAPTURE(step);
    inner.clear();
    const Deed deed = random_deed(random, world);
    acting = random.below(actors.size());
    const Outcome outcome = actors[*acting]->act(deed);
    acting.reset();
    mixed += inner.empty() ? 0 : 1;
    std::vector<World> ends;
    orders(world, {deed, outcome}, false, inner, ends);
    const World found = look_at(ground.link);
    std::string told = shown(deed, outcome) + ", and in its middle:";
    for (const Done& of : inner) told += " " + shown(of.deed, of.outcome) + ";";
    REQUIRE_MESSAGE(std::ranges::find(ends, found) != ends.end(),
                    fmt::format("{} fits no order: from {} to {}", told, shown(world), shown(found)));
    world = found;
  }
  CHECK_GT(mixed, steps / 4);
}

TEST_CASE("random changes of tables, columns, indexes and rows by several sessions fit one order of them") {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) run_schema_model(seed, 250);
}

}  // namespace
}  // namespace chimera::tables::testing
