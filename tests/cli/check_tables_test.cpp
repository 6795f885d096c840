// What a check of all tables says of those that go while it goes on: two sessions, one step at a time.

#include "cli/check_tables.h"

#include <doctest/doctest.h>

#include <deque>
#include <functional>
#include <string>

#include "isa/answer.h"
#include "tests/tables/table_rig.h"

namespace chimera::cli {
namespace {

using namespace tables::testing;

constexpr const char* name = "shop/main/orders";
constexpr std::string_view schema = "relation t = struct { id: i64 } key (id)";

/// From the script on that opens the table, does one thing before each.
class SteppedLink final : public tables::Link {
 public:
  explicit SteppedLink(vm::Machine& machine) : link_(machine) {}
  std::deque<std::function<void()>> steps;

  tables::Result<> run(const tables::Script& script, tables::Answers& answers) override {
    const auto bytes = script.bytes();
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    is_there_ = is_there_ || (script.questions()[0].operation == Operation::open_device && text.contains(name));
    if (is_there_ && !steps.empty()) {
      steps.front()();
      steps.pop_front();
    }
    return link_.run(script, answers);
  }
  Ticket send(tables::Script script) override { return link_.send(std::move(script)); }
  tables::Result<> receive(Ticket ticket, tables::Answers& answers) override { return link_.receive(ticket, answers); }

 private:
  links::SessionLink link_;
  bool is_there_ = false;
};

Uuid device_called(tables::Link& link, const char* device) {
  tables::Script script;
  tables::Answers answers;
  script.add(Program().list_devices(device, {}, 1));
  REQUIRE_OK(link.run(script, answers));
  return devices_of(answers[0]).at(0).uuid;
}

void run(tables::Link& link, const Program& program) {
  tables::Script script;
  tables::Answers answers;
  script.add(program);
  REQUIRE_OK(link.run(script, answers));
}

TEST_CASE("a table that goes while the tables are checked is no problem, and one that has lost its header is") {
  MemoryGround ground;
  std::int64_t clock = 100;
  tables::Catalogue catalogue(ground.link, {.now = [&clock] { return clock++; }});
  REQUIRE_OK(catalogue.create_table(name, relation_of(schema)));
  SteppedLink link(ground.machine);
  const auto drop = [&] { REQUIRE_OK(catalogue.drop_table(name)); };
  const auto make = [&] { REQUIRE_OK(catalogue.create_table(name, relation_of(schema))); };
  const auto lose = [&] { run(ground.link, Program().delete_device_by_force(device_called(ground.link, name))); };
  const auto damage_list = [&] {
    run(ground.link, Program().write_length(device_called(ground.link, "chimera/catalogue/tables"), 10));
  };
  const std::string lost = std::string(name) + ": the device of its header is not there.";
  std::string problems;
  std::uint64_t there = 3;  // the catalogue's own
  SUBCASE("nothing happens") { there = 4; }
  SUBCASE("it is dropped") { link.steps = {drop}; }
  SUBCASE("it is dropped, and another one made when that has been seen") { link.steps = {drop, make}; }
  SUBCASE("it is dropped, and another one made before that") {
    link.steps = {[&] { drop(), make(); }};
    there = 4;
  }
  SUBCASE("its header is gone") {
    link.steps = {lose};
    problems = lost;
    there = 4;
  }
  SUBCASE("and nobody can tell whether it is listed still") {
    link.steps = {lose, damage_list};
    problems = lost;
    there = 4;
  }
  const TablesReport report = check_tables(link);
  std::string told;
  for (const std::string& problem : report.problems) told += problem;
  CHECK_EQ(told, problems);
  CHECK_EQ(report.tables, there);
  CHECK(link.steps.empty());
}

}  // namespace
}  // namespace chimera::cli
