// Databases and namespaces that are dropped with all that is in them.

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "tables/answers.h"
#include "tables/recording.h"
#include "tests/tables/narrow_link.h"
#include "tests/tables/table_rig.h"

namespace chimera::tables::testing {
namespace {

constexpr std::string_view small = "relation t = struct { id: i64 } key (id)";
/// Of more devices than two of the small ones.
std::string large() {
  std::string columns;
  for (int i = 0; i < 40; ++i) columns += ", c" + std::to_string(i) + ": u8";
  return "relation t = struct { id: i64" + columns + " } key (id)";
}

struct Places {
  Places() : link(ground.machine), catalogue(link) {
    for (const char* const name : {"shop/main/a", "shop/main/b", "shop/old/c", "shops/main/d"}) make(name, small);
    REQUIRE_OK(catalogue.create_database("shop/empty"));
    link.committed = 0;
  }
  void make(const char* name, std::string_view schema) {
    const std::size_t most = std::exchange(link.most_bytes, std::numeric_limits<std::size_t>::max());
    REQUIRE_OK(catalogue.create_table(name, relation_of(schema)));
    link.most_bytes = most;
  }
  [[nodiscard]] std::size_t devices_of(std::string_view prefix) {
    Script script;
    Answers answers;
    script.add(Program().list_devices(prefix, {}, 100));
    REQUIRE_OK(link.run(script, answers));
    return chimera::devices_of(answers[0]).size();
  }
  void check_gone() {
    CHECK_EQ(devices_of("shop/"), 0);
    CHECK_EQ(*catalogue.namespaces(), std::vector<std::string>{"chimera", "shops"});
    CHECK_EQ(*catalogue.databases("shop"), std::vector<std::string>());
    CHECK_EQ(catalogue.tables()->size(), 4);
    CHECK_EQ(problems_of(link, "shops/main/d"), "");
    for (const char* const name : {"namespaces", "databases", "tables"}) {
      CHECK_EQ(problems_of(link, std::string("chimera/catalogue/") + name), "");
    }
  }

  MemoryGround ground;
  NarrowLink link;
  Catalogue catalogue;
};

TEST_CASE("a place is dropped with all that is in it by one transaction, and that is what is shown") {
  Places places;
  Recording recording(places.link);
  const auto shown = Catalogue(recording, {.table = {.explained = true}, .now = {}}).drop_all("shop");
  REQUIRE_OK(shown);
  std::size_t programs = 0;
  for (const Script& script : recording.scripts()) programs += script.changes() ? 1 : 0;
  CHECK_EQ(programs, 1);
  CHECK_EQ(places.link.committed, 0);
  const auto dropped = places.catalogue.drop_all("shop");
  REQUIRE_OK(dropped);
  CHECK_EQ(dropped->tables, 3);
  CHECK_EQ(dropped->databases, 3);
  CHECK_EQ(places.link.committed, 1);
  places.check_gone();
  CHECK_EQ(places.catalogue.drop_all("shop").error().status, Status::not_found);
  CHECK_EQ(places.catalogue.drop_all("chimera").error().status, Status::denied);
  CHECK_EQ(places.catalogue.drop_all("a/b/c").error().status, Status::bad_text);
}

TEST_CASE("very many tables go in pieces, and those of the catalogue's namespace not at all") {
  MemoryGround ground;
  NarrowLink link(ground.machine);
  Catalogue catalogue(link);
  constexpr std::size_t count = 1030;
  for (std::size_t i = 0; i < count; ++i) {
    REQUIRE_OK(
        catalogue.create_table("chimera/a/t" + std::to_string(i), relation_of("relation t = struct { id: u8 }")));
  }
  for (const char* const place : {"chimera", "chimera/catalogue"}) {
    CHECK_EQ(catalogue.drop_all(place).error().status, Status::denied);
    CHECK_EQ(catalogue.tables("chimera/a")->size(), count);
  }
  Recording recording(link);
  const auto shown = Catalogue(recording, {.table = {.explained = true}, .now = {}}).drop_all("chimera/a");
  REQUIRE_OK(shown);
  CHECK_EQ(shown->tables, 1024);
  link.committed = 0;
  const auto dropped = catalogue.drop_all("chimera/a");
  REQUIRE_OK(dropped);
  CHECK_EQ(dropped->tables, count);
  CHECK_GT(link.committed, 1);
  CHECK_EQ(catalogue.tables()->size(), 3);
}

TEST_CASE("what is too much for a transaction goes in several, and goes on where one was too large") {
  Places places;
  REQUIRE_OK(places.catalogue.drop_all("shops"));
  places.make("shops/main/d", small);
  places.link.most_bytes = places.link.greatest = 0;
  CHECK_EQ(places.catalogue.drop_all("shop/main").error().status, Status::too_large);
  // Both of these tables fit, and one that has more devices does not.
  places.link.most_bytes = places.link.greatest;
  places.make("shop/old/z", large());
  auto dropped = places.catalogue.drop_all("shop");
  REQUIRE(!dropped.has_value());
  CHECK_EQ(dropped.error().status, Status::too_large);
  CHECK(dropped.error().words.ends_with("\n3 of the tables in it have gone."));
  CHECK_EQ(places.catalogue.tables("shop")->size(), 1);
  CHECK_EQ(places.catalogue.databases("shop")->size(), 3);
  places.link.most_bytes = std::numeric_limits<std::size_t>::max();
  dropped = places.catalogue.drop_all("shop");
  REQUIRE_OK(dropped);
  CHECK_EQ(dropped->tables, 1);
  places.check_gone();
}

}  // namespace
}  // namespace chimera::tables::testing
