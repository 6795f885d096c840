// Whatever an instruction does is done again after a crash.

#include <doctest/doctest.h>

#include <fmt/format.h>

#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/devices/journal_rig.h"

namespace chimera::devices::testing {
namespace {

constexpr std::uint64_t last_offset = ~std::uint64_t{0};

const Uuid columned = numbered(2);
const Uuid fixed = numbered(3);
const Uuid deleted = numbered(4);

/// A program that finds its devices when it is run.
struct Step {
  const char* what;
  std::function<Program(PoolRig&)> program;
};

const Step steps[] = {
    {"create", [](PoolRig&) { return Program().create_device("plain", {}, {}, plain); }},
    {"create with columns",
     [](PoolRig&) { return Program().create_device("columned", "id u64, name text", {}, columned); }},
    {"create with a length", [](PoolRig&) { return Program().create_device("fixed", {}, "size=1000000", fixed); }},
    {"create without a UUID",
     [](PoolRig&) { return Program().create_device("other", "c").append_bytes(implied, pattern(1, 5000)); }},
    {"bytes", [](PoolRig&) { return Program().write_byte(plain, 100, 7).swap_byte(plain, 100, 9); }},
    {"a range with both ends in the middle of a block",
     [](PoolRig&) { return Program().write_bytes(plain, 3000, pattern(2, 20'000)); }},
    {"a swap of bytes", [](PoolRig&) { return Program().swap_bytes(plain, 5000, pattern(3, 9000)); }},
    {"whole blocks", [](PoolRig&) { return Program().write_bytes(plain, 40 * kibi, pattern(4, 64 * kibi)); }},
    {"blocks",
     [](PoolRig&) {
       return Program()
           .write_block(plain, 8192, as_block(pattern(5, block_size)))
           .swap_block(plain, 12'288, as_block(pattern(6, block_size)));
     }},
    {"the last block of a fixed length",
     [](PoolRig&) { return Program().write_block(fixed, 999'424, as_block(pattern(7, block_size))); }},
    {"far away", [](PoolRig&) { return Program().write_bytes(plain, 1ull << 40, pattern(8, 10'000)); }},
    {"a block, and a part of it",
     [](PoolRig&) {
       return Program().write_block(plain, 16'384, as_block(pattern(9, block_size))).write_byte(plain, 16'400, 1);
     }},
    {"a part of a block, and all of it",
     [](PoolRig&) {
       return Program().write_byte(plain, 20'500, 1).write_block(plain, 20'480, as_block(pattern(10, block_size)));
     }},
    {"appends",
     [](PoolRig&) {
       return Program().append_bytes(columned, pattern(11, 100)).append_bytes(columned, pattern(12, 9000));
     }},
    {"columns: longer, shorter, none",
     [](PoolRig&) {
       return Program()
           .write_columns(columned, std::string(9000, 'c'))
           .write_columns(plain, std::string(9000, 'd'))
           .write_columns(plain, "short")
           .write_columns(fixed, "x")
           .write_columns(fixed, "");
     }},
    {"metadata",
     [](PoolRig&) {
       return Program()
           .write_metadata(plain, 1ull << 63, 5)
           .write_metadata(plain, last_offset, 6)
           .write_metadata_bytes(plain, (1ull << 40) - 100, pattern(13, 20'000));
     }},
    {"clear metadata", [](PoolRig&) { return Program().clear_metadata(plain, (1ull << 40) + 1000, 9000); }},
    {"clear: parts of blocks and whole ones",
     [](PoolRig&) { return Program().clear_extents(plain, 8202, 9000).clear_extents(plain, 48 * kibi, 8 * kibi); }},
    {"clear what has just been written",
     [](PoolRig&) {
       return Program().write_bytes(plain, 200 * kibi, pattern(14, 40'000)).clear_extents(plain, 204 * kibi, 16 * kibi);
     }},
    {"lengths",
     [](PoolRig&) {
       return Program()
           .write_length(columned, mebi)
           .write_length(columned, 8005)
           .write_length(plain, (1ull << 40) + 5000);
     }},
    {"clone", [](PoolRig&) { return Program().clone_device(plain, "clone"); }},
    {"both sides of a clone",
     [](PoolRig& rig) {
       return Program()
           .write_bytes(plain, 0, pattern(15, 10'000))
           .write_bytes(named(rig, "clone"), 4096, pattern(16, 10'000));
     }},
    {"clones of what has just been written",
     [](PoolRig&) {
       return Program()
           .write_bytes(columned, 0, pattern(17, 20'000))
           .clone_device(columned, "second clone")
           .write_bytes(columned, 100, pattern(18, 20'000));
     }},
    {"snapshot",
     [](PoolRig&) {
       const Program::DeviceName devices[] = {{plain, "plain's"}, {columned, "columned's"}};
       return Program().snapshot(devices);
     }},
    {"roll back",
     [](PoolRig& rig) {
       return Program()
           .write_bytes(plain, 0, pattern(19, 30'000))
           .roll_back_device(plain, named(rig, "clone"))
           .write_bytes(plain, 50, pattern(20, 100));
     }},
    {"rename", [](PoolRig&) { return Program().rename_device(columned, "renamed").create_device("columned"); }},
    {"protect",
     [](PoolRig&) { return Program().write_bytes(fixed, 0, pattern(21, 9000)).protect_device(fixed, true); }},
    {"unprotect",
     [](PoolRig&) {
       return Program()
           .protect_device(fixed, false)
           .write_bytes(fixed, 4096, pattern(22, 4096))
           .protect_device(fixed, true);
     }},
    {"delete",
     [](PoolRig&) {
       return Program()
           .create_device("deleted", "c", {}, deleted)
           .write_bytes(deleted, 0, pattern(23, 30'000))
           .delete_device(deleted);
     }},
    {"delete by force, and make it anew",
     [](PoolRig& rig) {
       return Program()
           .delete_device_by_force(named(rig, "columned"))
           .create_device("columned", {}, {}, deleted)
           .write_bytes(deleted, 5, pattern(24, 5000));
     }},
    {"copy",
     [](PoolRig&) {
       return Program()
           .create_device("target", {}, {}, target)
           .write_bytes(columned, 0, pattern(25, 40'000))
           .copy_bytes(columned, 0, target, 8192, 32 * kibi)
           .write_bytes(columned, 0, pattern(26, 9000));
     }},
    {"copy that is not aligned", [](PoolRig&) { return Program().copy_bytes(columned, 5, target, 50'001, 20'000); }},
    {"copy within a device", [](PoolRig&) { return Program().copy_bytes(target, 8192, target, 12'288, 16 * kibi); }},
    {"copy that goes on between others",
     [](PoolRig&) {
       return Program()
           .write_bytes(columned, 3 * mebi, pattern(28, 40'000))
           .write_length(columned, 7 * mebi)
           .copy_bytes(columned, 0, target, mebi, 6 * mebi)
           .write_bytes(columned, 3 * mebi, pattern(29, 20'000));
     }},
    {"overwrite what is shared", [](PoolRig&) { return Program().write_bytes(target, 10'000, pattern(27, 9000)); }},
};

/// Those that a journal knows: each has to be met, or the steps show less than they seem to.
const std::set<std::string> needed = {"write bytes",
                                      "write length",
                                      "clear extents",
                                      "write metadata bytes",
                                      "clear metadata",
                                      "create device",
                                      "rename device",
                                      "protect device",
                                      "roll back device",
                                      "delete device by force",
                                      "copy bytes",
                                      "7F 80",
                                      "7F 81",
                                      "7F 82",
                                      "7F 83",
                                      "7F 86",
                                      "7F 87"};

TEST_CASE("every kind of effect is replayed, from a record each") {
  JournalRig journal;
  for (const Step& step : steps) {
    CAPTURE(step.what);
    journal.rig.run_well(step.program(journal.rig));
    journal.rig.sync();
    check_crash(journal);
  }
  const std::vector<JournalRecord> records = records_of(journal.crash());
  CHECK_EQ(records.size(), std::size(steps));
  CHECK_EQ(kinds_in(records), needed);
  check_books(journal.crash());
}

TEST_CASE("every kind of effect is replayed, from one record") {
  JournalRig journal;
  for (const Step& step : steps) journal.rig.run_well(step.program(journal.rig));
  journal.rig.sync();
  CHECK_LE(records_of(journal.crash()).size(), 2);
  check_crash(journal);
  check_books(journal.crash());
}

TEST_CASE("every kind of effect is replayed, where a crash comes before the superblock of a checkpoint") {
  for (std::size_t before = 0; before <= std::size(steps); before += 5) {
    CAPTURE(before);
    JournalRig journal;
    PoolRig& rig = journal.rig;
    for (std::size_t n = 0; n < before; ++n) rig.run_well(steps[n].program(rig));
    journal.disk.hold = true;
    rig.pool().blocks().want_checkpoint();
    rig.settle();
    for (std::size_t n = before; n < std::size(steps); ++n) rig.run_well(steps[n].program(rig));
    rig.sync();
    CHECK_EQ(journal.disk.holding(), before > 0);
    CHECK_FALSE(records_of(journal.crash()).empty());
    check_crash(journal);
    check_books(journal.crash());
    journal.disk.release();
    rig.settle();
    check_crash(journal);
    check_books(journal.crash());
  }
}

TEST_CASE("a replay has the same effect twice") {
  JournalRig journal;
  for (const Step& step : steps) journal.rig.run_well(step.program(journal.rig));
  journal.rig.sync();
  PoolRig once(journal.crash());
  // Not published: the records are replayed once more, by who finds them beside what the first has begun.
  const std::vector<std::uint8_t> bytes = pattern(99, 70'000);
  once.run_well(Program().write_bytes(target, 0, bytes));
  Recovered twice(once.disk.crash_images({.enumerate_up_to = 0}).at(0));
  REQUIRE_EQ(twice.error, "");
  CHECK_EQ(difference(journal.content(), twice.content()), "");
  Recovered all(once.disk.crash_images({.enumerate_up_to = 0}).at(1));
  REQUIRE_EQ(all.error, "");
  CHECK_EQ(difference(journal.content(), all.content()), "");
}

TEST_CASE("what is done while something waits for a checkpoint that stands for it is recorded behind it") {
  JournalRig journal;
  PoolRig& rig = journal.rig;
  for (std::size_t n = 0; n < 3; ++n) rig.run_well(steps[n].program(rig));
  journal.disk.hold = true;
  rig.pool().journal().break_off();
  rig.pool().want_checkpoint();
  rig.settle();
  REQUIRE(journal.disk.holding());
  for (std::size_t n = 3; n < 10; ++n) rig.run_well(steps[n].program(rig));
  journal.disk.release();
  rig.settle();
  rig.sync();
  CHECK_FALSE(records_of(journal.crash()).empty());
  check_crash(journal);
  check_books(journal.crash());
}

TEST_CASE("who waits for a window that is given up waits for the checkpoint that stands for it") {
  JournalRig journal;
  PoolRig& rig = journal.rig;
  const Uuid device = rig.create("d");
  rig.sync();
  const auto other = rig.machine->connect();
  // The first one's record is on its way, so the other one's window stays open.
  rig.session->feed(Program().write_bytes(device, 0, pattern(7, 100)).sync().bytes());
  while (rig.machine->run_ready()) continue;
  other->feed(Program().write_bytes(device, 200, pattern(8, 100)).sync().bytes());
  rig.machine->run_ready();
  journal.disk.hold = true;
  rig.pool().journal().break_off();
  rig.pool().want_checkpoint();
  rig.settle();
  REQUIRE(journal.disk.holding());
  CHECK_EQ(rig.session->answers().size(), 2);
  CHECK_EQ(other->answers().size(), 1);
  journal.disk.release();
  rig.settle();
  CHECK_EQ(other->answers().size(), 2);
  rig.session->take_answers(2);
  check_crash(journal);
}

TEST_CASE("a store without a journal has none to break off") {
  JournalRig journal(smallest_store_blocks, {.journal_bytes = 0});
  journal.rig.run_well(steps[0].program(journal.rig));
  journal.rig.pool().journal().break_off();
  journal.rig.sync();
  check_crash(journal);
}

}  // namespace
}  // namespace chimera::devices::testing
