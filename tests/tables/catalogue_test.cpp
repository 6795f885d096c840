// Namespaces, databases and tables: what is listed, and what several sessions do at the same time.

#include "tables/catalogue.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>

#include "tables/blob_writer.h"
#include "tests/tables/table_rig.h"

namespace chimera::tables::testing {
namespace {

constexpr std::string_view schema = "relation t = struct { id: i64, name: string } key (id)";

TEST_CASE("a catalogue lists what was made, and its own tables") {
  MemoryGround ground;
  Catalogue catalogue(ground.link);
  CHECK_EQ(catalogue.namespaces()->size(), 0);
  REQUIRE_OK(catalogue.create_table("shop/main/orders", relation_of(schema)));
  REQUIRE_OK(catalogue.create_table("shop/main/items", relation_of(schema)));
  REQUIRE_OK(catalogue.create_database("shop/old"));
  CHECK_EQ(*catalogue.namespaces(), std::vector<std::string>{"chimera", "shop"});
  CHECK_EQ(*catalogue.databases("shop"), std::vector<std::string>{"shop/main", "shop/old"});
  REQUIRE_EQ(catalogue.tables("shop")->size(), 2);
  CHECK_EQ(catalogue.tables("shop/main")->at(0).name, "shop/main/items");
  CHECK_EQ(catalogue.tables("chimera/catalogue")->size(), 3);
  CHECK_EQ(catalogue.create_table("shop/main/items", relation_of(schema)).error().status, Status::exists);
  CHECK_EQ(catalogue.create_table("shop/main", relation_of(schema)).error().status, Status::bad_text);
  CHECK_EQ(catalogue.drop_namespace("shop").error().status, Status::denied);
  CHECK_EQ(catalogue.drop_database("shop/main").error().status, Status::denied);
  REQUIRE_OK(catalogue.drop_database("shop/old"));
  REQUIRE_OK(catalogue.drop_table("shop/main/items"));
  CHECK_EQ(catalogue.drop_table("shop/main/items").error().status, Status::not_found);
  CHECK_EQ(Table::open(ground.link, "shop/main/items").error().status, Status::not_found);
  for (const char* const name : {"namespaces", "databases", "tables"}) {
    CHECK_EQ(problems_of(ground.link, std::string("chimera/catalogue/") + name), "");
  }
}

TEST_CASE("only the catalogue changes its own tables") {
  MemoryGround ground;
  Catalogue catalogue(ground.link);
  const std::string own = "chimera/catalogue/tables";
  CHECK_EQ(catalogue.create_table(own, relation_of(schema)).error().status, Status::denied);
  REQUIRE_OK(catalogue.create_table("shop/main/items", relation_of(schema)));
  CHECK_EQ(catalogue.create_table("chimera/catalogue/more", relation_of(schema)).error().status, Status::denied);
  CHECK_EQ(catalogue.drop_table(own).error().status, Status::denied);
  CHECK_EQ(catalogue.rename_table(own, "a/b/c").error().status, Status::denied);
  CHECK_EQ(catalogue.rename_table("shop/main/items", "chimera/catalogue/more").error().status, Status::denied);
  auto table = Table::open(ground.link, own);
  REQUIRE_OK(table);
  const Row row{text("a"), text("b"), text("c"), Value::datetime(1)};
  CHECK_EQ(table->insert({row}).error().status, Status::denied);
  CHECK_EQ(table->upsert({row}).error().status, Status::denied);
  CHECK_EQ(table->truncate().error().status, Status::denied);
  CHECK_EQ(table->remove_where("created > '2000-01-01'").error().status, Status::denied);
  CHECK_EQ(table->rename_column("created", "made").error().status, Status::denied);
  CHECK_EQ(table->drop_column("created").error().status, Status::denied);
  CHECK_EQ(table->add_index({.name = "made", .columns = {"created"}}).error().status, Status::denied);
  CHECK_EQ(catalogue.tables()->size(), 4);
  REQUIRE_OK(catalogue.drop_table("shop/main/items"));
  CHECK_EQ(problems_of(ground.link, own), "");
}

/// Does something once, between the first instruction of a script that opens a table and what follows.
class InterruptedLink final : public Link {
 public:
  InterruptedLink(vm::Machine& machine, std::function<void()> to_do)
      : between(std::move(to_do)), session_(machine.connect()) {}
  std::function<void()> between;

