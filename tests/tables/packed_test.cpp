// Columns of a fixed width that are compressed: pieces of them are packed and plain again while rows come, change and
// go.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "io/seeded_random.h"
#include "tables/recording.h"
#include "tests/tables/packed_rig.h"
#include "tests/tables/split_link.h"

namespace chimera::tables::testing {
namespace {

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
      if (compressed) CHECK_LT(rig.held(column), plain / 2);
      if (!compressed) CHECK_GE(rig.held(column), packed_rows * 8);
    }
    CHECK_EQ(rig.pieces("n"), compressed ? "pppp.." : "......");
    CHECK_EQ(rig.format(), compressed ? 2 : 1);
    for (Table* const table : {&rig.table, &*other}) {
      CHECK_EQ(rows_of(*table), before);
      const auto sum = table->aggregate("n", "x = 3");
      REQUIRE_OK(sum);
      CHECK_EQ(sum->values, packed_rows / 5);
      for (const std::int64_t id : {std::int64_t{0}, std::int64_t{8191}, std::int64_t{8192}, packed_rows - 1}) {
        const auto row = table->get({i64(id)});
        REQUIRE_OK(row);
        CHECK_EQ(row->value(), packed_row(id));
      }
      // Found by scattered rows, and backwards; entries of `o` begin in one piece and end in the next.
      CHECK_EQ(ids_of(rows_of(*table, {.where = "n between 300 and 331 and o is not null", .backwards = true})),
               "109 108 107 106 105 104 103 102 101 100");
      CHECK_EQ(rows_of(*table, {.where = "id >= 7279 and id < 7285", .along = "key"}), packed_rows_from(7279, 7285));
    }
    CHECK_EQ(problems_of(rig.ground.link), "");
  }
}

