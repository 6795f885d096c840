// Whole blocks that stand in the record itself.

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tests/devices/journal_rig.h"

namespace chimera::devices::testing {
namespace {

using Kind = io::DiskRequest::Kind;

std::vector<std::uint8_t> blocks_of(std::uint64_t seed, std::size_t count) {
  return pattern(static_cast<std::uint8_t>(seed), count * block_size);
}

TEST_CASE("few blocks that somebody waits for are durable with one write, more with their own and a flush") {
  JournalRig journal;
  PoolRig& rig = journal.rig;
  const Uuid device = rig.create("d");
  rig.run_well(Program().write_bytes(device, 0, blocks_of(1, 16)).sync());
  rig.checkpoint();
  rig.settle();
  for (const std::size_t count : {1u, 4u, 5u}) {
    CAPTURE(count);
    const std::uint64_t writes = rig.disk.started(Kind::write);
    const std::uint64_t flushes = rig.disk.started(Kind::flush);
    rig.run_well(Program().write_bytes(device, block_size, blocks_of(2 + count, count)).flush_device(device));
    const bool inside = count <= 4;
    CHECK_EQ(rig.disk.started(Kind::write) - writes, inside ? 1 : 2);
    CHECK_EQ(rig.disk.started(Kind::flush) - flushes, inside ? 0 : 1);
    check_crash(journal);
  }
}

TEST_CASE("what comes with the next turns shares the record of who waits, for a few of them") {
  JournalRig journal;
  PoolRig& rig = journal.rig;
  const Uuid device = rig.create("d");
  rig.sync();
  std::vector<std::unique_ptr<vm::Session>> sessions;
  const auto commit = [&] {
    sessions.push_back(rig.machine->connect());
    sessions.back()->feed(Program().write_bytes(device, 100 * sessions.size(), pattern(7, 100)).sync().bytes());
    return rig.machine->run_ready();
  };
  const auto records = [&, before = rig.pool().journal().writer().last()] {
    return rig.pool().journal().writer().last() - before;
  };
  CHECK(commit());
  CHECK(commit());
  CHECK_EQ(records(), 0);
  CHECK_FALSE(rig.machine->run_ready());
  CHECK_EQ(records(), 1);
  rig.settle();
  // Others that come without a pause do not keep the first one waiting.
  unsigned turns = 1;
  while (commit()) ++turns;
  CHECK_EQ(turns, 5);
  CHECK_EQ(records(), 2);
  rig.settle();
  for (const auto& session : sessions) CHECK_EQ(session->answers().size(), 2);
  check_crash(journal);
}

TEST_CASE("where a flush has come behind each write, the record is written before it comes") {
  JournalRig journal;
  PoolRig& rig = journal.rig;
  const Uuid device = rig.create("d");
  rig.sync();
  std::uint64_t seed = 0;
  const auto write = [&] { rig.run_well(Program().write_bytes(device, 0, blocks_of(++seed, 1))); };
  const auto durable = [&] { return rig.pool().journal().durable(); };
  // The first is the sync behind the creation.
  for (std::uint64_t n = 1; n < FlushForecast::least_patience; ++n) {
    const std::uint64_t before = durable();
    write();
    rig.settle();
    CHECK_EQ(durable(), before);
    rig.run_well(Program().flush_device(device));
  }
  for (unsigned n = 0; n < 3; ++n) {
    const std::uint64_t before = durable(), flushes = rig.disk.started(Kind::flush);
    write();
    rig.settle();
    CHECK_EQ(durable(), before + 1);
    check_crash(journal);
    const std::uint64_t writes = rig.disk.started(Kind::write);
    rig.run_well(Program().flush_device(device));
    CHECK_EQ(rig.disk.started(Kind::write), writes);
    CHECK_EQ(rig.disk.started(Kind::flush), flushes);
  }
  // One that comes while it is on its way waits for it.
  rig.session->feed(Program().write_bytes(device, 0, blocks_of(++seed, 1)).bytes());
  for (unsigned turn = 0; turn < 10 && rig.pool().journal().at_rest(); ++turn) rig.machine->run_ready();
  REQUIRE_FALSE(rig.pool().journal().at_rest());
  rig.session->take_answers(rig.session->answers().size());
  rig.run_well(Program().flush_device(device).check_bytes(device, 0, blocks_of(seed, 1)));
  check_crash(journal);
  // Writes that nobody flushes any more are left alone.
  for (unsigned n = 0; n < 3; ++n) write();
  rig.settle();
  const std::uint64_t before = durable();
  for (unsigned n = 0; n < 10; ++n) write();
  rig.settle();
  CHECK_EQ(durable(), before);
}

TEST_CASE("whatever is answered between a write and its flush shares its record, however often it comes") {
  using Between = Program (*)(const Uuid&, std::uint64_t);
  const std::vector<std::pair<std::string, Between>> all = {
      {"clear", [](const Uuid& d, std::uint64_t) { return Program().clear_extents(d, 8 * block_size, block_size); }},
      {"clear metadata", [](const Uuid& d, std::uint64_t) { return Program().clear_metadata(d, 0, 9000); }},
      {"length", [](const Uuid& d, std::uint64_t n) { return Program().write_length(d, 16 * block_size + n); }},
      {"copy", [](const Uuid& d, std::uint64_t) { return Program().copy_bytes(d, 0, d, 9 * block_size, block_size); }},
      {"name", [](const Uuid& d, std::uint64_t n) { return Program().rename_device(d, n % 2 == 0 ? "e" : "f"); }},
  };
  for (const auto& [name, between] : all) {
    CAPTURE(name);
    JournalRig journal;
    PoolRig& rig = journal.rig;
    const Uuid device = rig.create("d");
    rig.sync();
    rig.run_well(Program().write_bytes(device, 0, blocks_of(0, 16)).sync());
    for (std::uint64_t n = 1; n <= 2 * FlushForecast::least_patience; ++n) {
      const JournalWriter& writer = rig.pool().journal().writer();
      const std::uint64_t before = writer.last();
      rig.run_well(Program().write_bytes(device, 0, blocks_of(n, 1)));
      rig.settle();
      rig.run_well(between(device, n));
      rig.settle();
      CHECK_EQ(rig.pool().journal().durable() - before, n > FlushForecast::least_patience ? 1 : 0);
      rig.run_well(Program().flush_device(device));
      CHECK_EQ(writer.last() - before, 1);
    }
    check_crash(journal);
  }
}

TEST_CASE("a block that stands in a record does not make its device longer again") {
  JournalRig journal;
  PoolRig& rig = journal.rig;
  const Uuid device = rig.create("d");
  rig.run_well(Program().write_bytes(device, 0, blocks_of(1, 2)).sync());
  rig.run_well(Program().write_bytes(device, block_size, blocks_of(2, 1)).write_length(device, 5000).sync());
  check_crash(journal);
  rig.run_well(Program().write_bytes(device, 0, blocks_of(3, 1)).write_length(device, 0).sync());
  check_crash(journal);
}

/// Beside a checkpoint that does not end, until there is no room: first some commits of one block, then of four.
void fill_the_ring(unsigned small_commits) {
  JournalRig journal;
  PoolRig& rig = journal.rig;
  const Uuid device = rig.create("d");
  rig.run_well(Program().write_bytes(device, 0, blocks_of(0, 4)).sync());
  rig.checkpoint();
  rig.settle();
  journal.disk.hold = true;
  const auto commit = [&](std::uint64_t n) {
    return Program().begin().write_bytes(device, 0, blocks_of(n, n <= small_commits ? 1 : 4)).commit();
  };
  constexpr std::uint64_t many = 3000;
  std::uint64_t last = 0;
  while (last < many && journal.try_run(commit(last + 1))) ++last;
  CHECK(journal.disk.holding());
  REQUIRE_LT(last, many);
  check_crash(journal);
  journal.disk.release();
  CHECK(journal.wait());
  CHECK(journal.all_well(commit(last + 1)));
  check_crash(journal);
}

TEST_CASE("records with blocks in them find room up to the end of the ring") {
  for (unsigned small_commits = 0; small_commits < 5; ++small_commits) fill_the_ring(small_commits);
}

}  // namespace
}  // namespace chimera::devices::testing