  Result<> run(const Script& script, Answers& answers) override {
    std::vector<std::uint8_t>& stream = answers.start();
    const std::size_t cut = script.questions()[0].end;
    std::vector<std::uint8_t> rest;
    static_cast<void>(session_->run(script.bytes().first(cut), stream));
    const auto opens = [](const auto& question) { return question.operation == Operation::read_columns; };
    if (between && std::ranges::any_of(script.questions(), opens)) std::exchange(between, {})();
    static_cast<void>(session_->run(script.bytes().subspan(cut), rest));
    stream.insert(stream.end(), rest.begin(), rest.end());
    return answers.finish(script);
  }
  Ticket send(Script) override { return 0; }
  Result<> receive(Ticket, Answers&) override { return {}; }

 private:
  std::unique_ptr<vm::Session> session_;
};

TEST_CASE("a table that is dropped and made anew while it is opened is found") {
  MemoryGround ground;
  Catalogue catalogue(ground.link);
  REQUIRE_OK(catalogue.create_table("shop/main/orders", relation_of(schema)));
  InterruptedLink link(ground.machine, [&] {
    REQUIRE_OK(catalogue.drop_table("shop/main/orders"));
    REQUIRE_OK(catalogue.create_table("shop/main/orders", relation_of(schema)));
  });
  auto table = Table::open(link, "shop/main/orders");
  REQUIRE_OK(table);
  REQUIRE_OK(table->insert({{i64(1), text("one")}}));
  InterruptedLink gone(ground.machine, [&] { REQUIRE_OK(catalogue.drop_table("shop/main/orders")); });
  CHECK_EQ(Table::open(gone, "shop/main/orders").error().status, Status::not_found);
}

void run(Link& link, const Program& program) {
  Script script;
  Answers answers;
  script.add(program);
  REQUIRE_OK(link.run(script, answers));
}

std::string devices_of_ground(Link& link, std::string_view prefix) {
  Script script;
  Answers answers;
  script.add(Program().list_devices(prefix, {}, 100));
  REQUIRE_OK(link.run(script, answers));
  std::string names;
  for (const ListedDevice& device : devices_of(answers[0])) names += std::string(device.name) + " ";
  return names;
}

TEST_CASE("a table that cannot be opened is dropped with everything that is left of it, and can be made again") {
  for (const char* const lost : {"shop/main/orders", "shop/main/orders:key", "shop/main/orders/name", ""}) {
    CAPTURE(std::string(lost));
    MemoryGround ground;
    links::SessionLink link(ground.machine);
    Catalogue catalogue(ground.link);
    REQUIRE_OK(catalogue.create_table("shop/main/orders", relation_of(schema)));
    auto table = Table::open(link, "shop/main/orders");  // somebody else has it open
    REQUIRE_OK(table);
    REQUIRE_OK(table->insert({{i64(1), text("one")}}));
    const std::string all = devices_of_ground(ground.link, "shop/");
    for (const char* const other : {"shop/main/orders/name/mine", "shop/main/orders2", "shop/main/order"}) {
      static_cast<void>(create_device(ground.link, other));
    }
    Script script;
    script.add(Program().open_device(*lost == 0 ? "shop/main/orders" : lost));
    Answers answers;
    REQUIRE_OK(ground.link.run(script, answers));
    const Uuid device = uuid_of(answers[0]);
    run(ground.link, *lost == 0 ? Program().write_length(device, 10) : Program().delete_device_by_force(device));
    CHECK_FALSE(Table::open(ground.link, "shop/main/orders").has_value());
    REQUIRE_OK(catalogue.drop_table("shop/main/orders"));
    CHECK_EQ(catalogue.drop_table("shop/main/orders").error().status, Status::not_found);
    CHECK_EQ(devices_of_ground(ground.link, "shop/"), "shop/main/order shop/main/orders/name/mine shop/main/orders2 ");
    for (const char* const other : {"shop/main/orders/name/mine", "shop/main/orders2", "shop/main/order"}) {
      run(ground.link, Program().open_device(other).delete_device());
    }
    REQUIRE_OK(catalogue.create_table("shop/main/orders", relation_of(schema)));
    CHECK_EQ(devices_of_ground(ground.link, "shop/"), all);
    CHECK_EQ(problems_of(ground.link, "shop/main/orders"), "");
  }
}

void lose(Link& link, const std::string& name) {
  Script script;
  Answers answers;
  script.add(Program().open_device(name));
  REQUIRE_OK(link.run(script, answers));
  run(link, Program().delete_device_by_force(uuid_of(answers[0])));
}

TEST_CASE("a table without its header is not renamed, which is said as it is") {
  MemoryGround ground;
  Catalogue catalogue(ground.link);
  REQUIRE_OK(catalogue.create_table("shop/main/orders", relation_of(schema)));
  lose(ground.link, "shop/main/orders");
  const std::string before = devices_of_ground(ground.link, "");
  const auto renamed = catalogue.rename_table("shop/main/orders", "shop/main/old");
  REQUIRE_FALSE(renamed.has_value());
  CHECK_EQ(renamed.error().status, Status::corrupt);
  CHECK_EQ(
      renamed.error().words,
      "shop/main/orders is listed, but the device of its header is not there: it can be dropped, and not renamed.");
  CHECK_EQ(devices_of_ground(ground.link, ""), before);
  CHECK_EQ(catalogue.rename_table("shop/main/others", "shop/main/old").error().status, Status::not_found);
  REQUIRE_OK(catalogue.drop_table("shop/main/orders"));
}

TEST_CASE("a table that is dropped or renamed takes with it who was putting a value") {
  for (const bool is_dropped : {true, false}) {
    MemoryGround ground;
    links::SessionLink link(ground.machine);
    Catalogue catalogue(ground.link);
    REQUIRE_OK(catalogue.create_table("a/b/c", relation_of("relation t = struct { id: i64, d: blob } key (id)")));
    auto table = Table::open(link, "a/b/c", {.blob_piece_bytes = 16});
    REQUIRE_OK(table);
    auto writer = BlobWriter::begin(*table, {i64(1)}, "d", BlobWriter::Rows::new_too);
    REQUIRE_OK(writer);
    REQUIRE_OK(writer->add(bytes_of("more than one piece of it")));
    CHECK_NE(devices_of_ground(ground.link, "a/b/c:stage/"), "");
    if (is_dropped) {
      REQUIRE_OK(catalogue.drop_table("a/b/c"));
    } else {
      REQUIRE_OK(catalogue.rename_table("a/b/c", "a/b/d"));
    }
    CHECK_EQ(devices_of_ground(ground.link, "a/b/c"), "");
    CHECK_EQ(devices_of_ground(ground.link, "a/b/d:stage/"), "");
    CHECK_FALSE(writer->finish().has_value());
    if (!is_dropped) CHECK_EQ(problems_of(ground.link, "a/b/d"), "");
  }
}

TEST_CASE("a catalogue that has lost a part of its own is made anew from what is there") {
  const std::string names = "chimera/catalogue/";
  for (const std::string& lost : {names + "tables", names + "namespaces:key", names + "databases/database"}) {
    CAPTURE(lost);
    MemoryGround ground;
    std::int64_t now = 1;
    Catalogue catalogue(ground.link, {.table = {}, .now = [&] { return now; }});
    for (const char* const name : {"shop/main/orders", "shop/main/lines", "other/db/t"}) {
      REQUIRE_OK(catalogue.create_table(name, relation_of(schema)));
    }
    auto table = Table::open(ground.link, "shop/main/orders");
    REQUIRE_OK(table);
    REQUIRE_OK(table->insert({{i64(1), text("one")}}));
    static_cast<void>(create_device(ground.link, "mine/free/too"));
    static_cast<void>(create_device(ground.link, "mine:free"));
    const std::string before = devices_of_ground(ground.link, "");
    now = 2;
    const auto none = catalogue.relist();
    REQUIRE_OK(none);
    CHECK(none->empty());
    lose(ground.link, lost);
    const auto added = catalogue.relist();
    REQUIRE_OK(added);
    CHECK_EQ(added->size(), 3);
    CHECK_EQ(devices_of_ground(ground.link, ""), before);
    const auto listed = catalogue.tables();
    REQUIRE_OK(listed);
    std::string all;
    for (const ListedTable& of : *listed) all += of.name + " ";
    CHECK_EQ(all,
             "chimera/catalogue/databases chimera/catalogue/namespaces chimera/catalogue/tables other/db/t "
             "shop/main/lines shop/main/orders ");
    CHECK_EQ(catalogue.databases("shop").value_or(std::vector<std::string>()).size(), 1);
    for (const ListedTable& of : *listed) CHECK_EQ(problems_of(ground.link, of.name), "");
    CHECK_EQ(rows_of(*table).size(), 1);
    REQUIRE_OK(catalogue.drop_table("shop/main/orders"));
    CHECK(catalogue.relist().value_or(std::vector<std::string>{"one"}).empty());
  }
}

/// Does something once, behind the first script that lists devices of all names.
class ListingLink final : public Link {
 public:
  ListingLink(Link& under, std::function<void()> to_do) : behind(std::move(to_do)), under_(under) {}
  std::function<void()> behind;