TEST_CASE("who writes into a packed piece makes it plain, and who writes a whole one packs it") {
  PackedRig rig;
  REQUIRE_OK(rig.table.compress_column("n", true));
  REQUIRE_OK(rig.table.compress_column("o", true));
  CHECK_EQ(rig.pieces("n"), "pppp..");
  CHECK_EQ(rig.pieces("o"), "ppppp..");
  REQUIRE_OK(rig.table.update({i64(20'000)}, {{"n", i64(1)}, {"o", Value()}}));
  CHECK_EQ(rig.pieces("n"), "pp.p..");
  CHECK_EQ(rig.pieces("o"), "pp.pp..");
  // Entry 7281 of `o` is of two pieces.
  REQUIRE_OK(rig.table.update({i64(7281)}, {{"o", i64(5)}}));
  CHECK_EQ(rig.pieces("o"), "...pp..");
  CHECK_EQ(rig.table.update_where("id = 20000 or id = 7281", {{"n", i64(20'000 * 3 + 1)}, {"o", i64(72)}}).value_or(0),
           2);
  CHECK_EQ(rig.pieces("n"), ".p.p..");
  REQUIRE_OK(rig.table.upsert({packed_row(20'000), packed_row(7281)}));
  CHECK_EQ(rows_of(rig.table), packed_rows_from(0, packed_rows));

  std::int64_t id = 0;
  REQUIRE_OK(rig.table.put_column("n", packed_rows, [&]() -> Result<Value> { return i64(-id++); }));
  CHECK_EQ(rig.pieces("n"), "pppp..");
  REQUIRE_OK(rig.table.insert(packed_rows_from(packed_rows, packed_rows + 30'000)));
  CHECK_EQ(rig.pieces("n"), "pppp.ppp..");
  CHECK_EQ(rig.pieces("x"), "..........");
  const auto sum = rig.table.aggregate("n", "id < 40000");
  REQUIRE_OK(sum);
  CHECK_EQ(sum->sum.as_signed(), -(packed_rows - 1) * packed_rows / 2);
  CHECK_EQ(rows_of(rig.table, {.where = "id >= 40000"}), packed_rows_from(packed_rows, packed_rows + 30'000));

  // Numbers of rows that have gone are used again, amid packed pieces.
  REQUIRE_OK(rig.table.compress_column("n", true));
  REQUIRE_OK(rig.table.remove_where("id >= 100 and id < 140"));
  CHECK_EQ(rig.pieces("n"), "pppppppp..");
  REQUIRE_OK(rig.table.insert(packed_rows_from(100, 140)));
  CHECK_EQ(rig.pieces("n"), ".ppppppp..");
  CHECK_EQ(rows_of(rig.table, {.where = "id >= 100 and id < 140", .along = "key"}), packed_rows_from(100, 140));
  CHECK_EQ(problems_of(rig.ground.link), "");

  REQUIRE_OK(rig.table.truncate());
  CHECK_EQ(rig.pieces("n"), "..");
  CHECK_EQ(problems_of(rig.ground.link), "");
  REQUIRE_OK(rig.table.insert(packed_rows_from(0, 10)));
  CHECK_EQ(rows_of(rig.table), packed_rows_from(0, 10));
}

TEST_CASE("what is inserted into a column that is declared compressed is packed as it comes") {
  PackedRig rig(packed_rows,
                "relation t = struct { id: i64, n: i64 compressed, x: f64 compressed, "
                "o: i64 nullable compressed } key (id)");
  CHECK_EQ(rig.format(), 2);
  CHECK_EQ(rig.pieces("n") + rig.pieces("x") + rig.pieces("o"),
           "pppp.."
           "pppp.."
           "ppppp..");
  CHECK_EQ(rows_of(rig.table), packed_rows_from(0, packed_rows));
  CHECK_EQ(problems_of(rig.ground.link), "");
  // Bytes that are all zeros take nothing, and those that cannot be packed stay.
  REQUIRE_OK(rig.table.truncate());
  io::SeededRandom random(1);
  std::vector<Row> rows;
  for (std::int64_t id = 0; id < packed_rows; ++id) {
    rows.push_back({i64(id), i64(static_cast<std::int64_t>(random.next())), Value::of(0.0), Value()});
  }
  REQUIRE_OK(rig.table.insert(rows));
  CHECK_EQ(rig.pieces("n") + rig.pieces("x") + rig.pieces("o"),
           "......"
           "......"
           ".......");
  CHECK_LE(rig.held("x"), packed::piece_size);
  CHECK_LE(rig.held("o"), packed::piece_size);
  CHECK_EQ(rows_of(rig.table), rows);
  CHECK_EQ(problems_of(rig.ground.link), "");
}

TEST_CASE("a column that is compressed comes and goes with the format of its table") {
  PackedRig rig(20'000);
  CHECK_EQ(rig.format(), 1);
  REQUIRE_OK(rig.table.add_column(relation_of("relation m = struct { c: i64 default 7 compressed }").columns[0]));
  CHECK_EQ(rig.format(), 2);
  CHECK_EQ(rig.pieces("c"), "....");
  REQUIRE_OK(rig.table.compress_column("c", true));
  CHECK_EQ(rig.pieces("c"), "pp..");
  REQUIRE_OK(rig.table.rename_column("c", "d"));
  const auto sum = rig.table.aggregate("d", "");
  REQUIRE_OK(sum);
  CHECK_EQ(sum->sum.as_signed(), 140'000);
  REQUIRE_OK(rig.table.drop_column("d"));
  CHECK_EQ(rig.format(), 1);
  // In a table of the first format nothing is packed, whatever the schema says.
  REQUIRE_OK(rig.table.add_column(relation_of("relation m = struct { c: i64 nullable compressed }").columns[0]));
  Script script;
  script.write_bytes(rig.table.opened().shape().header, TableHeader::format_offset, std::vector<std::uint8_t>{1});
  rig.run(script);
  auto table = Table::open(rig.ground.link, rig_table);
  REQUIRE_OK(table);
  REQUIRE_OK(table->put_column("c", 20'000, [] { return Result<Value>(i64(3)); }));
  CHECK_EQ(rig.pieces("c"), "....");
  REQUIRE_OK(table->compress_column("c", true));
  CHECK_EQ(rig.pieces("c"), "pp..");
  CHECK_EQ(rig.format(), 2);
  CHECK_EQ(problems_of(rig.ground.link), "");
}

TEST_CASE("rows of a circular table take the place of others in packed pieces") {
  TableRig rig("relation t = struct { at: i64, n: i64 compressed } append by at circular 20000");
  const auto row = [](std::int64_t at) { return Row{i64(at), i64(at / 3)}; };
  std::int64_t next = 0;
  const auto insert = [&](std::int64_t count) {
    std::vector<Row> rows;
    while (count-- > 0) rows.push_back(row(next++));
    REQUIRE_OK(rig.table.insert(std::move(rows)));
  };
  const auto is_right = [&] {
    std::vector<Row> expected;
    for (std::int64_t at = std::max<std::int64_t>(next - 20'000, 0); at < next; ++at) expected.push_back(row(at));
    CHECK_EQ(rows_of(rig.table), expected);
    const auto found = rows_of(rig.table, {.where = fmt::format("at between {} and {}", next - 5000, next - 4991)});
    CHECK_EQ(found.size(), 10);
    CHECK_EQ(found.front(), row(next - 5000));
    CHECK_EQ(problems_of(rig.ground.link), "");
  };
  insert(18'000);
  REQUIRE_OK(rig.table.compress_column("at", true));
  for (const std::int64_t count : {1, 3'000, 15'000, 1, 20'000, 70}) {
    CAPTURE(count);
    insert(count);
    is_right();
  }
  REQUIRE_OK(rig.table.compress_column("at", true));
  REQUIRE_OK(rig.table.compress_column("n", false));
  insert(9'000);
  is_right();
}

TEST_CASE("a time is found in an append table whose pieces are packed") {
  TableRig rig("relation t = struct { at: i64 compressed, n: i64 } append by at");
  std::vector<Row> rows;
  for (std::int64_t at = 0; at < 100'000; ++at) rows.push_back({i64(at * 2), i64(at)});
  REQUIRE_OK(rig.table.insert(std::move(rows)));
  for (const std::int64_t at : {0, 1, 8191, 8192, 50'000, 99'999}) {
    CHECK_EQ(ids_of(rows_of(rig.table, {.columns = {"n"}, .where = fmt::format("at = {}", at * 2)})),
             std::to_string(at));
    CHECK_EQ(rows_of(rig.table, {.where = fmt::format("at = {}", at * 2 + 1)}).size(), 0);
  }
  CHECK_EQ(rig.table.insert({{i64(5), i64(0)}}).error().status, Status::bad_text);
  REQUIRE_OK(rig.table.insert({{i64(200'000), i64(100'000)}}));
}

TEST_CASE("a scan that has begun goes on across it, and one of one moment too") {
  for (const bool is_moment : {false, true}) {
    for (const bool compresses : {true, false}) {
      CAPTURE(is_moment);
      CAPTURE(compresses);
      PackedRig rig;
      if (!compresses) REQUIRE_OK(rig.table.compress_column("n", true));
      links::SessionLink link(rig.ground.machine);
      auto other = Table::open(link, rig_table);
      REQUIRE_OK(other);
      auto scan = rig.table.scan({.snapshot = is_moment});
      REQUIRE_OK(scan);
      std::vector<Row> rows, all;
      REQUIRE(scan->next(all).value_or(false));
      REQUIRE_OK(other->compress_column("n", compresses));
      if (is_moment) REQUIRE_OK(other->truncate());
      while (scan->next(rows).value_or(false)) all.insert(all.end(), rows.begin(), rows.end());
      CHECK_EQ(all, packed_rows_from(0, packed_rows));
    }
  }
}

TEST_CASE(
    "what stands in the metadata of a column that is not compressed is not looked at, and goes when it is marked") {
  PackedRig rig(20'000);
  Script script;
  script.write_metadata_bytes(rig.device("n"), 1, std::vector<std::uint8_t>{3});
  rig.run(script);
  REQUIRE_EQ(rig.pieces("n"), ".p..");
  for (const bool compressed : {true, false}) {
    Recording recording(rig.ground.link);
    auto shown = Table::open(recording, rig_table, {.explained = true});
    REQUIRE_OK(shown);
    REQUIRE_OK(shown->compress_column("n", compressed));
  }
  CHECK_EQ(rig.pieces("n"), ".p..");
  REQUIRE_OK(rig.table.compress_column("n", true));
  CHECK_EQ(rig.pieces("n"), "pp..");
  CHECK_EQ(rows_of(rig.table), packed_rows_from(0, 20'000));
  CHECK_EQ(problems_of(rig.ground.link), "");
}

TEST_CASE("of a very long column not all that is known of its pieces is kept") {
  PackedRig rig(10);
  std::size_t asked = 0;
  WatchedLink link(rig.ground.machine, [&] { ++asked; });
  const OpenTable& table = rig.table.opened();
  PackedPieces pieces(link, table.version(), rig.device("n"), "n", false);
  constexpr std::uint64_t run = 4096, runs = 5000;
  REQUIRE_OK(pieces.learn(0, 1));
  pieces.plan(0, 3);
  for (std::uint64_t i = 1; i < runs; ++i) REQUIRE_OK(pieces.learn(i * run, i * run + 1));
  CHECK_EQ(asked, runs);
  // What is planned stays so, whether it is known what is there now or not.
  pieces.plan(1, 4);
  Script script;
  pieces.emit(script);
  rig.run(script);
  pieces.keep();
  REQUIRE_OK(pieces.learn(0, 2));
  CHECK_EQ(asked, runs + 1);
  CHECK_EQ(pieces.blocks(0), 3);
  CHECK_EQ(pieces.blocks(1), 4);
  // What has just been asked for is there, however much it is.
  REQUIRE_OK(pieces.learn(0, 4200 * run));
  CHECK_EQ(pieces.blocks(0), 3);
  CHECK_EQ(pieces.blocks(4200 * run - 1), 0);
}

TEST_CASE("others write while a column is compressed and decompressed") {
  for (const bool declared : {false, true}) {
    CAPTURE(declared);
    constexpr std::int64_t count = 20'000;
    PackedRig rig(count);
    links::SessionLink own(rig.ground.machine);
    auto writer = Table::open(own, rig_table);
    REQUIRE_OK(writer);
    std::vector<Row> expected = packed_rows_from(0, count);
    io::SeededRandom random(7);
    bool is_busy = false;
    std::size_t written = 0;
    WatchedLink link(rig.ground.machine, [&] {
      if (is_busy || written == 60 || !random.chance(60)) return;
      is_busy = true;
      ++written;
      if (declared && random.chance(20)) {
        // A whole piece, which is packed where that may be.
        std::vector<Row> rows(expected.begin() + 8192, expected.begin() + 2 * 8192);
        for (Row& row : rows) row[1] = i64(static_cast<std::int64_t>(written));
        REQUIRE_OK(writer->update_where("id >= 8192 and id < 16384", {{"n", i64(static_cast<std::int64_t>(written))}}));
        std::ranges::copy(rows, expected.begin() + 8192);
      } else {
        const auto id = static_cast<std::int64_t>(random.below(count));
        REQUIRE_OK(writer->update({i64(id)}, {{"n", i64(-id)}}));
        expected[static_cast<std::size_t>(id)][1] = i64(-id);
      }
      is_busy = false;
    });
    auto table = Table::open(link, rig_table);
    REQUIRE_OK(table);
    for (const bool compressed : {true, false, true}) {
      written = 0;
      REQUIRE_OK(table->compress_column("n", compressed));
      CHECK_GT(written, 4);
      is_busy = true;
      CHECK_EQ(rows_of(*table), expected);
      CHECK_EQ(table->relation().columns[1].compressed, compressed);
      CHECK_EQ(problems_of(rig.ground.link), "");
      is_busy = false;
    }
  }
}

TEST_CASE("somebody decompresses a column while another compresses it") {
  for (const bool compresses : {true, false}) {
    CAPTURE(compresses);
    PackedRig rig;
    if (!compresses) REQUIRE_OK(rig.table.compress_column("n", true));
    // When the column is marked and nothing packed yet; when nothing is packed any more and the column still marked.
    bool has_happened = false;
    WatchedLink link(rig.ground.machine, [&] {
      if (has_happened || rig.format() != 2 || rig.pieces("n") != "......") return;
      has_happened = true;
      REQUIRE_OK(rig.table.compress_column("n", !compresses));
    });
    auto table = Table::open(link, rig_table);
    REQUIRE_OK(table);
    const auto done = table->compress_column("n", compresses);
    CHECK(has_happened);
    if (compresses) CHECK_EQ(words_of(done), "Column n of test/main/t has been decompressed meanwhile.");
    if (!compresses) REQUIRE_OK(done);
    CHECK_EQ(rows_of(rig.table), packed_rows_from(0, packed_rows));
    CHECK_EQ(problems_of(rig.ground.link), "");
  }
}

TEST_CASE("what is read of packed pieces is of one moment, between whichever instructions others change it") {
  const auto wide = [](std::uint64_t of) {
    return Value::array(std::vector<Value>(256, Value::unsigned_integer(types::Kind::u128, of)));
  };
  using Answer = std::function<std::string(Table&)>;
  const Answer scanned = [](Table& table) {
    std::string all;
    for (const Row& row : rows_of(table, {.where = "id >= 2"})) {
      all += fmt::format("{}:{} ", row[0].low_bits(), row[1].items()[255].low_bits());
    }
    return all;
  };
  const Answer got = [](Table& table) {
    const auto row = table.get({i64(5)});
    return row && *row ? std::to_string((**row)[1].items()[0].low_bits()) : words_of(row);
  };
  using Meddling = std::function<void(Table&)>;
  const std::vector<Meddling> meddlings{
      [&](Table& table) {
        REQUIRE_OK(table.update({i64(5)}, {{"w", wide(50)}}));
      },
      [](Table& table) { REQUIRE_OK(table.compress_column("w", true)); },
      [](Table& table) { REQUIRE_OK(table.compress_column("w", false)); },
      [&](Table& table) {
        REQUIRE_OK(table.truncate());
        REQUIRE_OK(table.insert({{i64(5), wide(1)}}));
      },
  };
  const auto meddle_with = [&](const Answer& answer, const Meddling& meddle) {
    bool was_interrupted = true;
    for (std::size_t until = 0; was_interrupted; ++until) {
      CAPTURE(until);
      TableRig rig("relation t = struct { id: i64, w: array(u128, 256) } key (id)");
      for (std::int64_t id = 0; id < 20; ++id) REQUIRE_OK(rig.table.insert({{i64(id), wide(id)}}));
      REQUIRE_OK(rig.table.compress_column("w", true));
      REQUIRE_OK(rig.table.update({i64(19)}, {{"w", wide(190)}}));
      SplitLink link(rig.ground.machine);
      auto table = Table::open(link, rig_table);
      REQUIRE_OK(table);
      const std::string before = answer(*table);
      link.until = until;
      link.then = [&] { meddle(rig.table); };
      const std::string found = answer(*table);
      was_interrupted = !link.then;
      if (!was_interrupted) meddle(rig.table);
      link.then = {};
      const std::string after = answer(*table);
      const bool is_of_one_moment = found == before || found == after;
      CHECK_MESSAGE(is_of_one_moment, found);
      CHECK_EQ(problems_of(rig.ground.link), "");
    }
  };
  for (const Meddling& meddle : meddlings) {
    meddle_with(scanned, meddle);
    meddle_with(got, meddle);
  }
}

}  // namespace
}  // namespace chimera::tables::testing
