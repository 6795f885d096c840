// Columns of a fixed width that are compressed: pieces of them are packed and plain again while rows come, change and
// go.

#include <doctest/doctest.h>

#include <map>
#include <optional>

#include "tables/open_table.h"
#include "tests/tables/table_rig.h"

namespace chimera::tables::testing {
namespace {

/// Bytes of the store that a column takes.
std::uint64_t bytes_held(Link& link, Table& table, std::uint32_t column) {
  Script script;
  Answers answers;
  const Uuid device = table.opened().shape().columns[column].device;
  script.add(Program().read_length(device));
  REQUIRE_OK(link.run(script, answers));
  const std::uint64_t length = answers.u64(0);
  script.clear();
  script.add(Program().read_extents(device, 0, length));
  REQUIRE_OK(link.run(script, answers));
  std::uint64_t held = 0;
  for (const Extent& extent : extents_of(answers[0]))
    held += (extent.flags & extent_flags::hole) == 0 ? extent.length : 0;
  return held;
}

constexpr std::int64_t many = 100'000;

/// Ascending numbers, few different ones, and with a byte in front.
Row row_of(std::int64_t id) {
  return {i64(id), i64(id * 3 + id % 7), Value::of(static_cast<double>(id % 5)),
          id % 11 == 0 ? Value() : i64(id / 100)};
}

struct PackedRig : TableRig {
  explicit PackedRig(bool is_empty = false)
      : TableRig("relation t = struct { id: i64, n: i64, x: f64, o: i64 nullable } key (id)") {
    if (is_empty) return;
    std::vector<Row> rows;
    for (std::int64_t id = 0; id < many; ++id) rows.push_back(row_of(id));
    REQUIRE_OK(table.insert(std::move(rows)));
  }
  [[nodiscard]] std::uint64_t held(const std::string& column) {
    return bytes_held(ground.link, table, static_cast<std::uint32_t>(*table.relation().find(column)));
  }
};

TEST_CASE("a column of a fixed width takes less room while it is compressed, and is the same to all who read it") {
  PackedRig rig;
  const std::vector<Row> before = rows_of(rig.table);
  links::SessionLink link(rig.ground.machine);
  auto other = Table::open(link, rig_table);
  REQUIRE_OK(other);
  for (const bool compressed : {true, false, true}) {
    CAPTURE(compressed);
    for (const char* const column : {"n", "x", "o"}) {
      const std::uint64_t plain = rig.held(column);
      REQUIRE_OK(rig.table.compress_column(column, compressed));
      if (compressed) CHECK_LT(rig.held(column), plain / 3);
      if (!compressed) CHECK_GE(rig.held(column), many * 8);
    }
    for (Table* const table : {&rig.table, &*other}) {
      CHECK_EQ(rows_of(*table), before);
      const auto sum = table->aggregate("n", "x = 3");
      REQUIRE_OK(sum);
      CHECK_EQ(sum->values, many / 5);
      for (const std::int64_t id : {std::int64_t{0}, std::int64_t{8191}, std::int64_t{8192}, many - 1}) {
        const auto row = table->get({i64(id)});
        REQUIRE_OK(row);
        CHECK_EQ(row->value(), row_of(id));
      }
      CHECK_EQ(ids_of(rows_of(*table, {.where = "n between 300 and 331 and o is not null", .backwards = true})),
               "109 108 107 106 105 104 103 102 101 100");
    }
    CHECK_EQ(problems_of(rig.ground.link), "");
  }
}

}  // namespace
}  // namespace chimera::tables::testing