  Result<> run(const Script& script, Answers& answers) override {
    const auto done = under_.run(script, answers);
    const bool lists = script.questions()[0].operation == Operation::list_devices;
    if (behind && lists && devices_of(answers[0]).size() > 20) std::exchange(behind, {})();
    return done;
  }
  Ticket send(Script script) override { return under_.send(std::move(script)); }
  Result<> receive(Ticket ticket, Answers& answers) override { return under_.receive(ticket, answers); }

 private:
  Link& under_;
};

TEST_CASE("a table that is dropped while the catalogue is made anew is not listed") {
  MemoryGround ground;
  Catalogue catalogue(ground.link);
  for (const char* const name : {"shop/main/orders", "shop/main/lines"}) {
    REQUIRE_OK(catalogue.create_table(name, relation_of(schema)));
  }
  lose(ground.link, "chimera/catalogue/tables:key");
  ListingLink link(ground.link, [&] {
    // Another one makes it anew too, and drops a table at once.
    REQUIRE_OK(catalogue.relist());
    REQUIRE_OK(catalogue.drop_table("shop/main/lines"));
  });
  REQUIRE_OK(Catalogue(link).relist());
  CHECK_FALSE(link.behind);
  REQUIRE_EQ(catalogue.tables("shop")->size(), 1);
  CHECK_EQ(catalogue.tables("shop")->at(0).name, "shop/main/orders");
}

TEST_CASE("a table that is changed again while its new columns are looked at is looked at once more") {
  MemoryGround ground;
  Catalogue catalogue(ground.link);
  Table other = make_table(ground.link, schema, "a/b/c");
  InterruptedLink link(ground.machine, {});
  auto table = Table::open(link, "a/b/c");
  REQUIRE_OK(table);
  REQUIRE_OK(other.rename_column("name", "title"));
  link.between = [&] {
    REQUIRE_OK(catalogue.drop_table("a/b/c"));
    other = make_table(ground.link, "relation t = struct { id: i64, title: string } key (id)", "a/b/c");
  };
  SUBCASE("for a row") { CHECK_FALSE(table->get({i64(1)}).value_or(Row()).has_value()); }
  SUBCASE("for a name") { CHECK_EQ(rows_of(*table, {.where = "title = 'x'"}).size(), 0); }
  CHECK_FALSE(static_cast<bool>(link.between));
}

TEST_CASE("who has a table open notices that it is dropped, made again, or renamed") {
  MemoryGround ground;
  links::SessionLink link(ground.machine);
  Catalogue catalogue(ground.link), other(link);
  Table table = make_table(ground.link, schema, "a/b/c");
  auto same = Table::open(link, "a/b/c");
  REQUIRE_OK(same);
  REQUIRE_OK(same->insert({{i64(1), text("x")}}));
  REQUIRE_OK(catalogue.rename_table("a/b/c", "a/d/e"));
  CHECK_EQ(same->get({i64(1)}).error().status, Status::not_found);
  auto renamed = Table::open(link, "a/d/e");
  REQUIRE_OK(renamed);
  CHECK_EQ(*renamed->count(), 1);
  REQUIRE_OK(other.drop_table("a/d/e"));
  CHECK_EQ(table.insert({{i64(2), text("y")}}).error().status, Status::not_found);
  REQUIRE_OK(catalogue.create_table("a/d/e", relation_of("relation t = struct { id: i64, more: u8 } key (id)")));
  REQUIRE_OK(renamed->insert({{i64(5), Value::of(std::uint8_t{6})}}));
  CHECK_EQ(*renamed->count(), 1);
  CHECK_EQ(renamed->relation().columns[1].name, "more");
}

}  // namespace
}  // namespace chimera::tables::testing
