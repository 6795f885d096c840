// Operations that are only shown: what they read behind the first change, and what others do meanwhile.

#include "tables/recording.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/tables/table_rig.h"

namespace chimera::tables::testing {
namespace {

std::size_t changes(const Recording& recording) {
  return static_cast<std::size_t>(std::ranges::count_if(recording.scripts(), &Script::changes));
}

TEST_CASE("what is only shown notices others, and goes on behind what it would have changed") {
  TableRig rig("relation t = struct { id: i64, v: i64 } key (id)");
  std::vector<Row> rows;
  for (std::int64_t id = 0; id < 9000; ++id) rows.push_back({i64(id), i64(0)});
  REQUIRE_OK(rig.table.insert(std::move(rows)));
  Recording recording(rig.ground.link);
  auto table = Table::open(recording, rig_table, {.explained = true});
  REQUIRE_OK(table);
  CHECK(table->get({i64(8999)})->has_value());
  REQUIRE_OK(rig.table.insert({{i64(9000), i64(0)}}));
  CHECK(table->get({i64(9000)})->has_value());
  REQUIRE_OK(table->insert({{i64(9001), i64(0)}}));
  CHECK_EQ(changes(recording), 1);
  for (std::int64_t id = 0; id < 3; ++id) CHECK(table->get({i64(id)})->has_value());
  CHECK_EQ(rows_of(*table).size(), 9001);
  recording.clear();
  const auto put = table->put_column("v", 9001, [] { return Result<Value>(i64(1)); });
  REQUIRE_OK(put);
  CHECK_EQ(changes(recording), 1);
  CHECK_EQ(*rig.table.count(), 9001);
  CHECK_EQ(rig.table.aggregate("v", "")->greatest.as_signed(), 0);
  // What is not there any more is told.
  REQUIRE_OK(Catalogue(rig.ground.link).drop_table(rig_table));
  CHECK_FALSE(table->count().has_value());
}

TEST_CASE("devices are called by the names that they are seen with, and others by none") {
  MemoryGround ground;
  Recording recording(ground.link);
  Script script;
  Answers answers;
  const Uuid device = create_device(ground.link, "here");
  script.add(Program().open_device("here"));
  REQUIRE_OK(recording.run(script, answers));
  script.clear();
  script.begin();
  script.add(Program().create_device("made", {}, {}).open_device("here"));
  script.commit();
  REQUIRE_OK(recording.run(script, answers));
  CHECK_EQ(recording.names().size(), 1);
  CHECK_EQ(recording.names().at(device), "here");
}

}  // namespace
}  // namespace chimera::tables::testing
