// Indexes that come and go while there are rows, and while others change them.

#include <doctest/doctest.h>

#include <functional>
#include <optional>
#include <utility>

#include "tables/open_table.h"
#include "tests/tables/table_rig.h"

namespace chimera::tables::testing {
namespace {

constexpr std::string_view schema = "relation t = struct { id: i64, name: string, n: i64 nullable } key (id)";
constexpr std::int64_t count = 1000;
const TableOptions in_pieces{.most_rows_entered = 64};

std::string name_of(std::int64_t id) { return "a name that is too long for a slot " + std::to_string(id * 7 % count); }

void fill(Table& table) {
  std::vector<Row> rows;
  for (std::int64_t id = 0; id < count; ++id) rows.push_back({i64(id), text(name_of(id)), i64(id % 10)});
  REQUIRE_OK(table.insert(std::move(rows)));
}

Table open_table(Link& link, const TableOptions& options = {}) {
  auto table = Table::open(link, rig_table, options);
  REQUIRE_OK(table);
  return std::move(*table);
}

std::size_t devices_of_table(Link& link) {
  Script script;
  Answers answers;
  script.add(Program().list_devices("test/", {}, 100));
  REQUIRE_OK(link.run(script, answers));
  return devices_of(answers[0]).size();
}

TEST_CASE("while an index is added others insert, update and delete rows in front of it and behind") {
  for (const bool unique : {false, true}) {
    TableRig rig(schema);
    fill(rig.table);
    std::int64_t step = 0;
    unsigned scripts = 0, unfinished = 0;
    std::optional<Table> other = open_table(rig.ground.link);
    // Whoever loses every race gives up.
    WatchedLink link(rig.ground.machine, [&] {
      if (++scripts % 17 != 0) return;
      ++step;
      const std::int64_t early = step * 3, late = count - step * 4;
      REQUIRE_OK(other->insert({{i64(count + step), text("new " + std::to_string(step)), Value()}}));
      REQUIRE_OK(other->update({i64(early)}, {{"name", text("changed " + std::to_string(step))}}));
      REQUIRE_OK(other->update({i64(late)}, {{"name", text("changed too " + std::to_string(step))}}));
      REQUIRE_OK(other->remove({i64(early + 1)}));
      REQUIRE_OK(other->remove({i64(late + 1)}));
      if (!other->opened().shape().wanted) return;
      ++unfinished;
      CHECK_FALSE(other->scan({.along = "by_name"}).has_value());
      CHECK_EQ(problems_of(rig.ground.link), "");
    });
    Table adding = open_table(link, in_pieces);
    REQUIRE_OK(adding.add_index({"by_name", unique, {"name", "n"}}));
    CHECK_GT(unfinished, 3);
    CHECK_EQ(adding.relation().all_indexes().size(), 1);
    CHECK_EQ(problems_of(rig.ground.link), "");
    CHECK_EQ(rig.ids("by_name", "name = 'changed 2'"), "6");
    CHECK_EQ(rig.ids("by_name", "name = '" + name_of(500) + "'"), "500");
    if (unique) {
      const auto again = rig.table.insert({{i64(-1), text(name_of(500)), i64(0)}});
      REQUIRE_FALSE(again.has_value());
      CHECK_EQ(again.error().status, Status::exists);
    }
    REQUIRE_OK(other->drop_index("by_name"));
    const auto scan = other->scan({.along = "by_name"});
    REQUIRE_FALSE(scan.has_value());
    CHECK_EQ(scan.error().status, Status::not_found);
    CHECK_EQ(problems_of(rig.ground.link), "");
  }
}

TEST_CASE("a column of its own says that it is indexed, and the schema can be read again") {
  TableRig rig(schema);
  fill(rig.table);
  const std::size_t before = devices_of_table(rig.ground.link);
  REQUIRE_OK(rig.table.add_index({"n", false, {"n"}}));
  CHECK(rig.table.relation().columns[2].indexed);
  CHECK_EQ(rows_of(rig.table, {.where = "n = 3", .along = "n"}).size(), count / 10);
  const auto refused = [&](const NewIndex& index) { return rig.table.add_index(index).error().status; };
  CHECK_EQ(refused({"n", false, {"n"}}), Status::exists);
  CHECK_EQ(refused({"x", false, {"y"}}), Status::not_found);
  CHECK_EQ(refused({"x", false, {}}), Status::bad_text);
  CHECK_EQ(refused({"x", false, {"n", "n"}}), Status::bad_text);
  CHECK_EQ(refused({"key", false, {"n"}}), Status::bad_text);
  CHECK_EQ(refused({"1", false, {"n"}}), Status::bad_text);
  CHECK_EQ(rig.table.drop_index("key").error().status, Status::denied);
  CHECK_EQ(rig.table.drop_index("name").error().status, Status::not_found);
  REQUIRE_OK(rig.table.drop_index("n"));
  CHECK_FALSE(rig.table.relation().columns[2].indexed);
  CHECK_EQ(devices_of_table(rig.ground.link), before);
}

TEST_CASE("a unique index that finds two rows tells them and leaves nothing") {
  TableRig rig(schema);
  fill(rig.table);
  REQUIRE_OK(rig.table.update({i64(990)}, {{"name", text(name_of(3))}}));
  const std::size_t before = devices_of_table(rig.ground.link);
  const std::string relation = types::print(rig.table.relation());
  for (const std::uint64_t at_once : {64, 100'000}) {
    Table adding = open_table(rig.ground.link, {.most_rows_entered = at_once});
    const auto added = adding.add_index({"name", true, {"name"}});
    REQUIRE_FALSE(added.has_value());
    CHECK_EQ(added.error().status, Status::exists);
    CHECK(added.error().words.ends_with("in row (id = 3) and in row (id = 990)."));
    CHECK_EQ(devices_of_table(rig.ground.link), before);
    CHECK_EQ(types::print(adding.relation()), relation);
    CHECK_EQ(problems_of(rig.ground.link), "");
  }
  // So does a value that is too long for a key.
  REQUIRE_OK(rig.table.update({i64(990)}, {{"name", text(std::string(2000, 'x'))}}));
  Table adding = open_table(rig.ground.link, in_pieces);
  const auto added = adding.add_index({"name", true, {"name"}});
  REQUIRE_FALSE(added.has_value());
  CHECK(added.error().words.starts_with("row (id = 990)"));
  CHECK_EQ(devices_of_table(rig.ground.link), before);
}

TEST_CASE("what a refused index leaves is dropped, and not what somebody else has made of it meanwhile") {
  TableRig rig(schema);
  fill(rig.table);
  REQUIRE_OK(rig.table.update({i64(990)}, {{"name", text(name_of(3))}}));
  // Behind the last look at the table, after which what there is of the index goes.
  class ConfirmedLink final : public Link {
   public:
    ConfirmedLink(vm::Machine& machine, std::function<void()> confirmed)
        : link_(machine), confirmed_(std::move(confirmed)) {}
    Result<> run(const Script& script, Answers& answers) override {
      auto done = link_.run(script, answers);
      const auto checks = [](const auto& question) { return question.operation == Operation::check_bytes; };
      if (done && std::ranges::all_of(script.questions(), checks)) confirmed_();
      return done;
    }
    Ticket send(Script script) override { return link_.send(std::move(script)); }
    Result<> receive(Ticket ticket, Answers& answers) override { return link_.receive(ticket, answers); }

   private:
    links::SessionLink link_;
    std::function<void()> confirmed_;
  };
  const NewIndex wanted{"name", true, {"name"}};
  unsigned times = 0;
  const auto refuse = [&](const std::function<void(Table&)>& meanwhile) {
    std::optional<Table> other = open_table(rig.ground.link);
    ConfirmedLink link(rig.ground.machine, [&] {
      if (!open_table(rig.ground.link).opened().shape().wanted) return;
      ++times;
      meanwhile(*other);
    });
    Table adding = open_table(link, in_pieces);
    CHECK_EQ(adding.add_index(wanted).error().status, Status::exists);
    CHECK_EQ(problems_of(rig.ground.link), "");
  };
  SUBCASE("whole, since the second row has gone") {
    refuse([&](Table& other) {
      REQUIRE_OK(other.remove({i64(990)}));
      REQUIRE_OK(other.add_index(wanted));
    });
    CHECK_EQ(rig.ids("name", "name = '" + name_of(3) + "'"), "3");
  }
  SUBCASE("begun anew") {
    refuse([&](Table& other) {
      REQUIRE_OK(other.drop_index("name"));
      EndingLink link(rig.ground.machine, 20);
      Table begins = open_table(link, in_pieces);
      CHECK_EQ(begins.add_index(wanted).error().status, Status::io_error);
    });
    CHECK(open_table(rig.ground.link).opened().shape().wanted.has_value());
  }
  CHECK_EQ(times, 1);
}

/// Does something behind the first script.
class HookedOnceLink final : public Link {
 public:
  HookedOnceLink(vm::Machine& machine, std::function<void()> then) : link_(machine), then_(std::move(then)) {}
  Result<> run(const Script& script, Answers& answers) override {
    auto done = link_.run(script, answers);
    if (then_) std::exchange(then_, {})();
    return done;
  }
  Ticket send(Script script) override { return link_.send(std::move(script)); }
  Result<> receive(Ticket ticket, Answers& answers) override { return link_.receive(ticket, answers); }

 private:
  links::SessionLink link_;
  std::function<void()> then_;
};

TEST_CASE("an index that is half added is kept up to date, finished, or dropped") {
  TableRig rig(schema);
  fill(rig.table);
  const std::size_t before = devices_of_table(rig.ground.link);
  {
    EndingLink link(rig.ground.machine, 20);
    Table adding = open_table(link, in_pieces);
    CHECK_EQ(adding.add_index({"n", false, {"n"}}).error().status, Status::io_error);
  }
  CHECK_EQ(devices_of_table(rig.ground.link), before + 1);
  REQUIRE_OK(rig.table.remove({i64(5)}));
  REQUIRE_OK(rig.table.remove({i64(900)}));
  CHECK_EQ(problems_of(rig.ground.link), "");
  CHECK_EQ(rig.table.rename_column("n", "m").error().status, Status::denied);
  CHECK_EQ(rig.table.add_index({"name", false, {"name"}}).error().status, Status::denied);
  SUBCASE("finished") {
    REQUIRE_OK(rig.table.add_index({"n", false, {"n"}}));
    CHECK_EQ(rows_of(rig.table, {.where = "n = 0", .along = "n"}).size(), count / 10 - 1);
    CHECK_EQ(problems_of(rig.ground.link), "");
  }
  SUBCASE("finished when it is empty") {
    REQUIRE_OK(rig.table.truncate());
    REQUIRE_OK(rig.table.insert({{i64(1), text("a"), i64(5)}}));
    REQUIRE_OK(rig.table.add_index({"n", false, {"n"}}));
    CHECK_EQ(rig.ids("n"), "1");
    CHECK_EQ(problems_of(rig.ground.link), "");
  }
  SUBCASE("dropped") {
    REQUIRE_OK(rig.table.drop_index("n"));
    CHECK_EQ(devices_of_table(rig.ground.link), before);
    REQUIRE_OK(rig.table.rename_column("n", "m"));
  }
  SUBCASE("with an entry too many") {
    Script script;
    Answers answers;
    script.write_metadata_bytes(rig.table.opened().shape().header, 7, std::vector<std::uint8_t>{0});
    REQUIRE_OK(rig.ground.link.run(script, answers));
    CHECK(problems_of(rig.ground.link).contains("the index that is being added has "));
  }
  SUBCASE("finished while somebody opens the table") {
    HookedOnceLink link(rig.ground.machine, [&] { REQUIRE_OK(rig.table.add_index({"n", false, {"n"}})); });
    Table table = open_table(link);
    CHECK_FALSE(table.opened().shape().wanted.has_value());
    CHECK_EQ(rows_of(table, {.where = "n = 0", .along = "n"}).size(), count / 10 - 1);
  }
  SUBCASE("gone with its table") {
    REQUIRE_OK(Catalogue(rig.ground.link).drop_table(rig_table));
    CHECK_EQ(devices_of_table(rig.ground.link), 0);
  }
}

TEST_CASE("a device that somebody has named behind a table is not taken for an index of it") {
  TableRig rig(schema);
  static_cast<void>(create_device(rig.ground.link, std::string(rig_table) + ":what"));
  CHECK_FALSE(open_table(rig.ground.link).opened().shape().wanted.has_value());
}

TEST_CASE("while an index is half added a column is not dropped, and keeps its values") {
  TableRig rig("relation t = struct { id: i64, name: string nullable, n: i64 nullable } key (id)");
  fill(rig.table);
  for (const char* const indexed : {"n", "name"}) {
    CAPTURE(indexed);
    {
      EndingLink link(rig.ground.machine, 20);
      Table adding = open_table(link, in_pieces);
      CHECK_EQ(adding.add_index({indexed, false, {indexed}}).error().status, Status::io_error);
    }
    CHECK_EQ(rig.table.drop_column("name").error().status, Status::denied);
    const auto row = rig.table.get({i64(7)});
    REQUIRE_OK(row);
    CHECK((**row)[1] == text(name_of(7)));
    CHECK_EQ(problems_of(rig.ground.link), "");
    REQUIRE_OK(rig.table.drop_index(indexed));
  }
  REQUIRE_OK(rig.table.drop_column("name"));
  CHECK_EQ(problems_of(rig.ground.link), "");
}

TEST_CASE("a handle whose look at the new columns failed does not go on with the old ones") {
  TableRig rig("relation t = struct { id: i64, name: string indexed } key (id) index other (id, name)");
  unsigned failures = 0;
  class FailingLink final : public Link {
   public:
    FailingLink(vm::Machine& machine, unsigned& failures) : link_(machine), failures_(failures) {}
    Result<> run(const Script& script, Answers& answers) override {
      if (failures_ > 0 && !script.changes()) {
        --failures_;
        return std::unexpected(Failure{Status::io_error, "Not now."});
      }
      return link_.run(script, answers);
    }
    Ticket send(Script script) override { return link_.send(std::move(script)); }
    Result<> receive(Ticket ticket, Answers& answers) override { return link_.receive(ticket, answers); }

   private:
    links::SessionLink link_;
    unsigned& failures_;
  } failing(rig.ground.machine, failures);
  Table table = open_table(failing);
  failures = 1;
  REQUIRE_OK(table.add_column(relation_of("relation m = struct { more: i64 nullable }").columns[0]));
  CHECK_EQ(failures, 0);
  REQUIRE_OK(table.insert({{i64(1), text("x"), i64(5)}}));
  CHECK_EQ(problems_of(rig.ground.link), "");
  CHECK_EQ(table.rename_column("name", "other").error().status, Status::exists);
}

}  // namespace
}  // namespace chimera::tables::testing
