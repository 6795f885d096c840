// Scans of one moment: whatever others do between their chunks, and however those end who have begun one.

#include "tables/moment.h"

#include <doctest/doctest.h>

#include <map>
#include <optional>
#include <random>

#include "tables/recording.h"
#include "tests/tables/table_rig.h"

namespace chimera::tables::testing {
namespace {

constexpr const char* moment_schema = "relation t = struct { id: i64, a: i64 indexed, body: string nullable } key (id)";

using Model = std::map<std::int64_t, Row>;

Row random_row(std::mt19937& random, std::int64_t id) {
  const std::size_t size = random() % 8 == 0 ? 300 + random() % 3000 : random() % 16;
  Value body = random() % 5 == 0 ? Value() : text(std::string(size, static_cast<char>('a' + random() % 26)));
  return {i64(id), i64(static_cast<std::int64_t>(random() % 50)), std::move(body)};
}

/// Another session, which changes rows and at times more than rows.
class Writer {
 public:
  Writer(MemoryGround& ground, Model& rows, unsigned seed)
      : link_(ground.machine), table_(*Table::open(link_, rig_table)), rows_(rows), random_(seed) {}

  void insert(std::size_t count) {
    std::vector<Row> rows;
    while (rows.size() < count) {
      const auto id = static_cast<std::int64_t>(random_() % 100000);
      if (rows_.contains(id)) continue;
      rows.push_back(rows_[id] = random_row(random_, id));
    }
    REQUIRE_OK(table_.insert(std::move(rows)));
  }
  void change_rows() {
    for (int n = 0; n < 20; ++n) {
      const auto at = std::next(rows_.begin(), static_cast<std::ptrdiff_t>(random_() % rows_.size()));
      if (n % 2 == 0) {
        at->second = random_row(random_, at->first);
        const Row& row = at->second;
        REQUIRE_OK(table_.update({row[0]}, {{"a", row[1]}, {"body", row[2]}}));
      } else {
        REQUIRE_OK(table_.remove({i64(at->first)}));
        rows_.erase(at);
      }
    }
    insert(20);
  }
  /// What gives devices other content, or puts others in their place.
  void change_all() {
    const auto what = random_() % 3;
    if (what == 0) {
      REQUIRE_OK(table_.compress_column("body", random_() % 2 == 0));
    } else if (what == 1) {
      REQUIRE_OK(table_.drop_index("a"));
      REQUIRE_OK(table_.add_index({"a", false, {"a"}}));
    } else {
      REQUIRE_OK(table_.truncate());
      rows_.clear();
      insert(40);
    }
  }

