// Sums and extremes of each kind of column, and what of them there is not.

#include <doctest/doctest.h>

#include "tests/tables/table_rig.h"

namespace chimera::tables::testing {
namespace {

TEST_CASE("what is added up and compared of a column, and what is not") {
  TableRig rig(
      "relation t = struct { id: i64, big: i128, at: datetime, on: bool, name: string nullable, x: f64 nullable } "
      "key (id)");
  const types::I128 greatest = static_cast<types::I128>(~types::U128{0} >> 1);
  const auto big = [](types::I128 value) { return Value::signed_integer(types::Kind::i128, value); };
  REQUIRE_OK(rig.table.insert({{i64(1), big(greatest), Value::datetime(5), Value::boolean(true), text("a"), Value()},
                               {i64(2), big(1), Value::datetime(3), Value::boolean(false), Value(), Value()}}));
  const auto of = [&](const char* column, const char* where = "") {
    const auto found = rig.table.aggregate(column, where);
    REQUIRE_OK(found);
    CHECK_EQ(found->rows, *where == '\0' ? 2 : 1);
    return *found;
  };
  CHECK(of("big", "id = 1").sum == big(greatest));
  const auto sum = rig.table.aggregate("big", "");
  REQUIRE(!sum.has_value());
  CHECK_EQ(sum.error().status, Status::out_of_range);
  CHECK_EQ(sum.error().words, "The sum of column big does not fit 128 bits.");
  const Aggregate at = of("at"), on = of("on"), name = of("name"), x = of("x");
  CHECK(at.sum.is_null());
  CHECK(at.least == Value::datetime(3));
  CHECK(at.greatest == Value::datetime(5));
  CHECK(on.sum.is_null());
  CHECK(on.least == Value::boolean(false));
  CHECK_EQ(name.values, 1);
  CHECK(name.least.is_null());
  CHECK_EQ(x.values, 0);
  CHECK(x.sum.is_null());
  // A byte that is neither true nor false.
  Script script;
  Answers answers;
  script.write_bytes(rig.table.opened().shape().columns[3].device, 0, std::vector<std::uint8_t>{7});
  REQUIRE_OK(rig.ground.link.run(script, answers));
  CHECK_EQ(rig.table.aggregate("on", "").error().status, Status::corrupt);
}

}  // namespace
}  // namespace chimera::tables::testing
