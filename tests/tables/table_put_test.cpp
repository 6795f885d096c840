// Whole columns that get other values.

#include <doctest/doctest.h>

#include "tests/tables/table_rig.h"

namespace chimera::tables::testing {
namespace {

TEST_CASE("a column is put as a whole, with its index and its long values") {
  TableRig rig("relation t = struct { id: i64, name: string indexed, code: i64 nullable unique } key (id)");
  constexpr std::int64_t count = 20'000;
  std::vector<Row> rows;
  for (std::int64_t id = 0; id < count; ++id) rows.push_back({i64(id), text("a long name of before"), Value()});
  REQUIRE_OK(rig.table.insert(std::move(rows)));
  REQUIRE_OK(rig.table.remove({i64(7)}));
  std::int64_t given = 0;
  const auto next = [&]() -> Result<Value> { return text("name number " + std::to_string(given++)); };
  // What cannot be done is told before anything has happened.
  CHECK_EQ(rig.table.put_column("name", count, next).error().status, Status::out_of_range);
  CHECK_EQ(rig.table.put_column("id", count - 1, next).error().status, Status::denied);
  CHECK_EQ(rig.table.put_column("code", count - 1, next).error().status, Status::denied);
  CHECK_EQ(rig.table.put_column("other", count - 1, next).error().status, Status::not_found);
  CHECK_EQ(given, 0);
  REQUIRE_OK(rig.table.put_column("name", count - 1, next));
  CHECK_EQ(given, count - 1);
  CHECK_EQ(rig.ids("name", "name = 'name number 6'"), "6");
  CHECK_EQ(rig.ids("name", "name = 'name number 7'"), "8");
  CHECK_EQ(rig.ids("name", "name = 'name number 19998'"), "19999");
  CHECK_EQ(rig.ids("name", "name = 'a long name of before'"), "");
  CHECK_EQ(problems_of(rig.ground.link), "");
}

TEST_CASE("what an open table knows of rows may be of long ago when a column is put") {
  TableRig rig("relation t = struct { id: i64, n: u8 } key (id)");
  links::SessionLink link(rig.ground.machine);
  auto other = Table::open(link, rig_table);
  REQUIRE_OK(other);
  REQUIRE_OK(rig.table.insert({{i64(1), Value::of(std::uint8_t{0})}, {i64(2), Value::of(std::uint8_t{0})}}));
  REQUIRE_OK(other->put_column("n", 2, [] { return Result<Value>(Value::of(std::uint8_t{7})); }));
  CHECK_EQ(rig.ids("rows", "n = 7"), "1 2");
  REQUIRE_OK(rig.table.remove({i64(1)}));
  CHECK_EQ(other->put_column("n", 2, [] { return Result<Value>(Value::of(std::uint8_t{8})); }).error().status,
           Status::out_of_range);
}

TEST_CASE("rows that come while a column is put, and values that do not fit, end it with what has been put") {
  TableRig rig("relation t = struct { id: i64, n: u8 } key (id)");
  constexpr std::int64_t count = 20'000;
  std::vector<Row> rows;
  for (std::int64_t id = 0; id < count; ++id) rows.push_back({i64(id), Value::of(std::uint8_t{0})});
  REQUIRE_OK(rig.table.insert(std::move(rows)));
  links::SessionLink link(rig.ground.machine);
  auto other = Table::open(link, rig_table);
  REQUIRE_OK(other);
  std::int64_t given = 0;
  const auto busy = rig.table.put_column("n", count, [&]() -> Result<Value> {
    if (++given == 10'000) REQUIRE_OK(other->insert({{i64(-1), Value::of(std::uint8_t{0})}}));
    return Value::of(std::uint8_t{1});
  });
  REQUIRE_FALSE(busy.has_value());
  CHECK_EQ(busy.error().status, Status::busy);
  CHECK_EQ(busy.error().words, "Rows have come or gone meanwhile. The first 8192 rows have their new values of n.");
  CHECK_EQ(rows_of(rig.table, {.where = "n = 1"}).size(), 8192);
  const auto wrong = rig.table.put_column("n", count + 1, [&]() -> Result<Value> { return i64(256); });
  REQUIRE_FALSE(wrong.has_value());
  CHECK(wrong.error().words.starts_with("Value 1: Column n: "));
  CHECK_EQ(rows_of(rig.table, {.where = "n = 1"}).size(), 8192);
  CHECK_EQ(problems_of(rig.ground.link), "");
}

TEST_CASE("a row that has come in the place of one that went does not get the value that was for that") {
  for (const char* const schema : {"relation t = struct { id: i64, n: u8 } key (id)",
                                   "relation t = struct { id: i64, n: u8 } key (id) circular 20000"}) {
    for (const bool truncates : {false, true}) {
      CAPTURE(schema);
      CAPTURE(truncates);
      TableRig rig(schema);
      constexpr std::int64_t count = 20'000;
      std::vector<Row> rows;
      for (std::int64_t id = 0; id < count; ++id) rows.push_back({i64(id), Value::of(std::uint8_t{0})});
      REQUIRE_OK(rig.table.insert(rows));
      links::SessionLink link(rig.ground.machine);
      auto other = Table::open(link, rig_table);
      REQUIRE_OK(other);
      // What the header counts is as it was.
      std::int64_t given = 0;
      const auto busy = rig.table.put_column("n", count, [&]() -> Result<Value> {
        if (++given == 10'000 && truncates) {
          REQUIRE_OK(other->truncate());
          REQUIRE_OK(other->insert(rows));
        } else if (given == 10'000) {
          REQUIRE_OK(other->remove({i64(15'000)}));
          REQUIRE_OK(other->insert({{i64(-1), Value::of(std::uint8_t{0})}}));
        }
        return Value::of(std::uint8_t{1});
      });
      REQUIRE_FALSE(busy.has_value());
      CHECK_EQ(busy.error().status, Status::busy);
      const std::string wrong = truncates ? "n = 1" : "n = 1 and (id = -1 or id >= 8192)";
      CHECK_EQ(rows_of(rig.table, {.where = wrong}).size(), 0);
    }
  }
}

TEST_CASE("a column that has got the name of one that is being put gets nothing that was for that") {
  const char* const schema = "relation t = struct { id: i64, n: u8 nullable } key (id)";
  TableRig rig(schema);
  constexpr std::int64_t count = 20'000;
  std::vector<Row> rows;
  for (std::int64_t id = 0; id < count; ++id) rows.push_back({i64(id), Value()});
  REQUIRE_OK(rig.table.insert(rows));
  links::SessionLink link(rig.ground.machine);
  auto other = Table::open(link, rig_table);
  REQUIRE_OK(other);
  const auto put = [&](const std::function<void()>& meanwhile) {
    std::int64_t given = 0;
    return rig.table.put_column("n", count, [&]() -> Result<Value> {
      if (++given == 10'000) meanwhile();
      return Value::of(std::uint8_t{1});
    });
  };
  SUBCASE("in the table") {
    const auto busy = put([&] {
      REQUIRE_OK(other->drop_column("n"));
      REQUIRE_OK(other->add_column(relation_of(schema).columns[1]));
    });
    REQUIRE_FALSE(busy.has_value());
    CHECK_EQ(busy.error().status, Status::busy);
    // Nor is anything said of rows that have new values: these have gone with the column.
    CHECK(busy.error().words.ends_with("has been dropped meanwhile, or its table."));
    CHECK_EQ(rows_of(*other, {.where = "n = 1"}).size(), 0);
  }
  SUBCASE("nor does it end where an index is begun") {
    const auto done = put([&] {
      EndingLink ending(rig.ground.machine, 20);
      auto adding = Table::open(ending, rig_table, {.most_rows_entered = 64});
      REQUIRE_OK(adding);
      CHECK_EQ(adding->add_index({"by_n", false, {"n"}}).error().status, Status::io_error);
    });
    REQUIRE_OK(done);
    REQUIRE_OK(rig.table.add_index({"by_n", false, {"n"}}));
    CHECK_EQ(rows_of(rig.table, {.where = "n = 1", .along = "by_n"}).size(), count);
    CHECK_EQ(problems_of(rig.ground.link), "");
  }
  SUBCASE("in another table") {
    const auto busy = put([&] {
      REQUIRE_OK(Catalogue(link).drop_table(rig_table));
      other = make_table(link, schema);
      REQUIRE_OK(other->insert(rows));
    });
    REQUIRE_FALSE(busy.has_value());
    CHECK_EQ(busy.error().status, Status::busy);
    CHECK_EQ(rows_of(*other, {.where = "n = 1"}).size(), 0);
  }
  SUBCASE("and itself goes on under its new one") {
    const auto done = put([&] {
      REQUIRE_OK(other->rename_column("n", "m"));
      REQUIRE_OK(other->add_column(relation_of(schema).columns[1]));
    });
    REQUIRE_OK(done);
    CHECK_EQ(rows_of(*other, {.where = "m = 1 and n is null"}).size(), count);
  }
}

/// Knows the longest script.
class MeasuringLink final : public Link {
 public:
  explicit MeasuringLink(vm::Machine& machine) : link_(machine) {}
  Result<> run(const Script& script, Answers& answers) override {
    longest = std::max(longest, script.bytes().size());
    return link_.run(script, answers);
  }
  Ticket send(Script script) override { return link_.send(std::move(script)); }
  Result<> receive(Ticket ticket, Answers& answers) override { return link_.receive(ticket, answers); }

  std::size_t longest = 0;

 private:
  links::SessionLink link_;
};

TEST_CASE("long values are put, and given to many rows, about 8 MiB at a time") {
  TableRig rig("relation t = struct { id: i64, note: string } key (id)");
  constexpr std::int64_t count = 60;
  constexpr std::size_t long_value = 1 << 20;
  std::vector<Row> rows;
  for (std::int64_t id = 0; id < count; ++id) rows.push_back({i64(id), text("")});
  REQUIRE_OK(rig.table.insert(std::move(rows)));
  REQUIRE_OK(rig.table.remove({i64(3)}));
  MeasuringLink link(rig.ground.machine);
  auto table = Table::open(link, rig_table);
  REQUIRE_OK(table);
  const auto value_of = [](std::int64_t n) { return std::to_string(n) + std::string(long_value, ' '); };
  SUBCASE("put") {
    std::int64_t given = 0;
    REQUIRE_OK(table->put_column("note", count - 1, [&]() -> Result<Value> { return text(value_of(given++)); }));
    CHECK_EQ(given, count - 1);
    for (const std::int64_t id : {0, 2, 4, 11, 59}) {
      const auto row = table->get({i64(id)});
      REQUIRE_OK(row);
      CHECK((**row)[1] == text(value_of(id < 3 ? id : id - 1)));
    }
  }
  SUBCASE("update") {
    const auto changed = table->update_where("id >= 2", {{"note", text(value_of(0))}});
    REQUIRE_OK(changed);
    CHECK_EQ(*changed, count - 3);
    const auto row = table->get({i64(59)});
    REQUIRE_OK(row);
    CHECK((**row)[1] == text(value_of(0)));
  }
  CHECK_LE(link.longest, (9 << 20) + 4096);
}

}  // namespace
}  // namespace chimera::tables::testing
