// Tables whose devices are each right, or nearly so, but do not fit together: what is asked of them is refused in words
// that say where, and nothing is made of it.

#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <vector>

#include "tables/collections/map.h"
#include "tables/compression.h"
#include "tables/open_table.h"
#include "tests/tables/damaged_table.h"

namespace chimera::tables::testing {
namespace {

void contains(const std::string& words, std::string_view part) {
  CHECK_MESSAGE(words.find(part) != std::string::npos, words << " has no: " << part);
}

/// Somebody else who opens the table now, and has nothing of it in memory.
Table opened(Link& link, const std::string& name = rig_table) {
  auto table = Table::open(link, name);
  REQUIRE_OK(table);
  return std::move(*table);
}

/// Of the root of a tree of one leaf, whose keys and values have 8 bytes.
constexpr std::uint64_t value_at(std::uint64_t entry) { return 4096 + 16 + entry * 16 + 8; }

TEST_CASE("an index that leads to rows that cannot be") {
  DamagedTable of;
  const Uuid key = of.shape().indexes[0].device;
  SUBCASE("behind the last row") {
    of.write(key, value_at(3), {20});
    Table table = opened(of.ground.link);
    contains(words_of(table.get({i64(3)})), "the primary key leads to a row that cannot be");
    contains(words_of(table.upsert({{i64(3), text("x"), Value()}})), "the primary key leads to a row that cannot be");
  }
  SUBCASE("to one that is not there") {
    of.set_state(3, 0);
    Table table = opened(of.ground.link);
    contains(words_of(table.update({i64(3)}, {{"note", Value()}})), "an index leads to row 3, which is not there");
    contains(words_of(table.remove({i64(3)})), "has no row 3");
  }
  SUBCASE("with keys of another width") {
    of.write(key, 10, {16});
    Table table = opened(of.ground.link);
    contains(words_of(table.get({i64(3)})), "its keys and values are not as wide as the schema says");
  }
  SUBCASE("that does not have a row, or has two rows as one") {
    of.write(of.shape().columns[0].device, 5 * 8, {77});
    Table table = opened(of.ground.link);
    contains(words_of(table.remove_where("name = 'a rather long name for number 5'")), "is not in the index key");
    of.write(of.shape().columns[0].device, 5 * 8, {6});
    // Row 5 says that it is 6, whose place in the index is that of row 6.
    const std::string both = "name >= 'a rather long name for number 5' and name <= 'a rather long name for number 6'";
    contains(words_of(table.remove_where(both)), "row 5 (id = 6): test/main/t: (id = 6) is not in the index key");
    unsigned told = 0;
    const auto gone = table.remove_where(both, [&](const UnreadableRow&) -> Result<> { return ++told, Result<>(); });
    REQUIRE_OK(gone);
    CHECK_EQ(*gone, 1);
    CHECK_EQ(told, 1);
    CHECK_FALSE(table.get({i64(6)})->has_value());
  }
}

TEST_CASE("an index whose leaves are out of order is not gone through for ever") {
  TableRig rig("relation t = struct { id: i64, n: i64 } key (id)");
  std::vector<Row> rows;
  for (std::int64_t id = 0; id < 400; ++id) rows.push_back({i64(id), i64(id == 399 ? 1 : 0)});
  REQUIRE_OK(rig.table.insert(std::move(rows)));
  Script script;
  Answers answers;
  const Uuid key = rig.table.opened().shape().indexes[0].device;
  // Of the keys of the second leaf the first byte, so that they are below all others.
  for (std::uint64_t entry = 0; entry < 145; ++entry) {
    script.write_bytes(key, 2 * 4096 + 16 + entry * 16, std::vector<std::uint8_t>{0x70});
  }
  REQUIRE_OK(rig.ground.link.run(script, answers));
  Table table = opened(rig.ground.link);
  auto scan = table.scan({.where = "n = 1", .along = "key", .limit = 100});
  REQUIRE_OK(scan);
  std::vector<Row> found;
  contains(words_of(scan->next(found)), "the keys of the index key are not in order");
}

TEST_CASE("a stack of free rows that holds others") {
  DamagedTable of;
  Table table = opened(of.ground.link);
  const auto insert = [&] {
    return words_of(table.insert({{i64(90), text("x"), Value()}, {i64(91), text("y"), Value()}}));
  };
  of.write(of.shape().free, 16, {20});
  contains(insert(), "the stack of free rows holds numbers that cannot be");
  of.write(of.shape().free, 16, {9});
  contains(insert(), "the stack of free rows holds numbers that cannot be");
  of.write(of.shape().free, 16, {13});
  CHECK_EQ(insert(), "");
}

TEST_CASE("a table that has as many rows as there can be takes no more") {
  DamagedTable of;
  of.write(of.shape().header, 32, {0, 0, 0, 0, 0, 1, 0, 0});
  of.write(of.shape().header, 48, {0});
  Table table = opened(of.ground.link);
  contains(words_of(table.insert({{i64(90), text("x"), Value()}})), "as many rows as a table can have");
}

TEST_CASE("entries that are no values") {
  DamagedTable of;
  of.write(of.shape().columns[1].device, 3 * 16, {0xFF, 0xFF, 0xFF, 0xFF});
  contains(words_of(opened(of.ground.link).get({i64(3)})), "column name: it is null, and may not be");
  TableRig rig("relation t = struct { id: i64, is: bool } key (id)");
  REQUIRE_OK(rig.table.insert({{i64(1), Value::boolean(false)}}));
  Script script;
  Answers answers;
  script.write_bytes(rig.table.opened().shape().columns[1].device, 0, std::vector<std::uint8_t>{7});
  REQUIRE_OK(rig.ground.link.run(script, answers));
  contains(words_of(opened(rig.ground.link).get({i64(1)})), "test/main/t, column is: [0]: byte 0x07 is no bool");
}

TEST_CASE("a schema of two relations is none of a table") {
  DamagedTable of;
  Script script;
  script.add(
      Program().write_columns(of.shape().header, "relation t = struct { a: u8 }\nrelation u = struct { b: u8 }\n"));
  of.run(script);
  contains(words_of(Table::open(of.ground.link, rig_table)), "its schema has to be of one relation");
}

TEST_CASE("a map whose key leads nowhere") {
  MemoryGround ground;
  auto map = Map<std::int64_t, std::int64_t>::open(ground.link, "test/main/map");
  REQUIRE_OK(map);
  REQUIRE_OK(map->put(1, 2));
  Table table = opened(ground.link, "test/main/map");
  Script script;
  Answers answers;
  script.write_bytes(table.opened().shape().indexes[0].device, value_at(0), std::vector<std::uint8_t>{1});
  REQUIRE_OK(ground.link.run(script, answers));
  auto other = Map<std::int64_t, std::int64_t>::open(ground.link, "test/main/map");
  REQUIRE_OK(other);
  contains(words_of(other->end(End::first)), "the primary key leads to a row that cannot be");
}

TEST_CASE("long values whose slots lead where they should not") {
  DamagedTable of;
  const Uuid note = of.shape().columns[2].device;
  const auto at = [](std::uint64_t row) { return row * types::slot_size; };
  const auto get = [&](std::int64_t id) { return opened(of.ground.link).get({i64(id)}); };
  of.write(note, at(7), {0, 0, 0, 0x20});
  CHECK_EQ(get(7).error().status, Status::too_large);
  contains(words_of(get(7)), "too large to be read as a whole; read ranges of it");
  // A compressed one in a piece of no size that there is.
  of.write(note, at(8) + 13, {200, 0, 0x40});
  CHECK_EQ(get(8).error().status, Status::corrupt);
  // Two in one place, the shorter behind the longer.
  const std::vector<std::uint8_t> longer = of.slot(2, 1);
  Script script;
  script.write_bytes(note, at(2), longer);
  of.run(script);
  of.write(note, at(2), {20});
  const auto two = rows_of(of.table, {.where = "id in (1, 2)", .along = "rows"});
  REQUIRE_EQ(two.size(), 2);
  CHECK_EQ(two[0][2].as_bytes().substr(0, 20), two[1][2].as_bytes());
  CHECK_GT(two[0][2].as_bytes().size(), 40);
}

TEST_CASE("a compressed value that is damaged is none, or another of the same size") {
  const std::string text = [] {
    std::string all;
    for (int i = 0; i < 300; ++i) all += std::to_string(i * i);
    return all;
  }();
  std::vector<std::uint8_t> frame;
  REQUIRE(compress(bytes_of(text), frame));
  const auto words = [&](std::uint64_t size) {
    const auto content = decompress(frame, size);
    if (content) CHECK_EQ(content->size(), size);
    return content ? std::string() : content.error().words;
  };
  CHECK_EQ(words(text.size()), "");
  CHECK_EQ(words(text.size() - 1), "the compressed value has another size than its slot says");
  CHECK_EQ(words(largest_content + 1), "the compressed value is larger than one that is read as a whole");
  const std::string no_frame = "there is no compressed value where one should be";
  const std::string other_size = "the compressed value has another size than its slot says";
  const std::string no_content = "the compressed value cannot be decompressed";
  unsigned frames = 0, contents = 0;
  for (std::uint8_t& byte : frame) {
    byte ^= 0xFF;
    const std::string found = words(text.size());
    CHECK((found.empty() || found == no_frame || found == other_size || found == no_content));
    frames += found == no_frame ? 1 : 0;
    contents += found == no_content ? 1 : 0;
    byte ^= 0xFF;
  }
  CHECK_GT(frames, 4);  // the first four bytes say what it is
  CHECK_GT(contents, 0);
}

}  // namespace
}  // namespace chimera::tables::testing
