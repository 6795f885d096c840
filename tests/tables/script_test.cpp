// Scripts, their answers, and reading at one version of a table.

#include "tables/script.h"

#include <doctest/doctest.h>

#include "tests/tables/memory_ground.h"

namespace chimera::tables::testing {
namespace {

TEST_CASE("a script is the program that the builder makes, and its answers are found") {
  MemoryGround ground;
  const Uuid device = create_device(ground.link, "device");
  const std::vector<std::uint8_t> bytes{1, 2, 3, 4, 5};
  Script script;
  script.begin();
  script.write_bytes(device, 10, bytes);
  std::ranges::copy(bytes, script.write_room(device, 20, 5).begin());
  script.write_metadata_bytes(device, 7, bytes);
  script.commit();
  script.check_bytes(device, 10, bytes);
  script.check_metadata_bytes(device, 8, std::span(bytes).subspan(1));
  script.read_bytes(device, 10, 5);
  script.read_block(device, 0);
  script.read_metadata_bytes(device, 6, 3);
  script.add(Program().read_length(device).list_devices("", "", 10).read_extents(device, 0, 25));
  script.begin();
  script.abort();
  Program program;
  program.begin().write_bytes(device, 10, bytes).write_bytes(device, 20, bytes).write_metadata_bytes(device, 7, bytes);
  program.commit().check_bytes(device, 10, bytes).check_metadata_bytes(device, 8, std::span(bytes).subspan(1));
  program.read_bytes(device, 10, 5).read_block(device, 0).read_metadata_bytes(device, 6, 3).read_length(device);
  program.list_devices("", "", 10).read_extents(device, 0, 25).begin().abort();
  CHECK(std::ranges::equal(script.bytes(), program.bytes()));
  CHECK(script.changes());
  // Sent ahead, twice, and run behind these.
  script.clear();
  CHECK_FALSE(script.changes());
  script.add(program);
  Answers answers;
  const Link::Ticket tickets[] = {ground.link.send(script), ground.link.send(script)};
  for (int way = 0; way < 3; ++way) {
    const Result<> done = way == 2   ? ground.link.receive(tickets[1], answers)
                          : way == 1 ? ground.link.receive(tickets[0], answers)
                                     : ground.link.run(script, answers);
    REQUIRE_MESSAGE(done.has_value(), words_of(done));
    REQUIRE_EQ(answers.size(), 15);
    CHECK(std::ranges::equal(answers.bytes(7), bytes));
    CHECK_EQ(answers.bytes(8)[21], 2);
    CHECK_EQ(answers.bytes(9)[1], 1);
    CHECK_EQ(answers.u64(10), 25);
    CHECK_EQ(devices_of(answers[11]).size(), 1);
    CHECK_EQ(extents_of(answers[12]).back().flags, 0);
  }
}

TEST_CASE("a failure says which instruction it was, and what that was for") {
  MemoryGround ground;
  const Uuid device = create_device(ground.link, "device");
  Script script(true);
  Answers answers;
  script.note([] { return std::string("all is well"); });
  script.add(Program().read_length(device));
  script.note([] { return std::string("more than there is"); });
  script.read_bytes(device, 0, 5);
  script.add(Program().read_length(device));
  const auto done = ground.link.run(script, answers);
  REQUIRE_FALSE(done.has_value());
  CHECK_EQ(done.error().status, Status::out_of_range);
  CHECK_EQ(done.error().instruction, 1);
  CHECK(done.error().words.starts_with("Out of range: "));
  CHECK(done.error().words.ends_with("(more than there is)."));
  CHECK_EQ(answers.size(), 3);
  CHECK_EQ(answers.u64(2), 0);
  Script unexplained;
  unexplained.note([]() -> std::string { throw 1; });
  CHECK(unexplained.notes().empty());
}

TEST_CASE("answers that are cut off, or are none, and commits of which nobody knows, are told to be that") {
  MemoryGround ground;
  const Uuid device = create_device(ground.link, "device");
  const auto finish = [](const Script& script, std::vector<std::uint8_t> stream) {
    Answers answers;
    answers.start() = std::move(stream);
    const auto done = answers.finish(script);
    REQUIRE(!done.has_value());
    return done.error();
  };
  constexpr auto ok = static_cast<std::uint8_t>(Status::ok), failed = static_cast<std::uint8_t>(Status::io_error);
  Script script;
  script.begin();
  script.commit();
  const Failure committed = finish(script, {ok, failed, 0, 0}), begun = finish(script, {failed, 0, 0, failed, 0, 0});
  CHECK_EQ(committed.status, Status::io_error);
  CHECK(committed.is_in_doubt);
  CHECK_FALSE(begun.is_in_doubt);
  script.clear();
  script.read_bytes(device, 0, 5);
  script.read_bytes(device, 0, 5);
  const Failure gone = finish(script, {ok, 1, 2, 3, 4, 5, ok, 1, 2});
  CHECK_EQ(gone.status, Status::io_error);
  CHECK_EQ(gone.instruction, Failure::nowhere);
  CHECK_EQ(gone.words, "The other side ended the session before it had answered.");
  script.clear();
  script.add(Program().read_columns(device));
  Answers answers;
  static_cast<void>(answers.start());
  CHECK_FALSE(answers.take(script, std::vector<std::uint8_t>{ok, 0xFF, 0xFF, 0xFF, 0xFF}).has_value());
  // Of several whose number is known, behind one whose length is not.
  const Program::DeviceName names[] = {{device, "one"}};
  script.clear();
  script.add(Program().list_devices("", "", 10).snapshot(names));
  REQUIRE(ground.link.run(script, answers).has_value());
  CHECK_EQ(uuids_of(answers[1]).size(), 1);
  // Of a place on a device is damage, and what the disk does not give; not that a session has ended.
  const auto words = [](Status status, std::size_t instruction) {
    return damage_of("d", {status, "Words.", instruction}).words;
  };
  CHECK_EQ(words(Status::corrupt, 0), "\"d\": Words.");
  CHECK_EQ(words(Status::io_error, 0), "\"d\": Words.");
  CHECK_EQ(words(Status::io_error, Failure::nowhere), "Words.");
  CHECK_EQ(words(Status::not_found, 0), "Words.");
}

TEST_CASE("what is read is of the version, or it is a conflict") {
  MemoryGround ground;
  Version version = create_version(ground.link, "version");
  const Uuid device = create_device(ground.link, "device");
  const std::vector<std::uint8_t> bytes{1, 2, 3};
  Script script;
  Answers answers;
  script.write_bytes(device, 0, bytes);
  REQUIRE(ground.link.run(script, answers).has_value());
  const auto read = [&] {
    Reading reading(script, version);
    script.read_bytes(device, 0, 3);
    return reading.run(ground.link, answers);
  };
  REQUIRE(read().has_value());
  CHECK(std::ranges::equal(answers.bytes(1), bytes));
  // Changed before the script, and within it, as far as anybody can tell.
  Reading reading(script, version);
  version.change(script, version.number + 1);
  CHECK_EQ(reading.run(ground.link, answers).error().status, Status::conflict);
  CHECK_EQ(read().error().status, Status::conflict);
  ++version.number;
  CHECK(read().has_value());
  // Another failure is that.
  Reading other(script, version);
  script.read_bytes(device, 0, 4);
  CHECK_EQ(other.run(ground.link, answers).error().status, Status::out_of_range);
}

}  // namespace
}  // namespace chimera::tables::testing
