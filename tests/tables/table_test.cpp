// Tables on a machine with devices in memory: each operation by itself.

#include "tables/table.h"

#include <doctest/doctest.h>

#include <functional>
#include <utility>

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

TEST_CASE("many rows in several batches are all there, and many of them change and go") {
  TableRig rig("relation t = struct { id: i64, group: i32 indexed, name: string } key (id)");
  constexpr std::int64_t count = 100'000;
  std::vector<Row> rows;
  for (std::int64_t n = 0; n < count; ++n) {
    const std::int64_t id = n * 7919 % count;  // in an order of its own
    rows.push_back(
        {i64(id), Value::of(static_cast<std::int32_t>(id % 10)), text("the name of number " + std::to_string(id))});
  }
  std::uint64_t inserted = 0;
  REQUIRE_OK(rig.table.insert(std::move(rows), &inserted));
  CHECK_EQ(inserted, count);
  CHECK_EQ(*rig.table.count(), count);
  const auto sum = rig.table.aggregate("id", "group < 5");
  REQUIRE_OK(sum);
  CHECK_EQ(sum->rows, count / 2);
  CHECK_EQ(static_cast<std::int64_t>(sum->sum.as_signed()), 2'499'850'000);
  CHECK_EQ(*rig.table.update_where("group = 3", {{"name", text("three")}, {"group", Value::of(std::int32_t{30})}}),
           count / 10);
  CHECK_EQ(*rig.table.remove_where("id >= 50000 and group != 30"), count / 20 * 9);
  CHECK_EQ(rows_of(rig.table, {.columns = {"id"}, .where = "name = 'three'", .along = "group"}).size(), count / 10);
  CHECK_EQ(problems_of(rig.ground.link), "");
}

TEST_CASE("a session notices that a table was rolled back, also when as much has been changed since") {
  TableRig rig("relation t = struct { id: i64, name: string } key (id)");
  const std::string name(100, 'n');
  REQUIRE_OK(rig.table.insert({{i64(1), text(name)}}));
  const Snapshots snapshots = snapshots_of(rig.ground.link, rig.table);
  // What this session keeps in memory is of a history that ends here.
  links::SessionLink link(rig.ground.machine);
  auto other = Table::open(link, rig_table);
  REQUIRE_OK(other);
  REQUIRE_OK(other->insert({{i64(2), text(name)}}));
  roll_back(rig.ground.link, snapshots);
  // One change in either history; the new one's is by whoever comes next.
  links::SessionLink next(rig.ground.machine);
  auto third = Table::open(next, rig_table);
  REQUIRE_OK(third);
  REQUIRE_OK(third->insert({{i64(3), text(name)}}));
  CHECK_FALSE((**other->get({i64(3)})).empty());
  CHECK_FALSE(other->get({i64(2)})->has_value());
  REQUIRE_OK(other->insert({{i64(4), text(name)}}));
  CHECK_EQ(ids_of(rows_of(*third, {.along = "key"})), "1 3 4");
  CHECK_EQ(problems_of(rig.ground.link), "");
}

TEST_CASE("numbers of rows that have gone are used again") {
  TableRig rig("relation t = struct { id: i64 } key (id)");
  for (std::int64_t id = 0; id < 10; ++id) {
    REQUIRE_OK(rig.table.insert({{i64(id)}}));
    REQUIRE_OK(rig.table.remove({i64(id)}));
  }
  CHECK_EQ(rig.table.opened().header().tail, 1);
}

TEST_CASE("an operation that is always disturbed ends after as many tries as it may take") {
  TableRig rig("relation t = struct { id: i64 } key (id)");
  std::int64_t id = 0;
  WatchedLink link(rig.ground.machine, [&] { REQUIRE_OK(rig.table.insert({{i64(id++)}})); });
  auto table = Table::open(link, rig_table, {.most_tries = 4});
  REQUIRE_OK(table);
  const auto found = table->get({i64(-1)});
  REQUIRE_FALSE(found.has_value());
  CHECK_EQ(found.error().status, Status::conflict);
  CHECK_EQ(found.error().words,
           "Others have changed test/main/t at each of 4 tries: do it again when fewer of them do.");
  CHECK_LT(id, 20);
}

/// Somebody is always faster than a script of many instructions.
class Outrun final : public Link {
 public:
  Outrun(vm::Machine& machine, std::size_t most, std::function<void()> win)
      : link_(machine), most_(most), win_(std::move(win)) {}
  std::size_t races = 0;

  Result<> run(const Script& script, Answers& answers) override {
    if (script.size() > most_) ++races, win_();
    return link_.run(script, answers);
  }
  Ticket send(Script script) override { return link_.send(std::move(script)); }
  Result<> receive(Ticket ticket, Answers& answers) override { return link_.receive(ticket, answers); }

 private:
  links::SessionLink link_;
  std::size_t most_;
  std::function<void()> win_;
};

TEST_CASE("whoever changes many rows and loses every race with them does with fewer") {
  TableRig rig("relation t = struct { id: i64, state: i64 } key (id)");
  std::vector<Row> rows, changed;
  for (std::int64_t id = 0; id < 1000; ++id) rows.push_back({i64(id), i64(1)});
  for (std::int64_t id = 0; id < 1000; id += 2) changed.push_back({i64(id), i64(2)});
  REQUIRE_OK(rig.table.insert(std::move(rows)));
  std::int64_t state = 100;
  Outrun link(rig.ground.machine, 50, [&] { REQUIRE_OK(rig.table.update({i64(999)}, {{"state", i64(++state)}})); });
  auto table = Table::open(link, rig_table);
  REQUIRE_OK(table);
  REQUIRE_OK(table->upsert(std::move(changed)));
  CHECK_EQ(rows_of(rig.table, {.where = "state = 2"}).size(), 500);
  CHECK_GT(std::exchange(link.races, 0), 0);
  const auto updated = table->update_where("state = 2", {{"state", i64(3)}});
  REQUIRE_OK(updated);
  CHECK_EQ(*updated, 500);
  CHECK_GT(link.races, 0);
  CHECK_EQ(rows_of(rig.table, {.where = "state = 3"}).size(), 500);
}

/// Fails once when `begins_at()` says so, and has the columns changed behind the next script.
class Meddling final : public Link {
 public:
  explicit Meddling(Link& link) : link_(link) {}
  std::function<bool()> begins_at;
  std::function<void()> meddle;

  Result<> run(const Script& script, Answers& answers) override {
    if (step_ == 0 && begins_at && begins_at()) {
      ++step_;
      return std::unexpected(Failure{Status::not_found, "Something is missing."});
    }
    auto done = link_.run(script, answers);
    if (step_ == 1 && ++step_ == 2) meddle();
    return done;
  }
  Ticket send(Script script) override { return link_.send(std::move(script)); }
  Result<> receive(Ticket ticket, Answers& answers) override { return link_.receive(ticket, answers); }

 private:
  Link& link_;
  int step_ = 0;
};

TEST_CASE("a change of many rows that has begun is not begun again where columns change: it would count too few") {
  TableRig rig("relation t = struct { id: i64, state: i64 } key (id)");
  constexpr std::int64_t count = 5000;
  std::vector<Row> rows;
  for (std::int64_t id = 0; id < count; ++id) rows.push_back({i64(id), i64(1)});
  REQUIRE_OK(rig.table.insert(std::move(rows)));
  Meddling link(rig.ground.link);
  auto table = Table::open(link, rig_table);
  REQUIRE_OK(table);
  link.begins_at = [&] { return !rows_of(rig.table, {.where = "state = 2", .limit = 1}).empty(); };
  const types::Column more = relation_of("relation t = struct { more: i64 nullable }").columns[0];
  link.meddle = [&] { REQUIRE_OK(rig.table.add_column(more)); };
  const auto updated = table->update_where("state = 1", {{"state", i64(2)}});
  REQUIRE_FALSE(updated.has_value());
  CHECK_EQ(updated.error().words, "Something is missing.\nUp to then 2048 rows have been updated, and stay so.");
}

}  // namespace
}  // namespace chimera::tables::testing
