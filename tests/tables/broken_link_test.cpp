// Tables through a connection that breaks, again and again, before, amid and behind what is sent: everything happens
// once.

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "tables/blob_writer.h"
#include "tables/change.h"
#include "tables/filling.h"
#include "tables/moment.h"
#include "tables/value_appender.h"
#include "tests/tables/broken_line.h"
#include "tests/tables/table_rig.h"

namespace chimera::tables::testing {
namespace {

using Cut = CuttingProxy::Cut;
using Random = std::mt19937_64;

constexpr const char* log_name = "test/main/log";

/// A table with a key, and one without, where a row that is inserted twice is there twice.
class Model {
 public:
  Model(Link& link, std::uint64_t seed)
      : random_(seed), keyed_(make_table(link, keyed_schema)), log_(make_table(link, log_schema, log_name)) {}

  void operation() {
    const auto low = static_cast<std::int64_t>(random_() % 600), high = low + static_cast<std::int64_t>(random_() % 40);
    switch (random_() % 7) {
      case 0: return insert(1 + random_() % 60);
      case 1: return append(1 + random_() % 200);
      case 2: return upsert(1 + random_() % 30);
      case 3: {
        const auto value = static_cast<std::int64_t>(random_() % 50);
        const auto done = keyed_.update_where(between(low, high), {{"v", i64(value)}});
        REQUIRE_OK(done);
        REQUIRE_EQ(*done, each_between(low, high, [&](auto row) { row->second.first = value; }));
        return;
      }
      case 4: {
        const auto done = keyed_.remove_where(between(low, high));
        REQUIRE_OK(done);
        REQUIRE_EQ(*done, each_between(low, high, [](auto) {}));
        rows_.erase(rows_.lower_bound(low), rows_.upper_bound(high));
        return;
      }
      case 5: {
        const auto done = keyed_.remove({i64(low)});
        REQUIRE_OK(done);
        REQUIRE_EQ(*done, rows_.erase(low) == 1);
        return;
      }
      default: {
        const auto found = keyed_.get({i64(low)});
        REQUIRE_OK(found);
        const auto row = rows_.find(low);
        REQUIRE_EQ(found->has_value(), row != rows_.end());
        if (*found) REQUIRE_EQ((**found)[1].as_signed(), row->second.first);
        const auto count = log_.count();
        REQUIRE_OK(count);
        REQUIRE_EQ(*count, static_cast<std::uint64_t>(logged_));
      }
    }
  }

  void compare() {
    std::map<std::int64_t, std::pair<std::int64_t, std::string>> seen;
    for (const Row& row : rows_of(keyed_)) {
      seen[static_cast<std::int64_t>(row[0].as_signed())] = {static_cast<std::int64_t>(row[1].as_signed()),
                                                             std::string(row[2].as_bytes())};
    }
    REQUIRE(seen == rows_);
    std::int64_t next = 0;
    for (const Row& row : rows_of(log_)) REQUIRE_EQ(row[0].as_signed(), next++);
    REQUIRE_EQ(next, logged_);
  }

 private:
  static std::string between(std::int64_t low, std::int64_t high) {
    return "id between " + std::to_string(low) + " and " + std::to_string(high);
  }
  template <typename Do>
  std::uint64_t each_between(std::int64_t low, std::int64_t high, Do what) {
    std::uint64_t count = 0;
    for (auto row = rows_.lower_bound(low); row != rows_.end() && row->first <= high; ++row, ++count) what(row);
    return count;
  }
  Row make_row(std::int64_t id) {
    const auto value = static_cast<std::int64_t>(random_() % 50);
    const std::string body(random_() % 4 == 0 ? random_() % 3000 : random_() % 12, 'x');
    rows_[id] = {value, body};
    return {i64(id), i64(value), text(body)};
  }
  void insert(std::size_t count) {
    std::vector<Row> rows;
    for (std::int64_t id = static_cast<std::int64_t>(random_() % 600); rows.size() < count; ++id) {
      if (!rows_.contains(id)) rows.push_back(make_row(id));
    }
    std::uint64_t inserted = 0;
    REQUIRE_OK(keyed_.insert(std::move(rows), &inserted));
    REQUIRE_EQ(inserted, count);
  }
  void upsert(std::size_t count) {
    std::vector<Row> rows;
    const auto id = static_cast<std::int64_t>(random_() % 600);
    for (std::size_t i = 0; i < count; ++i) rows.push_back(make_row(id + static_cast<std::int64_t>(i)));
    REQUIRE_OK(keyed_.upsert(std::move(rows)));
  }
  void append(std::size_t count) {
    std::vector<Row> rows;
    while (rows.size() < count) rows.push_back({i64(logged_++)});
    REQUIRE_OK(log_.insert(std::move(rows)));
  }

