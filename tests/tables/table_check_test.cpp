// What a check of a table finds: planted damage of each kind, and none where there is none.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <fstream>
#include <string>

#include "tables/change.h"
#include "tables/open_table.h"
#include "tests/tables/damaged_table.h"

namespace chimera::tables::testing {
namespace {

TEST_CASE("a whole table has no problems, and each kind of planted damage is found") {
  DamagedTable of;
  CHECK_EQ(problems_of(of.ground.link), "");
  SUBCASE("a row whose state is gone") {
    of.set_state(3, 0);
    of.finds("the header counts 17 rows, and 16 are there");
  }
  SUBCASE("a row that comes back") {
    of.set_state(4, row_state::active);
    of.finds("row 4, (id = 4): index key does not have it");
  }
  SUBCASE("a key that is another's") {
    of.write(of.shape().columns[0].device, 5 * 8, {6});
    of.finds("row 5, (id = 6): index key leads to another row");
  }
  SUBCASE("a value that the index does not know") {
    of.write(of.shape().heaps[0], Place(types::read_slot(of.slot(1, 7).data()).place()).offset() + 4, {'X'});
    of.finds("index name does not have it");
  }
  SUBCASE("two slots with one place") {
    const std::vector<std::uint8_t> slot = of.slot(1, 7);
    Script script;
    script.write_bytes(of.shape().columns[2].device, 2 * 16, slot);
    of.run(script);
    of.finds("row 2, column note leads to no value of its own");
  }
  SUBCASE("a free row that is none") {
    of.write(of.shape().free, 0, {5});
    of.finds("row 5 is listed as free, and is not");
  }
  SUBCASE("a header that counts wrong") {
    of.write(of.shape().header, 40, {16});
    of.finds("are not 20");
  }
  SUBCASE("a column that is too short") {
    Script script;
    script.add(Program().write_length(of.shape().columns[2].device, 100));
    of.run(script);
    of.finds("column note has 100 bytes, and needs 320");
  }
  SUBCASE("a state of a row that is not there") {
    of.set_state(4, row_state::locked);
    of.finds("row 4 is not there, and has the state 0x10");
  }
  SUBCASE("a free row that there never was") {
    of.write(of.shape().free, 0, {200});
    of.finds("row 200 is listed as free, and is not");
  }
  SUBCASE("a stack of free rows that is too short") {
    Script script;
    script.add(Program().write_length(of.shape().free, 8));
    of.run(script);
    of.finds("the stack of free rows is shorter than the header says");
  }
  SUBCASE("an index with another number of entries") {
    of.write(of.shape().header, 40, {16, 0, 0, 0, 0, 0, 0, 0, 4});
    of.finds("index key has 17 entries, and there are 16 rows");
  }
  SUBCASE("a value that no row leads to") {
    of.write(of.shape().columns[2].device, 7 * 16, {0xFF, 0xFF, 0xFF, 0xFF});
    of.finds("bytes belong to nobody and are not free");
  }
  SUBCASE("a slot that leads behind the end of all values") {
    of.write(of.shape().columns[2].device, 7 * 16, {0xFE, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0xFF});
    of.finds("column note: row 7 leads to no value");
  }
  SUBCASE("a tree whose root is torn") {
    of.write(of.shape().indexes[0].device, 4096 + 16, {0xFF, 0xFF, 0xFF});
    CHECK_NE(problems_of(of.ground.link), "");
  }
  SUBCASE("a text that is no text") {
    of.write(of.shape().heaps[0], Place(types::read_slot(of.slot(2, 7).data()).place()).offset() + 4, {0xFF});
    of.finds("column note");
  }
}

TEST_CASE("a row of an append table that is out of order is found") {
  TableRig rig("relation t = struct { at: i64, n: i64 } append by at");
  for (std::int64_t at = 1; at <= 3; ++at) REQUIRE_OK(rig.table.insert({{i64(at), i64(at)}}));
  CHECK_EQ(problems_of(rig.ground.link), "");
  Script script;
  Answers answers;
  script.write_bytes(rig.table.opened().shape().columns[0].device, 8, std::vector<std::uint8_t>(8));
  REQUIRE_OK(rig.ground.link.run(script, answers));
  CHECK_EQ(problems_of(rig.ground.link), "test/main/t: row 1 is out of the order of at.\n");
}

TEST_CASE("a check of a table that others change begins again, a few times") {
  TableRig rig("relation t = struct { id: i64, name: string } key (id)");
  std::int64_t id = 0;
  unsigned scripts = 0, last = 0;
  WatchedLink link(rig.ground.machine, [&] {
    if (++scripts < last) REQUIRE_OK(rig.table.insert({{i64(++id), text("a name that is too long for a slot")}}));
  });
  for (last = 0; last < 40; ++last) {
    scripts = 0;
    std::string problems;
    const auto report = check_table(link, rig_table, [&](const std::string& problem) { problems += problem; });
    CHECK_EQ(problems, "");
    if (report) CHECK_EQ(report->rows, static_cast<std::uint64_t>(id));
    if (!report) CHECK(is_lost_race(report.error()));
    CHECK((report || last > 5));
  }
  CHECK_GT(scripts, 8);
}

TEST_CASE("what is beside a text that is too long to be read as a whole is looked at") {
  DamagedTable of;
  of.write(of.shape().columns[2].device, 7 * types::slot_size, {0, 0, 0, 0x20});
  of.finds("row 7, column note leads to no value of its own");
  CHECK(problems_of(of.ground.link).find("too large") == std::string::npos);
  for (const std::uint64_t row : {7, 8, 6}) {
    const std::uint32_t column = row == 7 ? 1 : 2;
    of.write(of.shape().columns[column].device, row * types::slot_size, {3, 0, 0, 0, 0xFF});
    of.finds(fmt::format("rows {} to ", row == 6 ? 0 : row));
  }
}

/// The most memory that the process has had since the last call, in bytes.
std::uint64_t most_memory() {
  std::ifstream status("/proc/self/status");
  std::string word;
  std::uint64_t kib = 0;
  while (status >> word && word != "VmHWM:") continue;
  status >> kib;
  std::ofstream("/proc/self/clear_refs") << 5;
  return kib << 10;
}

TEST_CASE("a header that claims a thousand million rows costs a check no memory for each") {
  DamagedTable of;
  constexpr std::uint64_t rows = std::uint64_t{1} << 30;
  Script script;
  for (const ColumnFile& column : of.shape().columns) {
    script.add(Program().write_length(column.device, rows * column.width));
  }
  of.run(script);
  of.write(of.shape().header, 32, {0, 0, 0, 0x40});  // the tail
  static_cast<void>(most_memory());
  const std::uint64_t before = most_memory();
  of.finds("17 rows and 3 free ones are not 1073741824");
  CHECK_LT(most_memory(), before + (64u << 20));
}

}  // namespace
}  // namespace chimera::tables::testing
