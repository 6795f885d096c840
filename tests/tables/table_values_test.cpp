// Parts of long values, and columns that come and go.

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "tables/filling.h"
#include "tables/open_table.h"
#include "tests/tables/table_rig.h"

namespace chimera::tables::testing {
namespace {

std::string read_all(Table& table, std::int64_t id, std::string_view column) {
  const auto bytes = table.read_value({i64(id)}, column, 0, Table::most_value_bytes);
  REQUIRE_OK(bytes);
  return {bytes->begin(), bytes->end()};
}

std::span<const std::uint8_t> bytes_in(std::string_view of) {
  return {reinterpret_cast<const std::uint8_t*>(of.data()), of.size()};
}

TEST_CASE("a value grows by appending from nothing to many pieces, and every range of it can be read") {
  for (const char* const option : {"", " external"}) {
    TableRig rig(std::string("relation t = struct { id: i64, data: blob nullable") + option + " } key (id)");
    REQUIRE_OK(rig.table.insert({{i64(1), Value()}, {i64(2), Value::blob("other")}}));
    const auto no_size = rig.table.value_size({i64(1)}, "data");
    REQUIRE_OK(no_size);
    CHECK_FALSE(no_size->has_value());
    std::string expected;
    for (std::size_t size = 1; size < 200'000; size = size * 2 + 1) {
      const std::string more(size, static_cast<char>('a' + size % 26));
      expected += more;
      REQUIRE_OK(rig.table.append_value({i64(1)}, "data", bytes_in(more)));
      const auto size_now = rig.table.value_size({i64(1)}, "data");
      REQUIRE_OK(size_now);
      CHECK(*size_now == expected.size());
      CHECK(read_all(rig.table, 1, "data") == expected);
    }
    REQUIRE_OK(rig.table.write_value({i64(1)}, "data", 2, bytes_in("XYZ")));
    expected.replace(2, 3, "XYZ");
    const auto row = rig.table.get({i64(1)});
    REQUIRE_OK(row);
    CHECK((**row)[1].as_bytes() == expected);
    const auto part = rig.table.read_value({i64(1)}, "data", 100'000, 50);
    REQUIRE_OK(part);
    CHECK(std::string(part->begin(), part->end()) == expected.substr(100'000, 50));
    CHECK_EQ(rig.table.write_value({i64(1)}, "data", expected.size() - 1, bytes_in("ab")).error().status,
             Status::out_of_range);
    CHECK_EQ(read_all(rig.table, 2, "data"), "other");
    REQUIRE_OK(rig.table.remove({i64(1)}));
    CHECK_EQ(rig.table.append_value({i64(1)}, "data", bytes_in("x")).error().status, Status::not_found);
    CHECK_EQ(problems_of(rig.ground.link), "");
  }
}

TEST_CASE("a string is overwritten by whole characters, and stays one") {
  TableRig rig("relation t = struct { id: i64, name: string } key (id)");
  for (const std::string& value : {std::string("a\u00e9b\u20acd"), "a\u00e9b\u20acd" + std::string(50, 'x')}) {
    REQUIRE_OK(rig.table.upsert({{i64(1), text(value)}}));
    for (const auto& [offset, bytes] : {std::pair(2, "xy"), {1, "x"}, {0, "xy"}, {3, "xy"}, {6, "x"}}) {
      CAPTURE(offset);
      const auto written = rig.table.write_value({i64(1)}, "name", offset, bytes_in(bytes));
      REQUIRE_FALSE(written.has_value());
      CHECK_EQ(written.error().status, Status::bad_text);
    }
    REQUIRE_OK(rig.table.write_value({i64(1)}, "name", 1, bytes_in("\u00e8c")));
    REQUIRE_OK(rig.table.write_value({i64(1)}, "name", 4, bytes_in("xyz")));
    CHECK_EQ(read_all(rig.table, 1, "name"), "a\u00e8cxyz" + value.substr(7));
    CHECK_EQ(problems_of(rig.ground.link), "");
  }
}

TEST_CASE("columns are added, renamed and dropped with rows in the table, and others notice") {
  TableRig rig("relation t = struct { id: i64, name: string indexed } key (id)");
  links::SessionLink link(rig.ground.machine);
  auto other = Table::open(link, rig_table);
  REQUIRE_OK(other);
  for (std::int64_t id = 0; id < 100; ++id) {
    REQUIRE_OK(rig.table.insert({{i64(id), text("a name that is too long for a slot " + std::to_string(id))}}));
  }
  REQUIRE_OK(rig.table.remove({i64(50)}));
  const types::Relation more = relation_of(
      "relation m = struct { a: i32 nullable, b: i64 default 7, c: string nullable, d: string default \"x\", e: u8 }");
  for (std::size_t i = 0; i < 4; ++i) REQUIRE_OK(rig.table.add_column(more.columns[i]));
  CHECK_EQ(rig.table.add_column(more.columns[4]).error().status, Status::denied);
  CHECK_EQ(rig.table.add_column(more.columns[0]).error().status, Status::exists);
  const auto row = other->get({i64(7)});
  REQUIRE_OK(row);
  REQUIRE_EQ((*row)->size(), 6);
  CHECK((**row)[2].is_null());
  CHECK_EQ((**row)[3].as_signed(), 7);
  CHECK((**row)[4].is_null());
  CHECK_EQ((**row)[5].as_bytes(), "x");
  REQUIRE_OK(rig.table.rename_column("name", "title"));
  CHECK_EQ(ids_of(rows_of(*other, {.where = "title = 'a name that is too long for a slot 42'", .along = "title"})),
           "42");
  CHECK_EQ(other->drop_column("id").error().status, Status::denied);
  REQUIRE_OK(other->drop_column("title"));
  REQUIRE_OK(other->drop_column("a"));
  const auto after = rig.table.get({i64(8)});
  REQUIRE_OK(after);
  REQUIRE_EQ((*after)->size(), 4);
  CHECK_EQ((**after)[1].as_signed(), 7);
  CHECK_EQ(*rig.table.count(), 99);
  CHECK_EQ(problems_of(rig.ground.link), "");
}

/// Asks before every script whether it shall fail, and tells of it behind.
class HookedLink final : public Link {
 public:
  using Before = std::function<std::optional<Failure>(const Script&)>;
  using After = std::function<void(const Script&)>;

  HookedLink(vm::Machine& machine, Before before, After after = {})
      : link_(machine), before_(std::move(before)), after_(std::move(after)) {}
  Result<> run(const Script& script, Answers& answers) override {
    auto refused = before_ ? before_(script) : std::optional<Failure>();
    if (refused) return std::unexpected(std::move(*refused));
    auto done = link_.run(script, answers);
    if (after_) after_(script);
    return done;
  }
  Ticket send(Script script) override { return link_.send(std::move(script)); }
  Result<> receive(Ticket ticket, Answers& answers) override { return link_.receive(ticket, answers); }

 private:
  links::SessionLink link_;
  Before before_;
  After after_;
};

bool has(const Script& script, Operation operation) {
  return std::ranges::any_of(script.questions(), [&](const auto& question) { return question.operation == operation; });
}

/// There is no room for another schema.
std::optional<Failure> no_commit(const Script& script) {
  if (!has(script, Operation::write_columns)) return {};
  return Failure{Status::no_space, "There is no room.", 0};
}

/// The rows that a table says it has need not have been written one by one.
void claim_rows(TableRig& rig, std::uint64_t size) {
  Script script;
  Answers answers;
  TableHeader header = rig.table.opened().header();
  header.tail = header.live = size;
  ++header.version;
  script.write_bytes(rig.table.opened().shape().header, 0, header.bytes());
  script.add(Program().write_length(rig.table.opened().shape().columns[0].device, size));
  for (std::uint64_t row = 0; row < size; row += 1'000'000) {
    script.write_metadata_bytes(rig.table.opened().shape().header, row,
                                std::vector<std::uint8_t>(1'000'000, row_state::active));
  }
  REQUIRE_OK(rig.ground.link.run(script, answers));
}

TEST_CASE("rows whose columns are others for a moment, while they are tried again, are inserted all the same") {
  for (const bool upserts : {false, true}) {
    CAPTURE(upserts);
    TableRig rig("relation t = struct { id: i64, n: i64 } key (id)");
    const types::Column more = relation_of("relation m = struct { more: i64 nullable }").columns[0];
    unsigned changes = 0;
    HookedLink link(rig.ground.machine, [&](const Script& script) -> std::optional<Failure> {
      const bool is_confirming = std::ranges::all_of(
          script.questions(), [](const auto& question) { return question.operation == Operation::check_bytes; });
      if (changes == 0 && has(script, Operation::commit)) {
        ++changes;
        REQUIRE_OK(rig.table.add_column(more));
      } else if (changes == 1 && is_confirming) {
        // Rows of two values were too short, and then they are not.
        ++changes;
        REQUIRE_OK(rig.table.drop_column("more"));
      }
      return {};
    });
    auto table = Table::open(link, rig_table);
    REQUIRE_OK(table);
    std::vector<Row> rows = {{i64(1), i64(2)}, {i64(3), i64(4)}};
    REQUIRE_OK(upserts ? table->upsert(std::move(rows)) : table->insert(std::move(rows)));
    CHECK_EQ(changes, 2);
    CHECK_EQ(rig.ids("key"), "1 3");
    CHECK_EQ(problems_of(rig.ground.link), "");
  }
}

constexpr std::uint64_t many = 2'200'000;
const std::string fillings = std::string(rig_table) + ":filling/";

types::Column long_column() { return relation_of("relation m = struct { name: string nullable }").columns[0]; }

std::vector<Uuid> fillings_left(Link& link) {
  Script script;
  Answers answers;
  script.add(Program().list_devices(fillings, {}, 10));
  REQUIRE_OK(link.run(script, answers));
  std::vector<Uuid> left;
  for (const ListedDevice& device : devices_of(answers[0])) left.push_back(device.uuid);
  return left;
}

/// What a session that has ended has left.
void leave_filling(MemoryGround& ground, const std::string& name) {
  links::SessionLink link(ground.machine);
  static_cast<void>(create_device(link, name));
}

TEST_CASE("a column whose nulls take several transactions is added to a table of many rows") {
  TableRig rig("relation t = struct { t: u8 } append by t");
  claim_rows(rig, many);
  leave_filling(rig.ground, fillings + "name");
  leave_filling(rig.ground, fillings + "0123");
  CHECK_EQ(fillings_left(rig.ground.link).size(), 2);
  HookedLink commitless(rig.ground.machine, no_commit);
  auto other = Table::open(commitless, rig_table);
  REQUIRE_OK(other);
  CHECK_EQ(other->add_column(long_column()).error().status, Status::no_space);
  CHECK(fillings_left(rig.ground.link).empty());
  // Behind the look at what is left, that is given another name.
  leave_filling(rig.ground, fillings + "4567");
  const Uuid left = fillings_left(rig.ground.link).at(0);
  HookedLink renaming(rig.ground.machine, {}, [&](const Script& script) {
    if (!has(script, Operation::list_devices) || fillings_left(rig.ground.link) != std::vector{left}) return;
    Script rename;
    Answers answers;
    rename.add(Program().rename_device(left, "a column's"));
    REQUIRE_OK(rig.ground.link.run(rename, answers));
  });
  auto adding = Table::open(renaming, rig_table);
  REQUIRE_OK(adding);
  REQUIRE_OK(adding->add_column(long_column()));
  Script script;
  Answers answers;
  script.add(Program().open_device("a column's"));
  REQUIRE_OK(rig.ground.link.run(script, answers));
  const auto nulls = rig.table.aggregate("name", "name is null");
  REQUIRE_OK(nulls);
  CHECK_EQ(nulls->rows, many);
  REQUIRE_OK(rig.table.insert({{Value::of(std::uint8_t{1}), text("new")}}));
  CHECK_EQ(rows_of(rig.table, {.where = "name is not null"}).size(), 1);
  CHECK(fillings_left(rig.ground.link).empty());
}

TEST_CASE("two sessions that add the same column of many rows leave each other what they fill") {
  TableRig rig("relation t = struct { t: u8 } append by t");
  claim_rows(rig, many);
  HookedLink commitless(rig.ground.machine, no_commit);
  auto other = Table::open(commitless, rig_table);
  REQUIRE_OK(other);
  unsigned commits = 0;
  HookedLink link(rig.ground.machine, [&](const Script& script) -> std::optional<Failure> {
    if (!has(script, Operation::write_columns)) return {};
    const auto mine = fillings_left(rig.ground.link);
    REQUIRE_EQ(mine.size(), 1);
    if (++commits == 1) {
      // The other one begins, and gives up.
      CHECK_EQ(other->add_column(long_column()).error().status, Status::no_space);
      CHECK(fillings_left(rig.ground.link) == mine);
      // And somebody takes it away by hand.
      Script remove;
      Answers answers;
      remove.add(Program().delete_device_by_force(mine[0]));
      REQUIRE_OK(rig.ground.link.run(remove, answers));
    }
    return {};
  });
  auto adding = Table::open(link, rig_table);
  REQUIRE_OK(adding);
  REQUIRE_OK(adding->add_column(long_column()));
  CHECK_EQ(commits, 2);
  CHECK(fillings_left(rig.ground.link).empty());
}

TEST_CASE("whoever asks whether a column is still being filled does not keep it when it is not") {
  TableRig rig("relation t = struct { t: u8 } append by t");
  const std::vector<std::uint8_t> entry(8, 1);
  std::optional<links::SessionLink> link(rig.ground.machine);
  static_cast<void>(create_device(*link, fillings + "0123"));
  links::SessionLink other(rig.ground.machine);
  Filling asked(other, rig_table);
  REQUIRE_OK(asked.fill(entry, 10));
  CHECK_EQ(fillings_left(rig.ground.link).size(), 2);
  link.reset();
  Filling last(rig.ground.link, rig_table);
  REQUIRE_OK(last.fill(entry, 10));
  CHECK_EQ(fillings_left(rig.ground.link).size(), 2);
  REQUIRE_OK(asked.fill(entry, 20));
  CHECK_EQ(asked.rows(), 20);
}

TEST_CASE("what a crash has left of a column that was being added is counted by a check, and goes with the table") {
  TableRig rig("relation t = struct { t: u8 } append by t");
  leave_filling(rig.ground, fillings + "0123");
  const auto report = check_table(rig.ground.link, rig_table, [](const std::string&) {});
  REQUIRE_OK(report);
  CHECK_EQ(report->fillings, 1);
  CHECK_EQ(report->problems, 0);
  Catalogue catalogue(rig.ground.link);
  SUBCASE("that is dropped") { REQUIRE_OK(catalogue.drop_table(rig_table)); }
  SUBCASE("that is renamed") { REQUIRE_OK(catalogue.rename_table(rig_table, "test/main/u")); }
  CHECK(fillings_left(rig.ground.link).empty());
  Script script;
  Answers answers;
  script.add(Program().list_devices("test/main/u:filling/", {}, 10));
  REQUIRE_OK(rig.ground.link.run(script, answers));
  CHECK(devices_of(answers[0]).empty());
}

TEST_CASE("while a column with an index is dropped others go on changing rows") {
  TableRig rig("relation t = struct { id: i64, name: string indexed, n: i64 } key (id)");
  constexpr std::int64_t count = 5000;
  std::vector<Row> rows;
  for (std::int64_t id = 0; id < count; ++id) {
    rows.push_back({i64(id), text("a name that is too long for a slot " + std::to_string(id)), i64(0)});
  }
  REQUIRE_OK(rig.table.insert(std::move(rows)));
  std::int64_t next = 0;
  unsigned scripts = 0;
  WatchedLink link(rig.ground.machine, [&] {
    // Whoever loses every race gives up.
    if (++scripts % 7 != 0) return;
    // A row of those whose names have gone already or soon will, at either end.
    const std::int64_t id = next % 2 == 0 ? next : count - next;
    ++next;
    CHECK_EQ(rig.table.remove({i64(id)}).value_or(true), true);
    CHECK_EQ(rig.table.update({i64(count / 2 + next)}, {{"n", i64(next)}}).value_or(true), true);
  });
  auto dropping = Table::open(link, rig_table);
  REQUIRE_OK(dropping);
  REQUIRE_OK(dropping->drop_column("name"));
  CHECK_GT(next, 2);
  CHECK_EQ(rig.table.relation().columns.size(), 2);
  CHECK_EQ(problems_of(rig.ground.link), "");
}

TEST_CASE("a column is compressed and decompressed in place, and found either way") {
  TableRig rig("relation t = struct { id: i64, name: string, note: string compressed indexed } key (id)");
  std::vector<Row> rows;
  const auto name_of = [](std::int64_t id) { return "number " + std::to_string(id) + std::string(1000, 'x'); };
  const auto note_of = [](std::int64_t id) { return "note " + std::to_string(id) + std::string(500, 'y'); };
  for (std::int64_t id = 0; id < 300; ++id) rows.push_back({i64(id), text(name_of(id)), text(note_of(id))});
  REQUIRE_OK(rig.table.insert(std::move(rows)));
  for (const bool compressed : {true, false, true}) {
    REQUIRE_OK(rig.table.compress_column("name", compressed));
    CHECK_EQ(ids_of(rows_of(rig.table, {.where = "name = '" + name_of(77) + "'"})), "77");
    CHECK_EQ(ids_of(rows_of(rig.table, {.where = "note = '" + note_of(42) + "'", .along = "note"})), "42");
    const auto part = rig.table.read_value({i64(5)}, "name", 5, 6);
    REQUIRE_OK(part);
    CHECK_EQ(std::string(part->begin(), part->end()), name_of(5).substr(5, 6));
    REQUIRE_OK(rig.table.append_value({i64(9)}, "name", bytes_in("more")));
    CHECK(read_all(rig.table, 9, "name").ends_with("more"));
    CHECK_EQ(rig.table.relation().columns[1].compressed, compressed);
    CHECK_EQ(problems_of(rig.ground.link), "");
  }
  REQUIRE_OK(rig.table.remove({i64(77)}));
  CHECK_EQ(problems_of(rig.ground.link), "");
}

TEST_CASE("who reads while a column is compressed goes on, and finds every value as it is") {
  TableRig rig("relation t = struct { id: i64, name: string } key (id)");
  const auto name_of = [](std::int64_t id) { return std::to_string(id) + std::string(id % 7 == 0 ? 3 : 300, 'x'); };
  constexpr std::int64_t count = 2500;
  std::vector<Row> rows;
  for (std::int64_t id = 0; id < count; ++id) rows.push_back({i64(id), text(name_of(id))});
  REQUIRE_OK(rig.table.insert(std::move(rows)));
  // Scans begin with few rows and take more from chunk to chunk; a chunk is read behind each script of who compresses.
  const char* const ways[] = {"rows", "key"};
  std::optional<Scan> scans[2];
  std::int64_t next[2] = {};
  std::size_t chunks = 0, whole = 0;
  const auto read_on = [&](std::size_t i) {
    if (!scans[i]) {
      auto scan = rig.table.scan({.along = ways[i]});
      REQUIRE_OK(scan);
      scans[i].emplace(std::move(*scan));
      next[i] = 0;
    }
    std::vector<Row> some;
    const auto more = scans[i]->next(some);
    REQUIRE_OK(more);
    if (!*more) {
      CHECK_EQ(next[i], count);
      ++whole;
      return scans[i].reset();
    }
    ++chunks;
    bool is_right = true;
    for (const Row& row : some) {
      is_right = is_right && row[0].as_signed() == next[i] && row[1].as_bytes() == name_of(next[i]);
      ++next[i];
    }
    REQUIRE(is_right);
  };
  WatchedLink link(rig.ground.machine, [&] { read_on(0), read_on(1); });
  auto other = Table::open(link, rig_table);
  REQUIRE_OK(other);
  for (const bool compressed : {true, false}) REQUIRE_OK(other->compress_column("name", compressed));
  CHECK_GT(chunks, 20);
  CHECK_GT(whole, 5);
}

TEST_CASE("who reads while a column is being dropped is told so, and takes nothing for null") {
  TableRig rig("relation t = struct { id: i64, name: string } key (id)");
  std::vector<Row> rows;
  for (std::int64_t id = 0; id < 2500; ++id) rows.push_back({i64(id), text(std::string(300, 'x'))});
  REQUIRE_OK(rig.table.insert(std::move(rows)));
  auto scan = rig.table.scan({.along = "rows"});
  REQUIRE_OK(scan);
  std::vector<Row> some;
  REQUIRE_OK(scan->next(some));
  // Its values have gone, and it has not.
  unsigned changes = 0;
  HookedLink link(rig.ground.machine, [&](const Script& script) -> std::optional<Failure> {
    if (!has(script, Operation::write_columns) || ++changes == 1) return {};
    return Failure{Status::no_space, "There is no room.", 0};
  });
  auto other = Table::open(link, rig_table);
  REQUIRE_OK(other);
  CHECK_EQ(other->drop_column("name").error().status, Status::no_space);
  CHECK_EQ(changes, 2);
  CHECK_FALSE(scan->next(some).has_value());
}

TEST_CASE("a digest that others write beside is not begun again and again") {
  TableRig rig("relation t = struct { id: i64, data: blob } key (id)");
  REQUIRE_OK(rig.table.insert({{i64(0), Value::blob(std::string(300, 'x'))}}));
  std::int64_t written = 0;
  HookedLink link(rig.ground.machine, [&](const Script& script) -> std::optional<Failure> {
    if (has(script, Operation::read_digest)) REQUIRE_OK(rig.table.insert({{i64(++written), Value::blob("y")}}));
    return {};
  });
  auto other = Table::open(link, rig_table);
  REQUIRE_OK(other);
  const auto digest = other->value_digest({i64(0)}, "data", 0, 300);
  REQUIRE_OK(digest);
  CHECK_FALSE(digest->has_value());  // it is read in pieces
  CHECK_EQ(written, 1);
}

}  // namespace
}  // namespace chimera::tables::testing
