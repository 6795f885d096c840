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

TEST_CASE("rows that come while a column is put, and values that do not fit, end it with what has been put") {
  TableRig rig("relation t = struct { id: i64, n: u8 } key (id)");
  constexpr std::int64_t count = 20'000;
  std::vector<Row> rows;
  for (std::int64_t id = 0; id < count; ++id) rows.push_back({i64(id), Value::of(std::uint8_t{0})});
  REQUIRE_OK(rig.table.insert(std::move(rows)));
  cli::SessionLink link(rig.ground.machine);
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

}  // namespace
}  // namespace chimera::tables::testing
