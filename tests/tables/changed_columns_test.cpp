// Columns that others change under somebody who has the table open.

#include <doctest/doctest.h>

#include <optional>

#include "tests/tables/table_rig.h"

namespace chimera::tables::testing {
namespace {

constexpr const char* schema =
    "relation t = struct { id: i64, a: string nullable indexed, b: string nullable } key (id)";

types::Column column_of(const std::string& words) {
  return relation_of("relation m = struct { " + words + " }").columns[0];
}

/// A session that has looked at the table before the other one, `rig.table`, changes its columns.
struct Sessions {
  explicit Sessions(std::string_view of = schema) : rig(of), link(rig.ground.machine) {
    auto opened = Table::open(link, rig_table);
    REQUIRE_OK(opened);
    before.emplace(std::move(*opened));
  }
  void replace_a_column() {
    REQUIRE_OK(rig.table.drop_column("a"));
    REQUIRE_OK(rig.table.add_column(column_of("c: string nullable")));
  }

  TableRig rig;
  links::SessionLink link;
  std::optional<Table> before;
};

TEST_CASE("rows do not get into columns that they are not for") {
  for (const bool upserts : {false, true}) {
    for (const bool is_other_table : {false, true}) {
      // One that is too long for its index would fit the other column.
      for (const std::size_t length : {1, 2000}) {
        CAPTURE(upserts);
        CAPTURE(is_other_table);
        CAPTURE(length);
        Sessions two;
        if (is_other_table) {
          REQUIRE_OK(Catalogue(two.rig.ground.link).drop_table(rig_table));
          two.rig.table = make_table(
              two.rig.ground.link, "relation t = struct { id: i64, x: string nullable, y: string nullable } key (id)");
        } else {
          two.replace_a_column();
        }
        const std::vector<Row> rows = {{i64(1), text(std::string(length, 'a')), text("b")}};
        const auto put = [&] { return upserts ? two.before->upsert(rows) : two.before->insert(rows); };
        const auto refused = put();
        REQUIRE_FALSE(refused.has_value());
        CHECK_EQ(refused.error().status, Status::mismatch);
        CHECK_EQ(two.rig.table.count().value_or(1), 0);
        // Whoever knows the new columns does it again.
        REQUIRE_OK(put());
      }
    }
  }
}

TEST_CASE("rows that cannot be put in the place of others are not put into another table that could") {
  Sessions two("relation t = struct { id: i64, x: string nullable }");
  REQUIRE_OK(Catalogue(two.rig.ground.link).drop_table(rig_table));
  two.rig.table = make_table(two.rig.ground.link, "relation t = struct { id: i64, y: string nullable } key (id)");
  const auto refused = two.before->upsert({{i64(1), text("x")}});
  REQUIRE_FALSE(refused.has_value());
  CHECK_EQ(refused.error().status, Status::mismatch);
  CHECK_EQ(two.rig.table.count().value_or(1), 0);
}

TEST_CASE("rows get into columns that have other names by now") {
  Sessions two;
  REQUIRE_OK(two.rig.table.rename_column("a", "c"));
  REQUIRE_OK(two.before->insert({{i64(1), text("x"), text("y")}}));
  CHECK_EQ(rows_of(two.rig.table, {.where = "c = 'x' and b = 'y'"}).size(), 1);
}

TEST_CASE("a change of many rows goes on while a column is compressed, and ends where an index comes") {
  constexpr std::int64_t count = 5000;
  for (const bool compresses : {true, false}) {
    CAPTURE(compresses);
    TableRig rig("relation t = struct { id: i64, state: i64, note: string } key (id)");
    std::vector<Row> rows;
    for (std::int64_t id = 0; id < count; ++id) rows.push_back({i64(id), i64(1), text(std::string(100, 'x'))});
    REQUIRE_OK(rig.table.insert(std::move(rows)));
    bool has_happened = false;
    WatchedLink link(rig.ground.machine, [&] {
      if (has_happened || rows_of(rig.table, {.where = "state = 2", .limit = 1}).empty()) return;
      has_happened = true;
      REQUIRE_OK(compresses ? rig.table.compress_column("note", true)
                            : rig.table.add_index({"state", false, {"state"}}));
    });
    auto table = Table::open(link, rig_table);
    REQUIRE_OK(table);
    const auto updated = table->update_where("state = 1", {{"state", i64(2)}, {"note", text(std::string(100, 'y'))}});
    CHECK(has_happened);
    CHECK_EQ(problems_of(rig.ground.link), "");
    if (compresses) {
      CHECK_EQ(updated.value_or(0), count);
      CHECK_EQ(rows_of(rig.table, {.where = "state = 2 and note like 'yyy%'"}).size(), count);
      continue;
    }
    REQUIRE_FALSE(updated.has_value());
    const std::size_t before = rows_of(rig.table, {.where = "state = 2"}).size();
    CHECK_GT(before, 0);
    CHECK_EQ(updated.error().words,
             "Columns or indexes of test/main/t have been changed meanwhile: do it again.\nUp to then " +
                 std::to_string(before) + " rows have been updated, and stay so.");
  }
}

TEST_CASE("rows of a scan are of the columns that it has told, or there are none") {
  Sessions two;
  REQUIRE_OK(two.rig.table.insert({{i64(1), text("a"), text("b")}}));
  for (const bool is_told : {true, false}) {
    CAPTURE(is_told);
    auto scan = two.before->scan({});
    REQUIRE_OK(scan);
    if (is_told) REQUIRE_EQ(scan->columns().size(), 3);
    REQUIRE_OK(two.rig.table.add_column(column_of(is_told ? "c: i64 nullable" : "d: i64 nullable")));
    std::vector<Row> rows;
    const auto some = scan->next(rows);
    if (is_told) {
      REQUIRE_FALSE(some.has_value());
      CHECK_EQ(some.error().status, Status::mismatch);
      CHECK(some.error().words.ends_with("do it again. A scan with --snapshot is not disturbed by that."));
      CHECK_EQ(scan->next(rows).error().status, Status::mismatch);
      continue;
    }
    REQUIRE_OK(some);
    CHECK_EQ(rows.at(0).size(), 5);
  }
  // Those that stay may have other places.
  auto scan = two.before->scan({.columns = {"b", "id"}});
  REQUIRE_OK(scan);
  CHECK_EQ(scan->columns(), std::vector<std::uint32_t>{2, 0});
  REQUIRE_OK(two.rig.table.drop_column("a"));
  std::vector<Row> rows;
  REQUIRE_OK(scan->next(rows));
  CHECK_EQ(scan->columns(), std::vector<std::uint32_t>{1, 0});
  CHECK_EQ(rows.at(0).at(0).as_bytes(), "b");
}

TEST_CASE("a column that holds anything holds null in the rows that were there before it") {
  TableRig rig("relation t = struct { id: i64 } key (id)");
  REQUIRE_OK(rig.table.insert({{i64(1)}, {i64(2)}}));
  REQUIRE_OK(rig.table.add_column(relation_of("relation m = struct { what: any }").columns[0]));
  REQUIRE_OK(rig.table.insert({{i64(3), Value::of(std::int64_t{5})}}));
  CHECK_EQ(rig.ids("key", "what is null"), "1 2");
  const auto row = rig.table.get({i64(1)});
  REQUIRE_OK(row);
  CHECK((**row)[1].is_null());
  CHECK_EQ(problems_of(rig.ground.link), "");
}

TEST_CASE("what stands behind a column that goes is what it was: key, order and indexes") {
  TableRig rig("relation t = struct { a: u8, id: i64, at: i64, b: u8 } key (id) index by_b (b, at) append by at");
  for (std::int64_t id = 0; id < 3; ++id) {
    REQUIRE_OK(rig.table.insert({{Value::of(std::uint8_t{0}), i64(id), i64(id), Value::of(std::uint8_t{7})}}));
  }
  REQUIRE_OK(rig.table.drop_column("a"));
  const types::Relation& relation = rig.table.relation();
  CHECK_EQ(relation.key, std::vector<std::uint32_t>{0});
  CHECK_EQ(relation.append_by, 1);
  CHECK_EQ(relation.indexes.at(0).columns, std::vector<std::uint32_t>{2, 1});
  CHECK(rig.table.get({i64(2)})->has_value());
  CHECK_EQ(rig.ids("by_b", "b = 7"), "0 1 2");
  CHECK_EQ(problems_of(rig.ground.link), "");
}

}  // namespace
}  // namespace chimera::tables::testing