 private:
  links::SessionLink link_;
  Table table_;
  Model& rows_;
  std::mt19937 random_;
};

std::size_t moments_of(Link& link) {
  const auto moments = list_moments(link);
  REQUIRE_OK(moments);
  return moments->size();
}

Model model_of(const std::vector<Row>& rows) {
  Model model;
  for (const Row& row : rows) REQUIRE(model.emplace(row[0].as_signed(), row).second);
  return model;
}

TEST_CASE("a scan of one moment gives the rows of its begin, whatever others write between its chunks") {
  const unsigned seed = std::random_device()();
  CAPTURE(seed);
  std::mt19937 random(seed);
  TableRig rig(moment_schema);
  Model rows;
  Writer writer(rig.ground, rows, seed + 1);
  writer.insert(600);
  for (int turn = 0; turn < 12; ++turn) {
    CAPTURE(turn);
    const Model begin = rows;
    const char* const ways[] = {"rows", "key", "a", ""};
    auto scan = rig.table.scan({.along = ways[turn % 4], .backwards = random() % 2 == 0, .snapshot = true});
    REQUIRE_OK(scan);
    std::vector<Row> all, some;
    for (;;) {
      if (random() % 4 == 0) {
        writer.change_all();
      } else {
        writer.change_rows();
      }
      const auto more = scan->next(some);
      REQUIRE_OK(more);
      if (!*more) break;
      std::ranges::move(some, std::back_inserter(all));
    }
    REQUIRE(model_of(all) == begin);
    CHECK_EQ(moments_of(rig.ground.link), 0);
    const auto asked_again = scan->next(some);
    REQUIRE_OK(asked_again);
    CHECK_FALSE(*asked_again);
    while (rows.size() < 600) writer.insert(100);
  }
  CHECK(model_of(rows_of(rig.table)) == rows);
  CHECK_EQ(problems_of(rig.ground.link), "");
}

TEST_CASE("columns that change between learning the devices and cloning them are learnt again") {
  TableRig rig(moment_schema);
  REQUIRE_OK(rig.table.insert({{i64(1), i64(2), text("x")}}));
  links::SessionLink other(rig.ground.machine);
  auto changer = Table::open(other, rig_table);
  REQUIRE_OK(changer);
  int scripts = 0, column = 0;
  bool acts = false;
  WatchedLink link(rig.ground.machine, [&] {
    // Behind the first scripts of a scan: the list of what is left, and each attempt to clone.
    if (!acts || ++scripts > 6) return;
    types::Column added;
    added.name = "c" + std::to_string(++column);
    added.type = types::Type::of(types::Kind::i64);
    added.nullable = true;
    REQUIRE_OK(changer->add_column(added));
    if (column > 1) REQUIRE_OK(changer->drop_column("c" + std::to_string(column - 1)));
  });
  auto table = Table::open(link, rig_table);
  REQUIRE_OK(table);
  acts = true;
  const auto rows = rows_of(*table, {.snapshot = true});
  CHECK_GT(scripts, 6);
  REQUIRE_EQ(rows.size(), 1);
  CHECK_EQ(rows[0].size(), 4);
  CHECK_EQ(moments_of(rig.ground.link), 0);
}

/// A session whose computer may go away: from then on nothing is answered.
class MortalLink final : public Link {
 public:
  explicit MortalLink(vm::Machine& machine) : link_(std::in_place, machine) {}
  void die() { link_.reset(); }

  Result<> run(const Script& script, Answers& answers) override {
    if (link_) return link_->run(script, answers);
    return std::unexpected(Failure{Status::io_error, "It has gone."});
  }
  Ticket send(Script script) override { return link_->send(std::move(script)); }
  Result<> receive(Ticket ticket, Answers& answers) override { return link_->receive(ticket, answers); }

 private:
  std::optional<links::SessionLink> link_;
};

TEST_CASE("clones that somebody has left are deleted by the next scan of one moment, and those in use are not") {
  TableRig rig(moment_schema);
  REQUIRE_OK(rig.table.insert({{i64(1), i64(2), text("x")}, {i64(2), i64(3), text(std::string(100, 'y'))}}));
  MortalLink mortal(rig.ground.machine);
  links::SessionLink living(rig.ground.machine);
  auto theirs = Table::open(mortal, rig_table), others = Table::open(living, rig_table);
  auto left = theirs->scan({.snapshot = true}), in_use = others->scan({.snapshot = true}),
       ours = rig.table.scan({.snapshot = true});
  REQUIRE_OK(left);
  REQUIRE_OK(in_use);
  REQUIRE_OK(ours);
  CHECK_EQ(moments_of(rig.ground.link), 3);
  // A device that somebody has given such a name himself.
  const char* const names[] = {":moment/", ":moment/mine", ":moment/1234567g/a/b/c", ":moment/12345678x"};
  for (const char* const name : names) static_cast<void>(create_device(rig.ground.link, name));
  CHECK_EQ(moments_of(rig.ground.link), 3);
  REQUIRE_OK(rig.table.truncate());
  {
    // Whoever reads them all, a check perhaps, does not keep them from being deleted by who has made them.
    links::SessionLink reader(rig.ground.machine);
    const auto moments = list_moments(reader);
    for (const ListedMoment& moment : *moments) {
      for (const Uuid& device : moment.devices) {
        Script script;
        Answers answers;
        script.add(Program().read_length(device));
        REQUIRE_OK(reader.run(script, answers));
      }
    }
    mortal.die();
    // While somebody reads what has been left it stays.
    CHECK(rows_of(rig.table, {.snapshot = true}).empty());
    CHECK_EQ(moments_of(rig.ground.link), 3);
  }
  CHECK(rows_of(rig.table, {.snapshot = true}).empty());
  CHECK_EQ(moments_of(rig.ground.link), 2);
  std::vector<Row> some;
  for (Scan* const scan : {&*in_use, &*ours}) {
    REQUIRE_OK(scan->next(some));
    CHECK_EQ(some.size(), 2);
    REQUIRE_OK(scan->next(some));
  }
  CHECK_EQ(moments_of(rig.ground.link), 0);
  for (const char* const name : names) {
    Script script;
    Answers answers;
    script.add(Program().open_device(name));
    CHECK_MESSAGE(rig.ground.link.run(script, answers).has_value(), name);
  }
  // Given up before its end, and refused when the clones are there.
  CHECK_FALSE(rig.table.scan({.columns = {"nothing"}, .snapshot = true}).has_value());
  REQUIRE_OK(rig.table.scan({.snapshot = true}));
  CHECK_EQ(moments_of(rig.ground.link), 0);
}

/// Which cannot delete a device that nobody has open, the first time: as if that were damaged.
class FailingLink final : public Link {
 public:
  explicit FailingLink(vm::Machine& machine) : link_(machine) {}
  Result<> run(const Script& script, Answers& answers) override {
    for (const Script::Question& question : script.questions()) {
      if (has_failed || question.operation != Operation::delete_device) continue;
      has_failed = true;
      return std::unexpected(Failure{Status::corrupt, "It is damaged.", 1});
    }
    return link_.run(script, answers);
  }
  Ticket send(Script script) override { return link_.send(std::move(script)); }
  Result<> receive(Ticket ticket, Answers& answers) override { return link_.receive(ticket, answers); }
  bool has_failed = false;

