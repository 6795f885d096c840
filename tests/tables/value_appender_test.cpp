// Long values that get longer: pieces go ahead of the answers to others, in their order whatever others do meanwhile,
// and are halved where a transaction of the store is too small for them.

#include "tables/value_appender.h"

#include <doctest/doctest.h>

#include <limits>

#include "io/seeded_random.h"
#include "isa/utf8.h"
#include "tables/blob_writer.h"
#include "tables/table_header.h"
#include "tests/tables/narrow_link.h"
#include "tests/tables/table_rig.h"

namespace chimera::tables::testing {
namespace {

constexpr std::string_view schema =
    "relation t = struct { id: i64, data: blob nullable, words: string nullable, what: function nullable } key (id)";

struct Rig {
  Rig() : link(ground.machine), table(make_table(link, schema)) {
    REQUIRE_OK(table.insert({{i64(1), Value(), Value(), Value()}, {i64(2), Value::blob("two"), text("two"), Value()}}));
  }
  [[nodiscard]] std::string read(std::int64_t id, const char* column) {
    std::string all;
    for (;;) {
      const auto bytes = table.read_value({i64(id)}, column, all.size(), Table::most_value_bytes);
      REQUIRE_OK(bytes);
      if (bytes->empty()) return all;
      all.append(bytes->begin(), bytes->end());
    }
  }