  Random random_;
  Table keyed_, log_;
  std::map<std::int64_t, std::pair<std::int64_t, std::string>> rows_;
  std::int64_t logged_ = 0;
};

Cut random_cut(Random& random) {
  Cut cut;
  cut.side = random() % 3 == 0 ? Cut::Side::answers : Cut::Side::requests;
  // Answers are short; requests have all sizes.
  cut.after = cut.side == Cut::Side::answers ? random() % 120 : random() % (std::size_t{1} << (4 + random() % 11));
  if (cut.side == Cut::Side::requests) {
    constexpr Cut::Rest rests[] = {Cut::Rest::is_lost, Cut::Rest::comes_before, Cut::Rest::comes_behind};
    cut.rest = rests[random() % 3];
  }
  return cut;
}

std::string content(std::size_t size) {
  std::string bytes;
  for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>('a' + (i * i + i / 251) % 26);
  return bytes;
}

}  // namespace

TEST_CASE("whatever a connection breaks amid happens once") {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    CAPTURE(seed);
    Line line;
    const auto link = line.connect();
    Model model(*link, seed);
    Random random(seed);
    for (int turn = 0; turn < 300; ++turn) {
      CAPTURE(turn);
      if (random() % 2 == 0) line.proxy->cut(random_cut(random));
      model.operation();
    }
    model.compare();
    CHECK_GT(line.proxy->cuts(), 90);
    Script script;
    Answers answers;
    script.add(Program().list_devices(":", {}, 10));
    REQUIRE_OK(link->run(script, answers));
    CHECK(devices_of(answers[0]).empty());
  }
}

TEST_CASE("also where the server is started again meanwhile") {
  Line line(Line::Store::in_file);
  const auto link = line.connect();
  Model model(*link, 5);
  Random random(5);
  for (int turn = 0; turn < 60; ++turn) {
    CAPTURE(turn);
    if (turn % 3 == 0) {
      Cut cut = random_cut(random);
      cut.rest = Cut::Rest::is_lost;
      cut.meanwhile = [&line] { line.restart(); };
      line.proxy->cut(std::move(cut));
    }
    model.operation();
  }
  model.compare();
  CHECK_GT(line.proxy->cuts(), 12);
}

