// Tables on a machine with devices in memory: each operation by itself.

#include "tables/table.h"

#include <doctest/doctest.h>

#include "tables/catalogue.h"
#include "tables/scan.h"
#include "tests/tables/memory_ground.h"
#include "tests/tables/table_rig.h"

namespace chimera::tables::testing {
namespace {

TEST_CASE("a row that was inserted is found by its key, and in a scan") {
  TableRig rig("relation people = struct { id: i64, name: string, note: string nullable } key (id)");
  REQUIRE_OK(
      rig.table.insert({{Value::of<std::int64_t>(2), Value::string("Bo"), Value()},
                        {Value::of<std::int64_t>(1), Value::string("Anna, who has a long name"), Value::string("x")}}));
  const auto row = rig.table.get({Value::of<std::int64_t>(1)});
  REQUIRE_OK(row);
  REQUIRE(row->has_value());
  CHECK_EQ((**row)[1].as_bytes(), "Anna, who has a long name");
  CHECK_EQ(rig.ids("rows"), "2 1");
  CHECK_EQ(rig.ids("key"), "1 2");
}

}  // namespace
}  // namespace chimera::tables::testing
