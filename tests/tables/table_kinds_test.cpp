// Tables of particular kinds: appended to in the order of a column, circular, without a key; and what each refuses.

#include <doctest/doctest.h>

#include "tables/recording.h"
#include "tests/tables/table_rig.h"

namespace chimera::tables::testing {
namespace {

template <typename Outcome>
Status status_of(const Outcome& outcome) {
  return outcome ? Status::ok : outcome.error().status;
}
template <typename Outcome>
std::string why(const Outcome& outcome) {
  return outcome ? "ok" : outcome.error().words;
}

TEST_CASE("an append table finds a range of time by few reads, and refuses what comes late") {
  TableRig rig("relation log = struct { at: datetime, what: u32 } append by at");
  std::vector<Row> rows;
  constexpr std::int64_t count = 20'000;
  for (std::int64_t n = 0; n < count; ++n) {
    rows.push_back({Value::datetime(n / 2 * 1'000'000'000), Value::of(static_cast<std::uint32_t>(n))});
  }
  REQUIRE_OK(rig.table.insert(std::move(rows)));
  const auto late = rig.table.insert({{Value::datetime(5), Value::of(std::uint32_t{1})}});
  CHECK_EQ(status_of(late), Status::bad_text);
  CHECK_EQ(*rig.table.count(), count);

  Recording recording(rig.ground.link);
  auto table = Table::open(recording, rig_table);
  REQUIRE_OK(table);
  recording.clear();
  const std::vector<Row> found =
      rows_of(*table, {.where = "at >= '1970-01-01T00:20:00Z' and at < '1970-01-01T00:20:05Z'"});
  REQUIRE_EQ(found.size(), 10);
  CHECK_EQ(found.front()[1].as_unsigned() == 2400, true);
  std::uint64_t read = 0;
  for (const Script& script : recording.scripts()) {
    for (const Script::Question& question : script.questions()) read += question.result_size;
  }
  CHECK_LT(read, 8192);  // of 240,000 bytes that the columns have

  const std::vector<Row> backwards =
      rows_of(*table, {.where = "at between '1970-01-01T00:20:00Z' and '1970-01-01T00:20:04Z'", .backwards = true});
  REQUIRE_EQ(backwards.size(), 10);
  CHECK_EQ(backwards.front()[1].as_unsigned() == 2409, true);
  CHECK_EQ(status_of(rig.table.update_where("what = 5", {{"at", Value::datetime(0)}})), Status::denied);
  CHECK_EQ(*rig.table.remove_where("what < 100"), 100);
  REQUIRE_OK(rig.table.insert({{Value::datetime(count * 1'000'000'000), Value::of(std::uint32_t{7})}}));
  CHECK_EQ(problems_of(rig.ground.link), "");
}

TEST_CASE("the order of an append table is that of what is there, also where others append or an insert fails") {
  TableRig rig("relation log = struct { id: i64, at: i64 } key (id) append by at");
  links::SessionLink link(rig.ground.machine);
  auto other = Table::open(link, rig_table);
  REQUIRE_OK(other);
  REQUIRE_OK(rig.table.insert({{i64(1), i64(1)}}));
  REQUIRE_OK(other->insert({{i64(2), i64(10)}}));
  CHECK_EQ(status_of(rig.table.insert({{i64(3), i64(5)}})), Status::bad_text);
  CHECK_EQ(status_of(rig.table.insert({{i64(1), i64(20)}})), Status::exists);
  REQUIRE_OK(rig.table.insert({{i64(4), i64(15)}}));
  CHECK_EQ(problems_of(rig.ground.link), "");
}

TEST_CASE("in a circular table the oldest rows give way, with their keys and values") {
  TableRig rig("relation ring = struct { id: i64, name: string unique } key (id) circular 7");
  for (std::int64_t id = 0; id < 40; ++id) {
    REQUIRE_OK(rig.table.insert({{i64(id), text("a name that needs the heap, number " + std::to_string(id))}}));
    CHECK_EQ(*rig.table.count(), static_cast<std::uint64_t>(std::min<std::int64_t>(id + 1, 7)));
  }
  CHECK_EQ(rig.ids("rows"), "33 34 35 36 37 38 39");
  CHECK_EQ(rig.ids("rows", {}, true), "39 38 37 36 35 34 33");
  REQUIRE_OK(rig.table.remove({i64(36)}));
  std::vector<Row> rows;
  for (std::int64_t id = 100; id < 117; ++id) rows.push_back({i64(id), text("new " + std::to_string(id))});
  REQUIRE_OK(rig.table.insert(std::move(rows)));
  CHECK_EQ(rig.ids("rows"), "110 111 112 113 114 115 116");
  CHECK_EQ(rig.ids("key", "id > 112"), "113 114 115 116");
  REQUIRE_OK(rig.table.upsert({{i64(114), text("changed")}, {i64(200), text("new")}}));
  CHECK_EQ(rig.ids("rows"), "111 112 113 114 115 116 200");
  CHECK_EQ(problems_of(rig.ground.link), "");
}

TEST_CASE("rows are put in pieces, and how many are there is told where one cannot be") {
  TableRig rig("relation t = struct { id: i64, n: i64 } key (id)");
  const auto rows = [](std::int64_t n) {
    std::vector<Row> all;
    for (std::int64_t id = 0; id < 4000; ++id) all.push_back({i64(id), i64(n)});
    return all;
  };
  REQUIRE_OK(rig.table.insert(rows(1)));
  REQUIRE_OK(rig.table.mark({i64(3000)}, row_state::locked, 0));
  std::uint64_t put = 7;
  const auto done = rig.table.upsert(rows(2), &put);
  CHECK_EQ(status_of(done), Status::denied);
  CHECK_EQ(put, 2048);
  CHECK_EQ(rows_of(rig.table, {.where = "n = 2"}).size(), 2048);
  REQUIRE_OK(rig.table.mark({i64(3000)}, 0, row_state::locked));
  REQUIRE_OK(rig.table.upsert(rows(2), &put));
  CHECK_EQ(put, 4000);
}

TEST_CASE("a locked row of a circular table does not give way") {
  TableRig rig("relation ring = struct { id: i64 } key (id) circular 3");
  REQUIRE_OK(rig.table.insert({{i64(0)}, {i64(1)}, {i64(2)}}));
  REQUIRE_OK(rig.table.mark({i64(1)}, row_state::locked, 0));
  REQUIRE_OK(rig.table.insert({{i64(3)}}));
  const auto refused = rig.table.insert({{i64(4)}});
  CHECK_EQ(status_of(refused), Status::denied);
  CHECK_EQ(words_of(refused),
           "Row 1 of test/main/t is locked and the oldest: there is no room for another row until it is unlocked.");
  CHECK_EQ(status_of(rig.table.upsert({{i64(4)}})), Status::denied);
  CHECK_EQ(rig.ids("rows"), "1 2 3");
  REQUIRE_OK(rig.table.mark({i64(1)}, 0, row_state::locked));
  REQUIRE_OK(rig.table.insert({{i64(4)}}));
  CHECK_EQ(rig.ids("rows"), "2 3 4");
  CHECK_EQ(problems_of(rig.ground.link), "");
}

TEST_CASE("a table without a key has rows by their order alone") {
  TableRig rig("relation bag = struct { id: i64 }");
  REQUIRE_OK(rig.table.insert({{i64(3)}, {i64(1)}, {i64(3)}}));
  CHECK_EQ(rig.ids("rows"), "3 1 3");
  CHECK_EQ(status_of(rig.table.get({i64(3)})), Status::unsupported);
  CHECK_EQ(status_of(rig.table.upsert({{i64(3)}})), Status::unsupported);
  CHECK_EQ(*rig.table.remove_where("id = 3"), 2);
  REQUIRE_OK(rig.table.insert({{i64(8)}}));
  CHECK_EQ(*rig.table.count(), 2);
  CHECK_EQ(problems_of(rig.ground.link), "");
}

TEST_CASE("what is wrong with rows is told with row, column and value, and nothing is inserted") {
  TableRig rig("relation t = struct { id: u8, name: string nullable, tag: string(4) } key (id)");
  REQUIRE_OK(rig.table.insert({{Value::of(std::uint8_t{1}), Value(), text("a")}}));
  const auto refused = [&](std::vector<Row> rows, std::size_t row, std::string_view words) {
    const auto done = rig.table.insert(std::move(rows));
    REQUIRE_FALSE(done.has_value());
    CHECK_EQ(done.error().row, row);
    CAPTURE(done.error().words);
    CHECK(done.error().words.find(words) != std::string::npos);
    CHECK_EQ(*rig.table.count(), 1);
  };
  const Row good = {Value::of(std::uint8_t{2}), text("x"), text("b")};
  refused({good, {i64(300), text("x"), text("b")}}, 1, "Column id: 300 does not fit u8");
  refused({good, {i64(-1), text("x"), text("b")}}, 1, "Column id");
  refused({good, {Value::of(std::uint8_t{3}), text("\xFF"), text("b")}}, 1, "Column name");
  refused({{Value::of(std::uint8_t{3}), text("x"), text("too long")}}, 0, "Column tag");
  refused({{Value::of(std::uint8_t{3}), text("x"), Value()}}, 0, "Column tag");
  refused({good, {Value::of(std::uint8_t{3}), text("x")}}, 1, "There are 2 values, and test/main/t has 3 columns");
  refused({good, good}, 1, "(id = ");
  refused({good, {Value::of(std::uint8_t{1}), text("x"), text("b")}}, 1, "is there already in test/main/t");
}

TEST_CASE("a key of more than 1,024 bytes is refused") {
  TableRig rig("relation t = struct { name: string } key (name)");
  REQUIRE_OK(rig.table.insert({{text(std::string(1000, 'x'))}}));
  const auto done = rig.table.insert({{text("fits")}, {text(std::string(1100, 'x'))}});
  CHECK_EQ(why(done), "Row 1: The key of name: the key has 1102 bytes, more than 1024.");
  CHECK_EQ(*rig.table.count(), 1);
}

TEST_CASE("what is wrong with a condition is told with its place") {
  TableRig rig("relation t = struct { id: i64, name: string, on: bool, when: datetime } key (id)");
  const auto told = [&](const std::string& where) { return why(rig.table.scan({.where = where})); };
  CHECK_EQ(told("id = 'x'"), "where:1:6: column \"id\" is i64, not a text\n    id = 'x'\n         ^^^");
  CHECK_EQ(told("nmae = 'x'").substr(0, 66), "where:1:1: t has no column \"nmae\"; did you mean \"name\"?\n    nmae =");
  CHECK(told("id >").find("the condition ends where") != std::string::npos);
  CHECK(told("id = 1 or").find("where:1:10") != std::string::npos);
  CHECK(told("(id = 1").find("a closing bracket") != std::string::npos);
  CHECK(told("name like '%x'").find("one % at its end") != std::string::npos);
  CHECK(told("when > 'yesterday'").find("where:1:8") != std::string::npos);
  CHECK(told("id = null").find("is null") != std::string::npos);
  CHECK(told("name").find("alone says nothing") != std::string::npos);
  CHECK(told("name = 'x").find("has no ' at its end") != std::string::npos);
  CHECK(told(std::string(100, '(')).find("nested deeper") != std::string::npos);
  CHECK(told("id = 1 id").find("the end of the condition") != std::string::npos);
  CHECK_EQ(told("on and not on or id in (1, 2.5, 99999999999999999999)"), "ok");
}

TEST_CASE("numbers that no column holds are compared by their size") {
  TableRig rig("relation t = struct { id: i64, d: f64, f: f32, u: u128, i: i128 } key (id) index d (d) index u (u)");
  const auto big = [](types::Kind kind, bool negative, types::U128 magnitude) {
    return Value::integer(kind, types::Integer{negative, magnitude});
  };
  const double infinity = std::numeric_limits<double>::infinity();
  const auto row = [&](std::int64_t id, double real, const Value& u, const Value& i) {
    return Row{i64(id), Value::real(types::Kind::f64, real), Value::real(types::Kind::f32, real), u, i};
  };
  REQUIRE_OK(rig.table.insert(
      {row(1, -infinity, big(types::Kind::u128, false, 0), big(types::Kind::i128, true, types::U128{1} << 127)),
       row(2, 0, big(types::Kind::u128, false, 7), big(types::Kind::i128, false, 7)),
       row(3, infinity, big(types::Kind::u128, false, ~types::U128{0}),
           big(types::Kind::i128, false, (types::U128{1} << 127) - 1))}));
  const auto found = [&](const std::string& where) { return ids_of(rows_of(rig.table, {.where = where})); };
  for (const char* const column : {"d", "f"}) {
    CAPTURE(std::string(column));
    const std::string name = column;
    CHECK_EQ(found(name + " < 1e999"), "1 2");
    CHECK_EQ(found(name + " >= 1e999"), "3");
    CHECK_EQ(found(name + " <= -1e999"), "1");
    CHECK_EQ(found(name + " > -1e999"), "2 3");
    CHECK_EQ(found(name + " = 1e999"), "");
    CHECK_EQ(found(name + " <> -1e999"), "1 2 3");
    CHECK_EQ(found(name + " between -1e-999 and 1e-999"), "2");
  }
  CHECK_EQ(found("f > 1e300"), "3");
  CHECK_EQ(found("u <= 1e38"), "1 2");
  CHECK_EQ(found("u > 3e38"), "3");
  CHECK_EQ(found("u < 1e999"), "1 2 3");
  CHECK_EQ(found("i < -1e38"), "1");
  CHECK_EQ(found("i >= 1.5e38"), "3");
  CHECK_EQ(found("i > -1e999 and i in (7, 7.5, 1e999)"), "2");
}

TEST_CASE("the greatest f32 is found as it is printed") {
  TableRig rig("relation t = struct { id: i64, f: f32 } key (id)");
  const double most = std::numeric_limits<float>::max();
  REQUIRE_OK(rig.table.insert({{i64(1), Value::real(types::Kind::f32, most)},
                               {i64(2), Value::real(types::Kind::f32, -most)},
                               {i64(3), Value::real(types::Kind::f32, std::numeric_limits<double>::infinity())}}));
  const auto found = [&](const std::string& where) { return ids_of(rows_of(rig.table, {.where = where})); };
  CHECK_EQ(found("f = 3.4028235e38"), "1");
  CHECK_EQ(found("f >= 3.4028235e+38"), "1 3");
  CHECK_EQ(found("f < 3.4028235e38"), "2");
  CHECK_EQ(found("f = -3.4028235e38"), "2");
  CHECK_EQ(found("f = 3.40282357e38"), "");  // nearer to what would be the next
  CHECK_EQ(found("f > 3.40282357e38"), "3");
}

TEST_CASE("texts that are longer than a column's are compared with it, in its rows and in its indexes") {
  TableRig rig("relation t = struct { id: i64, s: string(4), n: string(4) nullable } key (id) index s (s) index n (n)");
  const auto row = [](std::int64_t id, const char* s, Value n) { return Row{i64(id), text(s), std::move(n)}; };
  REQUIRE_OK(rig.table.insert({row(1, "abc", text("abc")), row(2, "abcd", text("abcd")), row(3, "abce", Value()),
                               row(4, "", text("")), row(5, "ABCD", text("b"))}));
  for (const std::string& beyond : {std::string("abcdx"), "abcd" + std::string(70'000 / 2, 'x')}) {
    for (const char* const along : {"", "rows", "s", "n"}) {
      CAPTURE(along);
      const auto found = [&](const std::string& where) {
        std::string ids = ids_of(rows_of(rig.table, {.where = where, .along = along}));
        std::ranges::sort(ids);
        std::erase(ids, ' ');
        return ids;
      };
      CHECK_EQ(found("s = '" + beyond + "'"), "");
      CHECK_EQ(found("s <> '" + beyond + "'"), "12345");
      CHECK_EQ(found("s < '" + beyond + "'"), "1245");
      CHECK_EQ(found("s <= '" + beyond + "'"), "1245");
      CHECK_EQ(found("s >= '" + beyond + "'"), "3");
      CHECK_EQ(found("not s < '" + beyond + "'"), "3");
      CHECK_EQ(found("n > '" + beyond + "'"), "5");
      CHECK_EQ(found("n <> '" + beyond + "'"), "1245");
      CHECK_EQ(found("n in ('abc', '" + beyond + "')"), "1");
      CHECK_EQ(found("s like '" + beyond + "%'"), "");
      CHECK_EQ(found("s like '" + beyond + "'"), "");
    }
  }
}

TEST_CASE("null is asked for in columns that never have it, in keys too, and in those that hold it as a value") {
  TableRig rig(
      "relation t = struct { id: i64, name: string indexed, on: bool, left: u8 nullable indexed, what: any, "
      "more: any nullable } key (id)");
  const Value any = Value::string("a text that is longer than its slot");
  REQUIRE_OK(rig.table.insert({{i64(1), text("a"), Value::boolean(true), Value(), Value(), Value()},
                               {i64(2), text("b"), Value::boolean(false), Value::of(std::uint8_t{0}), any, any}}));
  const auto found = [&](const std::string& where) { return ids_of(rows_of(rig.table, {.where = where})); };
  CHECK_EQ(found("id is null"), "");
  CHECK_EQ(found("name is null and id = 1"), "");
  CHECK_EQ(found("on is null or name is null or id = 2"), "2");
  CHECK_EQ(found("id is not null and name is not null"), "1 2");
  CHECK_EQ(found("left is null"), "1");
  CHECK_EQ(found("what is null"), "1");
  CHECK_EQ(found("what is not null"), "2");
  CHECK_EQ(found("more is null and not more is not null"), "1");
  CHECK_EQ(found("false < on"), "1");
  CHECK_EQ(found("TRUE <> on"), "2");
}

}  // namespace
}  // namespace chimera::tables::testing
