// Links as programs open them: by the C interface to a store of their own, and to a server.

#include "links/open_link.h"

#include <doctest/doctest.h>

#include <array>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tables/answers.h"
#include "tables/blob_stage.h"
#include "tables/collections/counter.h"
#include "tables/collections/map.h"
#include "tables/collections/sequence.h"
#include "tables/filling.h"
#include "tables/script.h"
#include "tables/value_appender.h"
#include "tests/embed/starved.h"
#include "tests/io/scratch.h"
#include "tests/tables/broken_line.h"
#include "tests/tables/table_rig.h"

namespace chimera::links {
namespace {

using namespace tables;
using chimera_testing::Starved;
using tables::Result;
using types::Row;
using types::Value;
using namespace tables::testing;

constexpr std::uint64_t store_bytes = 64 << 20;

std::unique_ptr<Link> opened(const std::string& place, const LinkOptions& options = {.make_bytes = store_bytes}) {
  auto link = open_link(place, options);
  REQUIRE_OK(link);
  return std::move(*link);
}

template <typename Value>
void refused(const Result<Value>& result, Status status, std::string_view words) {
  REQUIRE_FALSE(result.has_value());
  CHECK_EQ(result.error().status, status);
  CHECK_MESSAGE(result.error().words.find(words) != std::string::npos, result.error().words);
}

struct Places {
  std::string file(const char* name) const { return scratch.file(name); }
  io::testing::ScratchDirectory scratch{io::testing::temporary_parent()};
};

Script writing(const Uuid& device, std::string_view words) {
  Script script;
  script.begin();
  script.write_bytes(device, 0, bytes_of(words));
  script.commit();
  return script;
}

Script reading(const Uuid& device, std::uint32_t count) {
  Script script;
  script.read_bytes(device, 0, count);
  return script;
}

TEST_CASE("what is put into a store is there when it is opened again, and in a server's too") {
  const Places places;
  std::unique_ptr<server::testing::RunningServer> server;
  std::string place;
  SUBCASE("a store") { place = places.file("store"); }
  SUBCASE("a server") {
    server = std::make_unique<server::testing::RunningServer>(
        server::testing::RunningServer::Setup{.kind = io::LoopKind::posix});
    place = to_string(server->address());
  }
  if (place.empty()) return;
  for (std::int64_t round = 1; round <= 3; ++round) {
    const auto link = opened(place);
    auto counter = Counter<std::string>::open(*link, "test/main/counter");
    auto queue = Queue<std::string>::open(*link, "test/main/queue");
    REQUIRE_OK(counter);
    REQUIRE_OK(queue);
    REQUIRE_EQ(*counter->add("rounds"), round);
    REQUIRE_OK(queue->push({"a" + std::to_string(round), "b" + std::to_string(round)}));
    REQUIRE_EQ((*queue->pop()).value(), (round == 2 ? "b1" : "a" + std::to_string((round + 1) / 2)));
    CHECK_EQ(store_of(*link) != nullptr, server == nullptr);
  }
}

TEST_CASE("many rows, whose programs are under way beside each other, by rows, by an index and by long values") {
  const Places places;
  const auto link = opened(places.file("store"));
  Table table = make_table(*link, "relation t = struct { id: i64, v: i64, body: string } key (id)");
  constexpr std::int64_t count = 20'000;
  std::vector<Row> rows;
  for (std::int64_t id = 0; id < count; ++id) rows.push_back({i64(id), i64(count - id), text(std::string(40, 'x'))});
  REQUIRE_OK(table.insert(rows));
  REQUIRE_OK(table.add_index({.name = "v", .columns = {"v"}}));
  std::vector<Row> found = rows_of(table, {.along = "v", .backwards = true});
  CHECK(found == rows);
  const auto sum = table.aggregate("v", "id >= 10");
  REQUIRE_OK(sum);
  CHECK_EQ(sum->sum.as_signed(), (count - 10) * (count - 9) / 2);
  const std::string large(9 << 20, 'y');
  REQUIRE_OK(table.append_value({i64(5)}, "body", bytes_of(large)));
  const auto end = table.read_value({i64(5)}, "body", large.size(), 100);
  REQUIRE_OK(end);
  CHECK_EQ(text_of(*end), std::string(40, 'y'));
}

TEST_CASE(
    "scripts that were sent are answered in their order, whenever that is asked for, and a failure is its own's") {
  const auto link = opened(":memory:");
  const Uuid device = create_device(*link, "d");
  Answers answers;
  const auto first = link->send(writing(device, "one"));
  const auto second = link->send(reading(device, 3));
  const auto wrong = link->send(reading(Uuid{}, 3));
  REQUIRE_OK(link->run(writing(device, "two"), answers));
  const auto third = link->send(reading(device, 3));
  REQUIRE_OK(link->receive(third, answers));
  CHECK_EQ(text_of(answers.bytes(0)), "two");
  refused(link->receive(wrong, answers), Status::not_found, "Not found");
  REQUIRE_OK(link->receive(second, answers));
  CHECK_EQ(text_of(answers.bytes(0)), "one");
  REQUIRE_OK(link->receive(first, answers));
  CHECK_EQ(answers.size(), 3u);
  // What is under way when the link goes is nobody's.
  static_cast<void>(link->send(writing(device, "end")));
}

TEST_CASE("another thread is told that the store is not its own, and nothing happens") {
  const auto link = opened(":memory:");
  auto map = Map<std::int64_t, std::string>::open(*link, "test/main/map");
  REQUIRE_OK(map);
  REQUIRE_OK(map->put(1, "one"));
  Result<> put;
  Answers answers;
  Result<> received;
  std::thread([&] {
    put = map->put(1, "two");
    received = link->receive(link->send(reading(Uuid{}, 1)), answers);
  }).join();
  refused(put, Status::denied, "another thread");
  CHECK_FALSE(put.error().is_in_doubt);
  refused(received, Status::denied, "another thread");
  CHECK_EQ((*map->get(1)).value(), "one");
  REQUIRE_OK(map->put(1, "three"));
}

TEST_CASE("another thread takes no answers away: they are there for the thread that may ask for them") {
  const auto link = opened(":memory:");
  const Uuid device = create_device(*link, "d");
  Answers answers;
  Result<> ran;
  Result<> changed;
  Result<> refused_there;
  const auto write = link->send(writing(device, "one"));
  const auto read = link->send(reading(device, 3));
  std::thread([&] {
    ran = link->run(writing(device, "two"), answers);
    changed = link->receive(write, answers);
    refused_there = link->receive(link->send(writing(device, "two")), answers);
  }).join();
  refused(ran, Status::denied, "another thread");
  CHECK_FALSE(ran.error().is_in_doubt);
  // The first is under way; the other was never submitted.
  refused(changed, Status::denied, "another thread");
  CHECK(changed.error().is_in_doubt);
  refused(refused_there, Status::denied, "another thread");
  CHECK_FALSE(refused_there.error().is_in_doubt);
  REQUIRE_OK(link->receive(read, answers));
  CHECK_EQ(text_of(answers.bytes(0)), "one");
  REQUIRE_OK(link->receive(write, answers));
  CHECK_EQ(answers.size(), 3u);
}

TEST_CASE("what was submitted to a store that somebody has closed is in doubt, if it changes anything") {
  const auto link = opened(":memory:");
  const Uuid device = create_device(*link, "d");
  const auto write = link->send(writing(device, "one"));
  const auto read = link->send(reading(device, 3));
  // Against the rule (store_of), as is closing.
  chimera_result result;
  while (chimera_reap(store_of(*link), &result, 1, -1) != 0) {
  }
  REQUIRE_EQ(chimera_close(store_of(*link)), CHIMERA_OK);
  Answers answers;
  const auto changed = link->receive(write, answers);
  refused(changed, Status::denied, "open");
  CHECK(changed.error().is_in_doubt);
  const auto found = link->receive(read, answers);
  refused(found, Status::denied, "open");
  CHECK_FALSE(found.error().is_in_doubt);
}

TEST_CASE("what goes when there is no memory goes all the same") {
  const auto starve = [](auto& gone) {
    const Starved starved(1, ~std::uint64_t{0});
    gone.reset();
  };
  const auto link = opened(":memory:");
  Table table = make_table(*link, "relation t = struct { id: i64, body: blob } key (id)");
  REQUIRE_OK(table.insert({{i64(1), Value::blob({})}}));
  SUBCASE("a column that is being filled") {
    std::optional<Filling> filling;
    filling.emplace(*link, table.name());
    REQUIRE_OK(filling->fill(bytes_of("x"), 100));
    starve(filling);
  }
  SUBCASE("a long value that is being put") {
    std::optional<BlobStage> stage;
    stage.emplace(table, "body");
    REQUIRE_OK(stage->add(std::vector<std::uint8_t>(1000)));
    starve(stage);
    // Its owner's device is nobody's.
    CHECK(link->owners.empty());
  }
  SUBCASE("a value that gets longer") {
    std::optional<ValueAppender> appender;
    appender.emplace(table, Row{i64(1)}, "body");
    REQUIRE_OK(appender->add(std::vector<std::uint8_t>(1000)));
    starve(appender);
  }
}

TEST_CASE("a store that cannot be opened or made") {
  const Places places;
  refused(open_link(places.file("none")), Status::io_error, "cannot be opened");
  refused(open_link(places.file("no/store"), {.make_bytes = store_bytes}), Status::io_error, "cannot be opened");
  refused(open_link(places.file("tiny"), {.make_bytes = 1}), Status::io_error, "16");
  std::ofstream(places.file("letter")) << std::string(5000, 'x');
  refused(open_link(places.file("letter"), {.make_bytes = store_bytes}), Status::io_error, "not a Chimera store");
  refused(open_link(""), Status::io_error, "");
  refused(open_link("unix:" + places.file("nobody")), Status::io_error, "Is a server running there");
  refused(open_link("tcp:somewhere:port"), Status::io_error, "port");
  const auto link = opened(places.file("store"));
  refused(open_link(places.file("store")), Status::io_error, "in use");
}

TEST_CASE("the store is opened as the options say, and what cannot be written is told as that") {
  const Places places;
  { static_cast<void>(Map<bool, bool>::open(*opened(places.file("store")), "test/main/map")); }
  chimera_options options{};
  options.struct_size = sizeof options;
  options.read_only = 1;
  const auto link = opened(places.file("store"), {.store = &options});
  auto map = Map<bool, bool>::open(*link, "test/main/map");
  REQUIRE_OK(map);
  refused(map->put(true, true), Status::read_only, "Read only");
  options.cache_bytes = 1;
  refused(open_link(places.file("other"), {.make_bytes = store_bytes, .store = &options}), Status::io_error, "cache");
}

TEST_CASE("programs of one's own run beside the tables, and who takes the link's answers away is noticed") {
  const auto link = opened(":memory:");
  const Uuid device = create_device(*link, "d");
  chimera_store* const store = store_of(*link);
  const std::unique_ptr<chimera_session, void (*)(chimera_session*)> session(chimera_session_new(store),
                                                                             &chimera_session_free);
  const std::unique_ptr<chimera_program, void (*)(chimera_program*)> program(chimera_program_new(),
                                                                             &chimera_program_free);
  chimera_assemble(program.get(), "open device \"d\"\nread length");
  CHECK_EQ(chimera_run(session.get(), program.get(), nullptr), CHIMERA_OK);
  Answers answers;
  // Somebody else's program is no answer of the link's.
  CHECK_EQ(chimera_submit(session.get(), program.get(), nullptr), CHIMERA_OK);
  for (int i = 0; i < 2; ++i) REQUIRE_OK(link->receive(link->send(writing(device, "one")), answers));
  const auto ticket = link->send(writing(device, "two"));
  std::array<chimera_result, 2> results;
  while (chimera_reap(store, results.data(), results.size(), -1) != 0) {
  }
  const auto gone = link->receive(ticket, answers);
  refused(gone, Status::io_error, "chimera_reap");
  CHECK(gone.error().is_in_doubt);
  REQUIRE_OK(link->run(reading(device, 3), answers));
  CHECK_EQ(text_of(answers.bytes(0)), "two");
}

TEST_CASE("what a connection breaks amid is found out, by a link that a program opens") {
  Line line;
  const auto link = opened(line.proxy->address());
  auto counter = Counter<std::int64_t>::open(*link, "test/main/counter");
  REQUIRE_OK(counter);
  std::int64_t expected = 0;
  using Side = CuttingProxy::Cut::Side;
  for (const Side side : {Side::requests, Side::answers}) {
    for (std::size_t after = 0; after < 600; after += 29) {
      line.proxy->cut({.side = side, .after = after, .meanwhile = {}});
      for (int i = 0; i < 3; ++i) {
        const auto number = counter->add(7);
        REQUIRE_OK(number);
        REQUIRE_EQ(*number, ++expected);
      }
    }
  }
  CHECK_GT(line.proxy->cuts(), 20u);
  line.proxy->stay_away();
}

}  // namespace
}  // namespace chimera::links
