// Values that are put piece by piece: nothing of them is seen before they are whole, and nothing stays of those that
// never are.

#include "tables/blob_writer.h"

#include <doctest/doctest.h>

#include <optional>

#include "io/seeded_random.h"
#include "tables/attempt.h"
#include "tables/change.h"
#include "tables/open_table.h"
#include "tests/tables/table_rig.h"

namespace chimera::tables::testing {
namespace {

constexpr std::size_t piece_size = TableOptions().blob_piece_bytes;
constexpr std::string_view schema = "relation t = struct { id: i64, data: blob nullable, name: string } key (id)";

std::string content(std::uint64_t seed, std::size_t size) {
  io::SeededRandom random(seed);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random.next());
  return bytes;
}

std::string read_all(Table& table, std::int64_t id) {
  const auto size = table.value_size({i64(id)}, "data");
  REQUIRE_OK(size);
  std::string all;
  while (*size && all.size() < **size) {
    const auto bytes = table.read_value({i64(id)}, "data", all.size(), Table::most_value_bytes);
    REQUIRE_OK(bytes);
    REQUIRE(!bytes->empty());
    all.append(bytes->begin(), bytes->end());
  }
  return all;
}

/// In pieces of any sizes.
void add_all(BlobWriter& writer, std::string_view bytes, io::SeededRandom& random) {
  while (!bytes.empty()) {
    const std::size_t size = std::min<std::size_t>(bytes.size(), 1 + random.below(3'000'000));
    REQUIRE_OK(writer.add(bytes_of(bytes.substr(0, size))));
    bytes.remove_prefix(size);
  }
}

TEST_CASE("a value that comes piece by piece takes the place of the old one when it is whole") {
  TableRig rig(schema);
  io::SeededRandom random(1);
  REQUIRE_OK(rig.table.insert({{i64(1), Value(), text("one")}, {i64(2), Value::blob("two"), text("two")}}));
  for (const std::size_t size : {0u, 5u, 12u, 13u, 100'000u, 4u << 20, (4u << 20) + 1, 20'000'000u, 1u}) {
    CAPTURE(size);
    const std::string before = read_all(rig.table, 1);
    const std::string bytes = content(size, size);
    auto writer = BlobWriter::begin(rig.table, {i64(1)}, "data");
    REQUIRE_OK(writer);
    add_all(*writer, bytes, random);
    CHECK((read_all(rig.table, 1) == before));
    CHECK_EQ(problems_of(rig.ground.link), "");
    REQUIRE_OK(writer->finish());
    CHECK((read_all(rig.table, 1) == bytes));
    CHECK_EQ(problems_of(rig.ground.link), "");
  }
  REQUIRE_OK(rig.table.append_value({i64(1)}, "data", bytes_of("x")));
  CHECK_EQ(read_all(rig.table, 2), "two");
  CHECK_EQ(BlobWriter::begin(rig.table, {i64(3)}, "data").error().status, Status::not_found);
  CHECK_EQ(BlobWriter::begin(rig.table, {i64(1)}, "id").error().status, Status::unsupported);
}

/// The granules that the table's heap has used, and pieces in it.
std::pair<std::uint64_t, std::uint64_t> heap_of(Link& link) {
  Script script;
  Answers answers;
  script.add(Program().open_device(std::string(rig_table) + ":heap"));
  REQUIRE_OK(link.run(script, answers));
  const Uuid device = uuid_of(answers[0]);
  script.clear();
  script.read_block(device, 0);
  REQUIRE_OK(link.run(script, answers));
  const auto header = HeapHeader::parse(answers.bytes(0));
  REQUIRE(header.has_value());
  return {header->tail, header->used};
}

/// Devices of those who put something, or have left them.
std::size_t owners_there(Link& link) {
  Script script;
  Answers answers;
  script.add(Program().list_devices(std::string(rig_table) + ":stage", {}, 10));
  REQUIRE_OK(link.run(script, answers));
  return devices_of(answers[0]).size();
}

TEST_CASE("of a value that is given up nothing stays, whether its writer says so or is gone") {
  TableRig rig(schema);
  io::SeededRandom random(1);
  REQUIRE_OK(rig.table.insert({{i64(1), Value::blob("old"), text("a name that does not fit into a slot")}}));
  const std::string bytes = content(1, 10'000'000);
  const auto before = heap_of(rig.ground.link);
  {
    auto writer = BlobWriter::begin(rig.table, {i64(1)}, "data");
    REQUIRE_OK(writer);
    add_all(*writer, bytes, random);
  }
  CHECK_EQ(heap_of(rig.ground.link).second, before.second);
  CHECK_EQ(problems_of(rig.ground.link), "");
  // A session that ends in its midst, like a client that is killed.
  std::optional<links::SessionLink> link(rig.ground.machine);
  auto other = Table::open(*link, rig_table);
  REQUIRE_OK(other);
  // Never destroyed, since nobody is left to be told.
  static BlobWriter* lost = nullptr;
  lost = new BlobWriter(std::move(*BlobWriter::begin(*other, {i64(1)}, "data")));
  add_all(*lost, bytes, random);
  // Somebody else beginning does not disturb it, as long as it is there.
  auto writer = BlobWriter::begin(rig.table, {i64(1)}, "data");
  REQUIRE_OK(writer);
  add_all(*writer, bytes, random);
  REQUIRE_OK(lost->add(bytes_of(bytes)));
  REQUIRE_OK(writer->finish());
  CHECK((read_all(rig.table, 1) == bytes));
  const auto with_both = heap_of(rig.ground.link);
  link.reset();
  CHECK_EQ(problems_of(rig.ground.link), "");
  auto third = BlobWriter::begin(rig.table, {i64(1)}, "data");
  REQUIRE_OK(third);
  add_all(*third, bytes, random);
  REQUIRE_OK(third->finish());
  CHECK((read_all(rig.table, 1) == bytes));
  CHECK_EQ(problems_of(rig.ground.link), "");
  CHECK_LT(heap_of(rig.ground.link).second, with_both.second);
  // In the end only the row's own value is there, and no owner's device.
  CHECK_EQ(owners_there(rig.ground.link), 0);
}

TEST_CASE("a device of somebody who ended before he put anything, or when all was put, is deleted by the next") {
  TableRig rig(schema);
  REQUIRE_OK(rig.table.insert({{i64(1), Value::blob("old"), text("one")}}));
  std::optional<links::SessionLink> link(rig.ground.machine);
  static_cast<void>(create_device(*link, std::string(rig_table) + ":stage/0123456789abcdef"));
  REQUIRE_OK(BlobWriter::begin(rig.table, {i64(1)}, "data"));
  CHECK_EQ(owners_there(rig.ground.link), 1);
  link.reset();
  REQUIRE_OK(BlobWriter::begin(rig.table, {i64(1)}, "data"));
  CHECK_EQ(owners_there(rig.ground.link), 0);
}

TEST_CASE("a value whose table is emptied meanwhile is given up, and says so") {
  TableRig rig(schema);
  io::SeededRandom random(1);
  REQUIRE_OK(rig.table.insert({{i64(1), Value::blob("old"), text("one")}}));
  auto writer = BlobWriter::begin(rig.table, {i64(1)}, "data");
  REQUIRE_OK(writer);
  add_all(*writer, content(1, 5'000'000), random);
  REQUIRE_OK(rig.table.truncate());
  CHECK_EQ(writer->add(bytes_of(content(2, 5'000'000))).error().status, Status::not_found);
  CHECK_EQ(writer->finish().error().status, Status::not_found);
  CHECK_EQ(problems_of(rig.ground.link), "");
}

TEST_CASE("two writers of one session leave each other alone") {
  TableRig rig(schema);
  io::SeededRandom random(1);
  REQUIRE_OK(rig.table.insert({{i64(1), Value(), text("one")}, {i64(2), Value(), text("two")}}));
  const std::string first = content(1, 10'000'000), second = content(2, 9'000'000);
  auto one = BlobWriter::begin(rig.table, {i64(1)}, "data");
  REQUIRE_OK(one);
  add_all(*one, std::string_view(first).substr(0, 6'000'000), random);
  auto other = BlobWriter::begin(rig.table, {i64(2)}, "data");
  REQUIRE_OK(other);
  add_all(*other, second, random);
  add_all(*one, std::string_view(first).substr(6'000'000), random);
  REQUIRE_OK(other->finish());
  REQUIRE_OK(one->finish());
  CHECK((read_all(rig.table, 1) == first));
  CHECK((read_all(rig.table, 2) == second));
  CHECK_EQ(problems_of(rig.ground.link), "");
}

TEST_CASE("whoever asks whether a writer is still there harms him not, and does not keep his device") {
  TableRig rig(schema);
  REQUIRE_OK(rig.table.insert({{i64(1), Value(), text("one")}, {i64(2), Value(), text("two")}}));
  const TableOptions small{.blob_piece_bytes = 1000};
  const std::string bytes = content(1, 5000);
  std::optional<links::SessionLink> link(rig.ground.machine);
  links::SessionLink other_link(rig.ground.machine);
  auto table = Table::open(*link, rig_table, small), other = Table::open(other_link, rig_table, small);
  REQUIRE_OK(table);
  REQUIRE_OK(other);
  const auto put = [&](Table& by) {
    auto writer = BlobWriter::begin(by, {i64(2)}, "data");
    REQUIRE_OK(writer);
    REQUIRE_OK(writer->add(bytes_of(bytes)));
    REQUIRE_OK(writer->finish());
    CHECK((read_all(by, 2) == bytes));
  };
  auto writer = BlobWriter::begin(*table, {i64(1)}, "data");
  REQUIRE_OK(writer);
  REQUIRE_OK(writer->add(bytes_of(bytes)));
  SUBCASE("of his own session, and others behind that") {
    put(*table);
    put(*other);
    REQUIRE_OK(writer->finish());
    CHECK((read_all(rig.table, 1) == bytes));
  }
  SUBCASE("of his own session, when a server that was started again has no device of his") {
    Script script;
    Answers answers;
    script.add(Program().delete_device_by_force(*link->owners.begin()));
    REQUIRE_OK(link->run(script, answers));
    put(*table);
    REQUIRE_OK(writer->finish());
    CHECK((read_all(rig.table, 1) == bytes));
  }
  SUBCASE("of another session, which is there still when he has gone") {
    put(*other);
    static BlobWriter* lost = nullptr;  // nobody is left to be told
    lost = new BlobWriter(std::move(*writer));
    REQUIRE_OK(lost->add(bytes_of(bytes)));
    link.reset();
    put(rig.table);
  }
  CHECK_EQ(owners_there(rig.ground.link), 0);
  CHECK_EQ(problems_of(rig.ground.link), "");
}

/// Tells how many scripts were under way at most.
class CountedLink final : public Link {
 public:
  explicit CountedLink(vm::Machine& machine) : link_(machine) {}
  Result<> run(const Script& script, Answers& answers) override { return link_.run(script, answers); }
  Ticket send(Script script) override {
    most = std::max(most, ++under_way_);
    return link_.send(std::move(script));
  }
  Result<> receive(Ticket ticket, Answers& answers) override {
    --under_way_;
    auto done = link_.receive(ticket, answers);
    failures += done ? 0u : 1u;
    return done;
  }
  std::size_t most = 0, failures = 0;

 private:
  links::SessionLink link_;
  std::size_t under_way_ = 0;
};

TEST_CASE(
    "pieces are under way together, and those that another session's change makes fail come again in their order") {
  TableRig rig(schema);
  io::SeededRandom random(7);
  REQUIRE_OK(rig.table.insert({{i64(1), Value(), text("one")}}));
  CountedLink link(rig.ground.machine);
  auto table = Table::open(link, rig_table);
  REQUIRE_OK(table);
  const std::string bytes = content(1, 41'000'000);
  std::size_t failures_alone = 0;
  for (const bool disturbed : {false, true}) {
    std::int64_t id = 10;
    auto writer = BlobWriter::begin(*table, {i64(1)}, "data");
    REQUIRE_OK(writer);
    for (std::size_t at = 0; at < bytes.size(); at += piece_size) {
      REQUIRE_OK(writer->add(bytes_of(std::string_view(bytes).substr(at, piece_size))));
      // By somebody else, or in between by the writer's own session and table, which sees what is under way.
      Table& by = random.chance(50) ? rig.table : *table;
      if (disturbed && random.chance(40)) REQUIRE_OK(by.insert({{i64(++id), Value(), text(std::string(100, 'n'))}}));
    }
    REQUIRE_OK(writer->finish());
    CHECK((read_all(*table, 1) == bytes));
    CHECK_EQ(problems_of(rig.ground.link), "");
    if (!disturbed) failures_alone = link.failures;
  }
  CHECK_EQ(link.most, PiecesUnderWay::most_under_way);
  CHECK_EQ(failures_alone, 0);
  CHECK_GT(link.failures, 0);
}

TEST_CASE("a value that was brought back under its writer is not gone on with") {
  TableRig rig(schema);
  io::SeededRandom random(1);
  REQUIRE_OK(rig.table.insert({{i64(1), Value::blob("old"), text("one")}}));
  auto writer = BlobWriter::begin(rig.table, {i64(1)}, "data");
  REQUIRE_OK(writer);
  add_all(*writer, content(1, 9'000'000), random);
  // As a snapshot of the time when half of it was there would leave it.
  const auto shortened = rig.table.retry<bool>([&](OpenTable& open) -> Result<bool> {
    Change change(rig.ground.link, false);
    change.join(open);
    const auto owners = open.heap(0).stage_owners();
    REQUIRE_OK(owners);
    const auto whole = open.heap(0).take_stage(owners->at(0));
    REQUIRE_OK(whole);
    REQUIRE_OK(open.heap(0).erase(**whole));
    REQUIRE_OK(open.heap(0).begin_stage(owners->at(0)));
    REQUIRE_OK(open.heap(0).append_to_stage(owners->at(0), 0, bytes_of(content(1, 4 << 20))));
    REQUIRE_OK(change.commit());
    return true;
  });
  REQUIRE_OK(shortened);
  CHECK_EQ(writer->finish().error().status, Status::not_found);
  CHECK_EQ(read_all(rig.table, 1), "old");
}

TEST_CASE("a text that comes piece by piece is cut between characters, and what is none is refused") {
  TableRig rig("relation t = struct { id: i64, data: string } key (id)");
  REQUIRE_OK(rig.table.insert({{i64(1), text("old")}}));
  std::string long_text = "x";
  while (long_text.size() < 9'000'000) long_text += "\u20AC\U0001F600";
  for (const std::string& wrong : {std::string(), std::string("\xFF"), std::string("\xE2\x82")}) {
    auto writer = BlobWriter::begin(rig.table, {i64(1)}, "data");
    REQUIRE_OK(writer);
    REQUIRE_OK(writer->add(bytes_of(long_text)));
    REQUIRE_OK(writer->add(bytes_of(wrong)));
    const auto finished = writer->finish();
    CHECK_EQ(finished.has_value(), wrong.empty());
    if (!wrong.empty()) CHECK_EQ(finished.error().status, Status::bad_text);
    CHECK((read_all(rig.table, 1) == long_text));
  }
  auto writer = BlobWriter::begin(rig.table, {i64(1)}, "data");
  REQUIRE_OK(writer);
  REQUIRE_OK(writer->add(bytes_of("\xC0")));
  CHECK_EQ(writer->add(bytes_of(long_text)).error().status, Status::bad_text);
  CHECK_EQ(problems_of(rig.ground.link), "");
}

TEST_CASE("a value may come with a new row, which is not there before it is whole") {
  TableRig rig(
      "relation t = struct { id: i64, data: blob nullable external, count: i64 default 7, name: string nullable } key "
      "(id)");
  constexpr auto new_too = BlobWriter::Rows::new_too;
  io::SeededRandom random(1);
  for (const std::size_t size : {0u, 5u, 1000u, 9'000'000u}) {
    const std::string bytes = content(size, size);
    const auto id = static_cast<std::int64_t>(size);
    auto writer = BlobWriter::begin(rig.table, {i64(id)}, "data", new_too);
    REQUIRE_OK(writer);
    add_all(*writer, bytes, random);
    CHECK_FALSE(rig.table.get({i64(id)})->has_value());
    REQUIRE_OK(writer->finish());
    CHECK((read_all(rig.table, id) == bytes));
    const auto row = rig.table.get({i64(id)});
    REQUIRE_OK(row);
    CHECK_EQ((**row)[2].as_signed(), 7);
    CHECK((**row)[3].is_null());
    CHECK_EQ(problems_of(rig.ground.link), "");
  }
  REQUIRE_OK(rig.table.add_column(relation_of("relation t = struct { must: i64 default 1 }").columns[0]));
  auto writer = BlobWriter::begin(rig.table, {i64(3)}, "data", new_too);
  REQUIRE_OK(writer);
  REQUIRE_OK(rig.table.insert({{i64(3), Value::blob("x"), i64(1), Value(), i64(2)}}));
  REQUIRE_OK(writer->add(bytes_of("of a row that has come meanwhile")));
  REQUIRE_OK(writer->finish());
  CHECK_EQ(read_all(rig.table, 3), "of a row that has come meanwhile");
  CHECK_EQ((**rig.table.get({i64(3)}))[4].as_signed(), 2);
}

TEST_CASE("a value that comes with a new row is refused where its column has got an index meanwhile") {
  TableRig rig("relation t = struct { id: i64, name: string nullable } key (id)");
  auto writer = BlobWriter::begin(rig.table, {i64(1)}, "name", BlobWriter::Rows::new_too);
  REQUIRE_OK(writer);
  REQUIRE_OK(writer->add(bytes_of("what the index would not have")));
  REQUIRE_OK(rig.table.add_index({"by_name", false, {"name"}}));
  const auto finished = writer->finish();
  REQUIRE_FALSE(finished.has_value());
  CHECK_EQ(finished.error().status, Status::denied);
  CHECK_EQ(*rig.table.count(), 0);
  CHECK_EQ(problems_of(rig.ground.link), "");
}

TEST_CASE("a value whose row cannot be new is refused before anything of it is sent") {
  TableRig rig("relation t = struct { name: string, owner: string, data: blob } key (name)");
  constexpr auto new_too = BlobWriter::Rows::new_too;
  const auto refused = BlobWriter::begin(rig.table, {text("new")}, "data", new_too);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().words.starts_with("Column owner: "));
  CHECK_FALSE(BlobWriter::begin(rig.table, {text(std::string(5000, 'n'))}, "data", new_too).has_value());
  REQUIRE_OK(rig.table.insert({{text("old"), text("somebody"), Value::blob("x")}}));
  CHECK(BlobWriter::begin(rig.table, {text("old")}, "data", new_too).has_value());
}

TEST_CASE("a heap that names a device that is no writer's does not make it go") {
  TableRig rig(schema);
  io::SeededRandom random(1);
  REQUIRE_OK(rig.table.insert({{i64(1), Value(), text("one")}}));
  const Uuid innocent = create_device(rig.ground.link, "innocent");
  Script script;
  Answers answers;
  script.add(Program().close_device(innocent));
  REQUIRE_OK(rig.ground.link.run(script, answers));
  const auto planted = rig.table.retry<bool>([&](OpenTable& open) -> Result<bool> {
    Change change(rig.ground.link, false);
    change.join(open);
    REQUIRE_OK(open.heap(0).begin_stage(innocent));
    REQUIRE_OK(change.commit());
    return true;
  });
  REQUIRE_OK(planted);
  auto writer = BlobWriter::begin(rig.table, {i64(1)}, "data");
  REQUIRE_OK(writer);
  add_all(*writer, content(1, 6'000'000), random);
  REQUIRE_OK(writer->finish());
  script.clear();
  script.add(Program().open_device("innocent"));
  CHECK(rig.ground.link.run(script, answers).has_value());
  CHECK_EQ(problems_of(rig.ground.link), "");
}

}  // namespace
}  // namespace chimera::tables::testing
