// What one instruction after the other cannot say: copies that go on while others have their turns, devices that take
// each other's content, snapshots of very many devices.

#include <doctest/doctest.h>

#include <fmt/format.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/devices/journal_rig.h"

namespace chimera::devices::testing {
namespace {

/// Where somebody else may do something in the middle of a copy.
class CopyRig {
 public:
  explicit CopyRig(std::uint64_t copied) : copied_(copied) {
    rig().run_well(Program()
                       .create_device("plain", {}, {}, plain)
                       .create_device("target", {}, {}, target)
                       .write_bytes(target, 0, pattern(1, 100'000))
                       .write_bytes(plain, 3 * mebi, pattern(2, 100'000))
                       .write_bytes(plain, copied - mebi, pattern(3, 100'000))
                       .write_length(plain, copied)
                       .sync());
    other_ = rig().machine->connect();
  }
  PoolRig& rig() { return journal.rig; }
  vm::Session& other() { return *other_; }

  /// Begins the copy, and gives it some turns.
  void begin() {
    rig().session->feed(Program().copy_bytes(plain, 0, target, mebi, copied_).bytes());
    for (unsigned turns = 0; turns < 4; ++turns) turn();
    REQUIRE(rig().session->answers().empty());
  }
  void turn() {
    rig().machine->run_ready();
    rig().loop.step(0);
  }
  /// Another session changes the source and waits for that; the copy must not come to its end meanwhile.
  void change_source(const Program& program) {
    rig().run(*other_, Program().append(instructions_of(program.bytes()).front()).flush_device(plain));
    REQUIRE(rig().session->answers().empty());
  }
  void end() {
    rig().wait_for(*rig().session);
    CHECK(journal.all_well(Program().copy_bytes(plain, 0, target, mebi, copied_)));
    rig().sync();
    rig().run_well(Program().check_bytes(target, 4 * mebi, pattern(2, 100'000)));
  }

  JournalRig journal{(64 * mebi) / block_size};

 private:
  std::uint64_t copied_;
  std::unique_ptr<vm::Session> other_;
};

/// So many turns that others come to the end of something meanwhile.
constexpr std::uint64_t long_way = 1024 * mebi;

TEST_CASE("a large copy is a record, and what its source was before others changed it") {
  CopyRig copy(long_way);
  const std::uint64_t checkpoints = copy.rig().pool().checkpoint().count();
  copy.begin();
  copy.change_source(Program().write_bytes(plain, 3 * mebi, pattern(4, 50'000)));
  check_crash(copy.journal);  // without the copy
  check_books(copy.journal.crash());
  SUBCASE("a crash takes it away") {}
  SUBCASE("it ends") { copy.end(); }
  SUBCASE("its source is deleted meanwhile") {
    copy.rig().run(copy.other(), Program().delete_device_by_force(plain));
    copy.rig().wait_for(*copy.rig().session);
    copy.rig().session->take_answers(copy.rig().session->answers().size());
    copy.rig().sync();
    CHECK(copy.rig().store().find(plain) == nullptr);
  }
  SUBCASE("its session goes where nothing is recorded") {
    copy.rig().pool().journal().break_off();
    copy.rig().session = copy.rig().machine->connect();
    copy.rig().sync();
    CHECK_EQ(copy.rig().pool().checkpoint().count(), checkpoints + 1);
    check_crash(copy.journal);
    check_books(copy.journal.crash());
    return;
  }
  SUBCASE("its session goes") {
    copy.rig().session = copy.rig().machine->connect();
    copy.rig().sync();
  }
  CHECK_EQ(copy.rig().pool().checkpoint().count(), checkpoints);
  check_crash(copy.journal);
  check_books(copy.journal.crash());
}

TEST_CASE("a checkpoint amid a large copy keeps what it copies for the record of its end") {
  CopyRig copy(4 * long_way);
  copy.begin();
  copy.change_source(Program().write_bytes(plain, 3 * mebi, pattern(4, 50'000)));
  const std::uint64_t published = copy.rig().pool().checkpoint().published();
  copy.rig().pool().want_checkpoint();
  while (copy.rig().pool().checkpoint().published() == published) copy.turn();
  REQUIRE(copy.rig().session->answers().empty());
  copy.journal.disk.hold = true;  // it is the last one
  copy.change_source(Program().write_bytes(plain, 4 * mebi, pattern(5, 50'000)));
  check_crash(copy.journal);  // without the copy
  check_books(copy.journal.crash());
  copy.end();
  CHECK(kinds_in(records_of(copy.journal.crash())).contains("7F 87"));
  CHECK_FALSE(kinds_in(records_of(copy.journal.crash())).contains("7F 86"));
  check_crash(copy.journal);
  check_books(copy.journal.crash());
}

TEST_CASE("copies of a gigabyte want a checkpoint, short as their records are") {
  JournalRig journal((256 * mebi) / block_size);
  PoolRig& rig = journal.rig;
  rig.run_well(Program().create_device("plain", {}, {}, plain).create_device("target", {}, {}, target));
  rig.run_well(Program().write_length(plain, long_way).sync());
  const std::uint64_t checkpoints = rig.pool().checkpoint().count();
  const auto copy = [&](std::uint64_t count) {
    rig.run_well(Program().copy_bytes(plain, 0, target, 0, count).sync());
    rig.settle();
  };
  constexpr std::uint64_t at_once = 4 * mebi;
  for (std::uint64_t copied = 0; copied < long_way; copied += at_once) copy(at_once);
  CHECK_EQ(rig.pool().checkpoint().count(), checkpoints);
  copy(at_once);
  CHECK_EQ(rig.pool().checkpoint().count(), checkpoints + 1);
  copy(long_way);
  CHECK_EQ(rig.pool().checkpoint().count(), checkpoints + 1);
  copy(2 * at_once);
  CHECK_EQ(rig.pool().checkpoint().count(), checkpoints + 2);
}

TEST_CASE("devices that take each other's content in one step do so in a replay") {
  JournalRig journal;
  PoolRig& rig = journal.rig;
  rig.run_well(Program()
                   .create_device("plain", {}, {}, plain)
                   .write_bytes(plain, 0, pattern(1, 30'000))
                   .clone_device(plain, "other")
                   .write_bytes(plain, 0, pattern(2, 5000))
                   .open_device("other")
                   .write_bytes(implied, 0, pattern(3, 5000))
                   .sync());
  const Uuid other = named(rig, "other");
  const std::uint64_t checkpoints = rig.pool().checkpoint().count();
  rig.run_well(Program().begin().clone_device(plain, "for a moment").roll_back_device(plain, other));
  const Uuid moment = uuid_in(rig.run_well(Program().open_device("for a moment")));
  rig.run_well(Program().roll_back_device(other, moment).delete_device(moment).commit());
  rig.run_well(Program().check_bytes(plain, 0, pattern(3, 5000)).check_bytes(other, 0, pattern(2, 5000)));
  CHECK_EQ(rig.pool().checkpoint().count(), checkpoints);
  CHECK(kinds_in(records_of(journal.crash())).contains("7F 85"));
  check_crash(journal);
  check_books(journal.crash());
}

TEST_CASE("a snapshot of many devices is a record, one that is longer than a record can be is left to a checkpoint") {
  JournalRig journal((256 * mebi) / block_size, {.journal_bytes = 2 * mebi});
  PoolRig& rig = journal.rig;
  rig.run_well(Program().create_device("plain", {}, {}, plain).write_bytes(plain, 0, pattern(1, 30'000)).sync());
  constexpr std::size_t beside_name = 40;
  for (const bool fits : {true, false}) {
    const std::size_t name_bytes = fits ? 200 : 250;
    const std::size_t count = rig.pool().journal().largest_step() / (name_bytes + beside_name) + (fits ? 0 : 1);
    std::vector<std::string> names;
    for (std::size_t n = 0; n < count; ++n) names.push_back(fmt::format("{:>{}}", n, name_bytes));
    std::vector<Program::DeviceName> devices;
    for (const std::string& name : names) devices.emplace_back(plain, name);
    const Program program = Program().write_byte(plain, 5, 1).snapshot(devices).write_byte(plain, 6, 2).sync();
    // No checkpoint comes to its end.
    journal.disk.hold = true;
    rig.session->feed(program.bytes());
    CHECK_EQ(journal.wait(), fits);
    if (fits) check_crash(journal);
    journal.disk.release();
    CHECK(journal.wait());
    CHECK(journal.all_well(program));
    rig.settle();
    check_crash(journal);
  }
  check_books(journal.crash());
}

}  // namespace
}  // namespace chimera::devices::testing