 private:
  links::SessionLink link_;
};

TEST_CASE("clones that cannot be deleted keep nobody from his own scan, nor others from being deleted") {
  TableRig rig(moment_schema);
  REQUIRE_OK(rig.table.insert({{i64(1), i64(2), text("x")}}));
  MortalLink mortal(rig.ground.machine);
  auto theirs = Table::open(mortal, rig_table);
  auto one = theirs->scan({.snapshot = true}), two = theirs->scan({.snapshot = true});
  REQUIRE_OK(one);
  REQUIRE_OK(two);
  mortal.die();
  FailingLink link(rig.ground.machine);
  auto table = Table::open(link, rig_table);
  REQUIRE_OK(table);
  CHECK_EQ(rows_of(*table, {.snapshot = true}).size(), 1);
  CHECK(link.has_failed);
  CHECK_EQ(moments_of(rig.ground.link), 1);
  CHECK_EQ(rows_of(*table, {.snapshot = true}).size(), 1);
  CHECK_EQ(moments_of(rig.ground.link), 0);
}

TEST_CASE("a table whose names are as long as they may be has a moment too") {
  MemoryGround ground;
  const std::string part(60, 'n'), name = part + "/" + part + "/" + part;
  Table table =
      make_table(ground.link, "relation t = struct { id: i64, " + part + ": string external } key (id)", name);
  REQUIRE_OK(table.insert({{i64(1), text(std::string(1000, 'x'))}}));
  auto scan = table.scan({.snapshot = true});
  REQUIRE_OK(scan);
  REQUIRE_OK(table.truncate());
  CHECK_EQ(moments_of(ground.link), 1);
  std::vector<Row> rows;
  REQUIRE_OK(scan->next(rows));
  REQUIRE_EQ(rows.size(), 1);
  CHECK_EQ(rows[0][1].as_bytes(), std::string(1000, 'x'));
}

TEST_CASE("a scan of one moment that is only shown clones nothing") {
  TableRig rig(moment_schema);
  REQUIRE_OK(rig.table.insert({{i64(1), i64(2), text("x")}}));
  Recording recording(rig.ground.link);
  auto table = Table::open(recording, rig_table, {.explained = true});
  REQUIRE_OK(table);
  CHECK_EQ(rows_of(*table, {.snapshot = true}).size(), 1);
  CHECK_EQ(moments_of(rig.ground.link), 0);
  std::size_t changing = 0;
  for (const Script& script : recording.scripts()) changing += script.changes() ? 1 : 0;
  CHECK_EQ(changing, 2);
}

}  // namespace
}  // namespace chimera::tables::testing