  MemoryGround ground;
  NarrowLink link;
  Table table;
};

std::string content(std::uint64_t seed, std::size_t size) {
  io::SeededRandom random(seed);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random.next());
  return bytes;
}

PiecesUnderWay::Bytes piece_of(std::string_view text) { return {text.begin(), text.end()}; }

TEST_CASE("what is appended goes ahead of the answers, nothing is read between, and all of it is there") {
  Rig rig;
  const std::string all = content(1, 300'000);
  rig.link.committed = 0;
  {
    ValueAppender appender(rig.table, {i64(2)}, "data");
    REQUIRE_OK(appender.add(piece_of(all.substr(0, 10'000))));
    rig.link.waits = 0;
    for (std::size_t at = 10'000; at < all.size(); at += 10'000) {
      REQUIRE_OK(appender.add(piece_of(all.substr(at, 10'000))));
      CHECK_GE(at + 10'000, appender.written());
    }
    CHECK_EQ(rig.link.waits, 0);
    CHECK_EQ(rig.link.most_under_way, PiecesUnderWay::most_under_way);
    CHECK_GT(appender.written(), 200'000);
    REQUIRE_OK(appender.settle());
    CHECK_EQ(appender.written(), all.size());
  }
  CHECK_EQ(rig.link.committed, 30);
  CHECK((rig.read(2, "data") == "two" + all));
  CHECK_EQ(problems_of(rig.link), "");
}

TEST_CASE("what does not fit a transaction is halved, put or appended, of texts between characters") {
  Rig rig;
  rig.link.most_bytes = 30'000;
  std::string words;
  for (int i = 0; words.size() < 200'000; ++i) words += i % 3 == 0 ? "€" : "aß";
  {
    ValueAppender appender(rig.table, {i64(1)}, "words");
    REQUIRE_OK(appender.add(piece_of(words.substr(0, 120'000 - cut_off_at_end(words.substr(0, 120'000))))));
    const std::string rest = words.substr(120'000 - cut_off_at_end(words.substr(0, 120'000)));
    REQUIRE_OK(appender.add(piece_of(rest)));
    REQUIRE_OK(appender.settle());
    CHECK_EQ(appender.written(), words.size());
  }
  CHECK((rig.read(1, "words") == words));
  // The first was tried as a whole; what comes behind it comes as small at once.
  CHECK_LT(rig.link.refused, 8);
  const std::string all = content(2, 500'000);
  auto table = Table::open(rig.link, rig_table, {.blob_piece_bytes = 100'000});
  REQUIRE_OK(table);
  for (const std::size_t size : {450'000u, 99'000u, 500'000u}) {
    auto writer = BlobWriter::begin(*table, {i64(2)}, "data");
    REQUIRE_OK(writer);
    REQUIRE_OK(writer->add(bytes_of(all).first(size)));
    REQUIRE_OK(writer->finish());
    CHECK((rig.read(2, "data") == all.substr(0, size)));
    CHECK_EQ(problems_of(rig.link), "");
  }
  // A row whose transaction has no bytes of the value at all still has to fit.
  rig.link.most_bytes = 100;
  ValueAppender appender(rig.table, {i64(2)}, "data");
  auto done = appender.add(piece_of(all));
  if (done) done = appender.settle();
  REQUIRE(!done.has_value());
  CHECK_EQ(done.error().status, Status::too_large);
  CHECK_EQ(appender.written(), 0);
  rig.link.most_bytes = std::numeric_limits<std::size_t>::max();
  CHECK((rig.read(2, "data") == all));
  CHECK_EQ(problems_of(rig.link), "");
}

TEST_CASE("pieces keep their order while others change the table, and end where they may not go on") {
  Rig rig;
  links::SessionLink other_link(rig.ground.machine);
  auto other = Table::open(other_link, rig_table);
  REQUIRE_OK(other);
  io::SeededRandom random(3);
  std::string model = "two";
  for (int round = 0; round < 20; ++round) {
    ValueAppender appender(rig.table, {i64(2)}, "data");
    std::string ours;
    for (std::uint64_t pieces = 1 + random.below(12); pieces-- > 0;) {
      const std::string piece(1 + random.below(5000), static_cast<char>('a' + random.below(26)));
      REQUIRE_OK(appender.add(piece_of(piece)));
      ours += piece;
      if (random.chance(25)) REQUIRE_OK(other->update({i64(1)}, {{"words", text(std::to_string(round))}}));
      if (random.chance(10)) REQUIRE_OK(other->append_value({i64(1)}, "data", bytes_of("x")));
    }
    REQUIRE_OK(appender.settle());
    model += ours;
    REQUIRE((rig.read(2, "data") == model));
  }
  CHECK_EQ(problems_of(rig.link), "");
  ValueAppender appender(rig.table, {i64(2)}, "data");
  REQUIRE_OK(appender.add(piece_of("now")));
  REQUIRE_OK(appender.settle());
  REQUIRE_OK(other->mark({i64(2)}, row_state::locked, 0));
  auto late = appender.add(piece_of("too late"));
  if (late) late = appender.settle();
  REQUIRE(!late.has_value());
  CHECK_EQ(late.error().status, Status::denied);
  CHECK_EQ(appender.written(), 3);
  CHECK((rig.read(2, "data") == model + "now"));
  ValueAppender nowhere(rig.table, {i64(7)}, "data");
  CHECK_EQ(nowhere.add(piece_of("x")).error().status, Status::not_found);
  ValueAppender wrong(rig.table, {i64(1)}, "words");
  CHECK_EQ(wrong.add(piece_of("\xff")).error().status, Status::bad_text);
  ValueAppender half(rig.table, {i64(1)}, "what");
  CHECK_EQ(half.add(piece_of("\x12")).error().status, Status::bad_text);
  CHECK_EQ(half.written(), 0);
  // A function gets longer as a whole: many `sync`.
  REQUIRE_OK(half.add(piece_of("\xfb\xfb")));
  REQUIRE_OK(half.add(piece_of("\xfb")));
  CHECK_EQ(half.written(), 3);
  CHECK((rig.read(1, "what") == "\xfb\xfb\xfb"));
}

TEST_CASE("a change of a table that is read-only is neither committed nor sent") {
  Rig rig;
  const auto open = open_table(rig.link, false, std::string(rig_table));
  REQUIRE_OK(open);
  const TableHeader before = (*open)->header();
  (*open)->is_read_only = true;
  Change sent(rig.link, false), committed(rig.link, false);
  sent.join(**open);
  const auto ticket = sent.send();
  REQUIRE(!ticket.has_value());
  CHECK_EQ(ticket.error().status, Status::denied);
  committed.join(**open);
  const auto done = committed.commit();
  REQUIRE(!done.has_value());
  CHECK_EQ(done.error().status, Status::denied);
  CHECK_EQ(read_header(**open)->version, before.version);
}

}  // namespace
}  // namespace chimera::tables::testing