TEST_CASE("what has happened is not done again, what has not is") {
  Line line;
  const auto link = line.connect();
  Table log = make_table(*link, log_schema);
  // The answer to a commit is cut off; then all that was sent; then a part of the rows.
  const auto insert = [&](Cut cut) {
    line.proxy->cut(std::move(cut));
    REQUIRE_OK(log.insert(std::vector<Row>(5000, Row{i64(7)})));
  };
  insert({.side = Cut::Side::answers, .after = 0});
  insert({.side = Cut::Side::requests, .after = 0});
  insert({.side = Cut::Side::requests, .after = 20'000});
  for (const auto rest : {Cut::Rest::comes_before, Cut::Rest::comes_behind}) {
    insert({.side = Cut::Side::requests, .after = 20'000, .rest = rest});
  }
  CHECK_EQ(line.proxy->cuts(), 5);
  const auto count = log.count();
  REQUIRE_OK(count);
  CHECK_EQ(*count, 25'000);
}

TEST_CASE("a long value comes whole through a connection that breaks") {
  const std::string whole = content(300'000);
  for (const bool restarts : {false, true}) {
    CAPTURE(restarts);
    Line line(restarts ? Line::Store::in_file : Line::Store::in_memory);
    const auto link = line.connect();
    static_cast<void>(make_table(*link, keyed_schema));
    TableOptions options;
    options.blob_piece_bytes = 10'000;
    auto table = Table::open(*link, rig_table, options);
    REQUIRE_OK(table);
    REQUIRE_OK(table->insert({{i64(1), i64(1), text("")}}));
    Random random(restarts);
    for (int turn = 0; turn < (restarts ? 4 : 25); ++turn) {
      CAPTURE(turn);
      auto writer = BlobWriter::begin(*table, {i64(1)}, "body");
      REQUIRE_OK(writer);
      const std::string now = whole.substr(static_cast<std::size_t>(turn));
      for (std::size_t at = 0; at < now.size(); at += 20'000) {
        if (random() % 5 == 0) {
          Cut cut = random_cut(random);
          if (restarts) cut.rest = Cut::Rest::is_lost, cut.meanwhile = [&line] { line.restart(); };
          line.proxy->cut(std::move(cut));
        }
        REQUIRE_OK(writer->add(bytes_of(now.substr(at, 20'000))));
      }
      REQUIRE_OK(writer->finish());
      const auto row = table->get({i64(1)});
      REQUIRE_OK(row);
      REQUIRE((**row)[2].as_bytes() == now);
    }
    CHECK_GT(line.proxy->cuts(), restarts ? 3 : 30);
  }
}

TEST_CASE("what is appended piece by piece is there once, in its order, through a connection that breaks") {
  const std::string whole = content(200'000);
  for (const bool restarts : {false, true}) {
    CAPTURE(restarts);
    Line line(restarts ? Line::Store::in_file : Line::Store::in_memory);
    const auto link = line.connect();
    Table table = make_table(*link, keyed_schema);
    Random random(restarts);
    for (std::int64_t turn = 0; turn < (restarts ? 4 : 12); ++turn) {
      CAPTURE(turn);
      REQUIRE_OK(table.insert({{i64(turn), i64(1), turn % 2 == 0 ? text("") : Value()}}));
      ValueAppender appender(table, {i64(turn)}, "body");
      for (std::size_t at = 0; at < whole.size(); at += 10'000) {
        if (random() % 6 == 0) {
          Cut cut = random_cut(random);
          if (restarts) cut.rest = Cut::Rest::is_lost, cut.meanwhile = [&line] { line.restart(); };
          line.proxy->cut(std::move(cut));
        }
        const std::string piece = whole.substr(at, 10'000);
        REQUIRE_OK(appender.add({piece.begin(), piece.end()}));
      }
      REQUIRE_OK(appender.settle());
      CHECK_EQ(appender.written(), whole.size());
      const auto row = table.get({i64(turn)});
      REQUIRE_OK(row);
      REQUIRE((**row)[2].as_bytes() == whole);
    }
    CHECK_GT(line.proxy->cuts(), restarts ? 5 : 15);
    CHECK_EQ(problems_of(*link), "");
  }
}

TEST_CASE("whoever is putting a long value is there still when his connection is another one") {
  Line line;
  const auto link = line.connect();
  static_cast<void>(make_table(*link, keyed_schema));
  TableOptions options;
  options.blob_piece_bytes = 10'000;
  auto table = Table::open(*link, rig_table, options);
  REQUIRE_OK(table);
  REQUIRE_OK(table->insert({{i64(1), i64(1), text("")}, {i64(2), i64(1), text("")}}));
  auto writer = BlobWriter::begin(*table, {i64(1)}, "body");
  REQUIRE_OK(writer);
  const std::string whole = content(100'000);
  REQUIRE_OK(writer->add(bytes_of(whole)));
  line.proxy->cut({});
  REQUIRE_OK(table->count());
  CHECK_EQ(line.proxy->cuts(), 1);
  // Takes away what somebody has left who is gone.
  const auto other = line.connect_past_proxy();
  auto others = Table::open(*other, rig_table, options);
  REQUIRE_OK(others);
  auto others_writer = BlobWriter::begin(*others, {i64(2)}, "body");
  REQUIRE_OK(others_writer);
  REQUIRE_OK(others_writer->add(bytes_of(whole)));
  REQUIRE_OK(others_writer->finish());
  REQUIRE_OK(writer->finish());
  const auto row = table->get({i64(1)});
  REQUIRE_OK(row);
  CHECK((**row)[2].as_bytes() == whole);
}

TEST_CASE("a column that is filled beforehand is begun again where something of it may come late") {
  Line line;
  const auto link = line.connect();
  static_cast<void>(make_table(*link, keyed_schema));
  const std::vector<std::uint8_t> entry(8, 0xAB);
  Filling filling(*link, rig_table);
  REQUIRE_OK(filling.fill(entry, 10));
  const Uuid before = filling.device();
  line.proxy->cut({.after = 5000});
  const auto done = filling.fill(entry, 10'000);
  REQUIRE_FALSE(done.has_value());
  CHECK(is_lost_race(done.error()));
  REQUIRE_OK(filling.fill(entry, 10'000));
  CHECK(filling.device() != before);
  CHECK_EQ(filling.rows(), 10'000);
}

TEST_CASE("a column that is filled beforehand is whole although the server is killed behind it") {
  Line line(Line::Store::in_file_to_be_killed);
  const auto link = line.connect();
  Table log = make_table(*link, log_schema);
  const std::vector<std::uint8_t> entry(8, 0xAB);
  Filling filling(*link, rig_table);
  REQUIRE_OK(filling.fill(entry, 10'000));
  // So that the device is there whatever is lost.
  REQUIRE_OK(log.insert({{i64(1)}}));
  // So little that nobody writes it before somebody waits for it.
  REQUIRE_OK(filling.fill(entry, 10'100));
  line.proxy->cut({.meanwhile = [&line] { line.kill_and_restart(); }});
  const auto there = filling.is_there();
  REQUIRE_OK(there);
  CHECK_EQ(line.proxy->cuts(), 1);
  REQUIRE(*there);
  REQUIRE_EQ(filling.rows(), 10'100);
  Script script;
  Answers answers;
  script.read_bytes(filling.device(), 0, 80'800);
  REQUIRE_OK(link->run(script, answers));
  CHECK(std::ranges::all_of(answers.bytes(0), [](std::uint8_t byte) { return byte == 0xAB; }));
}

TEST_CASE("a scan of one moment goes on, and leaves nothing") {
  Line line;
  const auto link = line.connect();
  Table log = make_table(*link, log_schema);
  std::vector<Row> rows;
  for (std::int64_t n = 0; n < 100'000; ++n) rows.push_back({i64(n)});
  REQUIRE_OK(log.insert(rows));
  Random random(7);
  for (int turn = 0; turn < 20; ++turn) {
    CAPTURE(turn);
    Cut cut = random_cut(random);
    cut.after *= turn % 2 == 0 ? 1 : 50;
    line.proxy->cut(std::move(cut));
    REQUIRE_EQ(rows_of(log, {.snapshot = true}).size(), rows.size());
  }
  CHECK_GT(line.proxy->cuts(), 10);
  auto moment = Moment::take(log);
  REQUIRE_OK(moment);
  line.proxy->cut({});
  REQUIRE_OK((*moment)->end());
  const auto moments = list_moments(*link);
  REQUIRE_OK(moments);
  CHECK(moments->empty());
}

}  // namespace chimera::tables::testing
