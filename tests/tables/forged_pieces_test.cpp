// Packed pieces that are none: what is asked of their rows is refused in words that say where, all other rows are
// there, and a check finds them.

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tables/compression.h"
#include "tables/packed_check.h"
#include "tables/unreadable_row.h"
#include "tests/tables/packed_rig.h"

namespace chimera::tables::testing {
namespace {

using Bytes = std::vector<std::uint8_t>;

void contains(const std::string& words, std::string_view part) {
  CHECK_MESSAGE(words.find(part) != std::string::npos, words << " has no: " << part);
}

/// Pieces 0 and 1 of `n` are packed, and of `o` too; the last of each is plain.
struct ForgedRig : PackedRig {
  static constexpr std::int64_t rows = 20'000;

  ForgedRig() : PackedRig(rows) {
    REQUIRE_OK(table.compress_column("n", true));
    REQUIRE_OK(table.compress_column("o", true));
    REQUIRE_EQ(pieces("n"), "pp..");
  }
  void set_state(const std::string& column, std::uint64_t piece, std::uint8_t state) {
    Script script;
    script.write_metadata_bytes(device(column), piece, Bytes{state});
    run(script);
  }
  void set_frame(std::uint64_t piece, const Bytes& frame) {
    Script script;
    script.write_bytes(device("n"), piece * packed::piece_size, frame);
    run(script);
  }
  [[nodiscard]] Bytes frame(std::uint64_t piece) {
    Script script;
    script.read_bytes(device("n"), piece * packed::piece_size, packed::piece_size);
    run(script);
    return {answers.bytes(0).begin(), answers.bytes(0).end()};
  }
  /// Somebody who has nothing in memory.
  [[nodiscard]] Table opened() {
    auto other = Table::open(ground.link, rig_table);
    REQUIRE_OK(other);
    return std::move(*other);
  }
  [[nodiscard]] std::string get(std::int64_t id) {
    const auto row = opened().get({i64(id)});
    if (row) CHECK_EQ(row->value(), packed_row(id));
    return words_of(row);
  }
};

Bytes packed_bytes(std::size_t size) {
  Bytes frame;
  REQUIRE(compress(Bytes(size, 7), frame));
  return frame;
}

constexpr const char* place = "test/main/t, column n: the packed piece of rows 8192 to 16383 is damaged: ";

TEST_CASE("a column that is said to be very long is checked by what it holds") {
  ForgedRig rig;
  TableHeader header = rig.table.opened().header();
  header.tail = std::uint64_t{1} << 36;
  ++header.version;
  Script script;
  script.write_bytes(rig.table.opened().shape().header, 0, header.bytes());
  rig.run(script);
  rig.set_state("n", 1 << 20, 200);
  std::size_t asked = 0;
  WatchedLink link(rig.ground.machine, [&] { ++asked; });
  const auto table = open_table(link, false, rig_table);
  REQUIRE_OK(table);
  std::string told;
  const auto checked = check_pieces(**table, rig.place("n"), [&](const std::string& words) { told += words; });
  REQUIRE_OK(checked);
  CHECK(!*checked);
  CHECK_EQ(told,
           "column n: the packed piece of rows 8589934592 to 8589942783 is damaged: what is said of it cannot be");
  CHECK_LT(asked, 30);
}

TEST_CASE("what is said of a piece cannot be, or there is no frame where one should be") {
  ForgedRig rig;
  const auto refused = [&](std::int64_t id, const std::string& why) {
    CHECK_EQ(rig.get(id), place + why + ".");
    contains(problems_of(rig.ground.link), "column n: the packed piece of rows 8192 to 16383 is damaged: " + why + ".");
    CHECK_EQ(rig.get(8191), "");
    CHECK_EQ(rig.get(16'384), "");
  };
  const std::string cannot_be = "what is said of it cannot be", no_frame = "it cannot be unpacked";
  const std::uint8_t blocks = [&] {
    Script script;
    script.read_metadata_bytes(rig.device("n"), 1, 1);
    rig.run(script);
    return rig.answers.bytes(0)[0];
  }();
  SUBCASE("blocks") {
    for (const int state : {15, 16, 255}) {
      rig.set_state("n", 1, static_cast<std::uint8_t>(state));
      refused(8192, cannot_be);
    }
    rig.set_state("n", 1, static_cast<std::uint8_t>(blocks - 1));
    refused(16'383, no_frame);
    // More than the frame needs are read, and not looked at.
    rig.set_state("n", 1, 14);
    CHECK_EQ(rig.get(8192), "");
    CHECK_EQ(problems_of(rig.ground.link), "");
  }
  SUBCASE("frames") {
    const Bytes good = rig.frame(1);
    Bytes skippable = {0x50, 0x2A, 0x4D, 0x18, 0xF8, 0xFF, 0, 0};
    Bytes large = packed_bytes(packed::piece_size);
    // The size of what is in it stands behind the magic and a byte that says where: four bytes more than any memory.
    large[4] = 0xE0;
    const std::vector<Bytes> others = {packed_bytes(packed::piece_size - 1),
                                       packed_bytes(packed::piece_size + 1),
                                       packed_bytes(100),
                                       skippable,
                                       large,
                                       Bytes(packed::piece_size)};
    for (const Bytes& frame : others) {
      rig.set_frame(1, frame);
      refused(10'000, no_frame);
      rig.set_frame(1, good);
    }
    // Whatever one byte is, it is told, or there are values of the same size.
    unsigned told = 0;
    for (std::size_t at = 0; at < 40; ++at) {
      Bytes frame = good;
      frame[at] ^= 0xFF;
      rig.set_frame(1, frame);
      Table table = rig.opened();
      const auto row = table.get({i64(10'000)});
      if (!row) CHECK_EQ(row.error().words, place + no_frame + ".");
      told += row ? 0 : 1;
    }
    CHECK_GT(told, 8);
  }
  SUBCASE("a piece that is not whole") {
    rig.set_state("n", 2, 3);
    CHECK_EQ(rig.get(20), "");
    contains(rig.get(17'000), "rows 16384 to 24575 is damaged: what is said of it cannot be");
    contains(problems_of(rig.ground.link), "column n has piece 2 marked as packed, which cannot be");
  }
  SUBCASE("pieces far behind the end, and of a column that is not compressed") {
    rig.set_state("n", 1'000'000, 1);
    rig.set_state("x", 0, 1);
    CHECK_EQ(rig.get(17'000), "");
    const std::string problems = problems_of(rig.ground.link);
    contains(problems, "column n has piece 1000000 marked as packed, which cannot be");
    contains(problems, "column x has piece 0 marked as packed, which cannot be");
  }
}

TEST_CASE("rows beside a damaged piece are read, changed and left alone as they are") {
  ForgedRig rig;
  const Bytes good = rig.frame(1);
  rig.set_frame(1, Bytes(packed::block_size, 1));
  Table table = rig.opened();
  auto scan = table.scan({});
  REQUIRE_OK(scan);
  std::vector<Row> rows, all;
  for (;;) {
    const auto some = scan->next(rows);
    if (!some)
      CHECK_EQ(some.error().words,
               "test/main/t, row 8192 (id = 8192), column n: the packed piece of rows 8192 to 16383 is "
               "damaged: it cannot be unpacked.");
    if (!some || !*some) break;
    all.insert(all.end(), rows.begin(), rows.end());
  }
  CHECK_EQ(all, packed_rows_from(0, 8192));
  std::uint64_t unreadable = 0;
  scan = table.scan({.backwards = true, .unreadable = [&](const UnreadableRow& row) -> Result<> {
                       ++unreadable;
                       CHECK_EQ(row.readable.size(), 3);
                       CHECK_EQ(row.problems.size(), 1);
                       return {};
                     }});
  REQUIRE_OK(scan);
  all.clear();
  while (scan->next(rows).value_or(false)) all.insert(all.end(), rows.begin(), rows.end());
  CHECK_EQ(unreadable, 8192);
  REQUIRE_EQ(all.size(), ForgedRig::rows - 8192);
  CHECK_EQ(all.front(), packed_row(ForgedRig::rows - 1));
  CHECK_EQ(all.back(), packed_row(0));

  // What would have to unpack it is refused, and changes nothing.
  CHECK_EQ(words_of(table.update({i64(9000)}, {{"n", i64(1)}, {"o", i64(1)}})),
           std::string(place) + "it cannot be unpacked.");
  CHECK_EQ(words_of(table.compress_column("n", false)), std::string(place) + "it cannot be unpacked.");
  CHECK_EQ(table.relation().columns[1].compressed, true);
  REQUIRE_OK(table.update({i64(100)}, {{"n", i64(1)}}));
  REQUIRE_OK(table.update({i64(9000)}, {{"x", Value::of(0.25)}}));
  rig.set_frame(1, good);
  CHECK_EQ(rows_of(rig.table, {.columns = {"o"}, .where = "id = 9000"}).at(0).at(0), packed_row(9000)[3]);
  CHECK_EQ(problems_of(rig.ground.link), "");
  // Who writes all of it does not need what was there.
  rig.set_frame(1, Bytes(packed::block_size, 1));
  std::int64_t id = 0;
  REQUIRE_OK(rig.opened().put_column("n", ForgedRig::rows, [&]() -> Result<Value> { return packed_row(id++)[1]; }));
  CHECK_EQ(rows_of(rig.table, {.columns = {"n"}, .where = "id = 9000"}).at(0).at(0), packed_row(9000)[1]);
  CHECK_EQ(problems_of(rig.ground.link), "");
}

}  // namespace
}  // namespace chimera::tables::testing
