// The journal on its disk: what damage to it means, its laps, its tail, and its place.

#include <doctest/doctest.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/devices/journal_rig.h"
#include "tests/devices/journal_ring.h"
#include "tests/devices/superblock_damage.h"

namespace chimera::devices::testing {
namespace {

using Kind = io::DiskRequest::Kind;

// ── Damage ───────────────────────────────────────────────────────────────────────────────────────────────────────

struct Ring {
  io::DiskImage image;
  std::vector<JournalRecord> records;
  std::uint64_t first_block;
  std::uint64_t block_count;

  explicit Ring(JournalRig& journal)
      : image(journal.crash()),
        records(records_of(image)),
        first_block(journal.superblock().journal_first_block),
        block_count(journal.superblock().journal_blocks) {}
  /// The image with a bit of a record turned over.
  [[nodiscard]] io::DiskImage damaged(std::size_t record, std::uint64_t bit) const {
    constexpr std::uint64_t bits = block_size * 8;
    io::DiskImage copy = image;
    copy.flip_bit(first_block + (records[record].position.block + bit / bits) % block_count,
                  static_cast<unsigned>(bit % bits));
    return copy;
  }
};

/// Each a record of a block.
constexpr std::uint64_t commit_count = 10;

Ring ring_of_commits() {
  JournalRig journal;
  const Uuid device = journal.rig.create("counter");
  journal.rig.checkpoint();
  journal.rig.settle();
  for (std::uint64_t n = 1; n <= commit_count; ++n) journal.rig.run_well(commit_of(device, n));
  Ring ring(journal);
  REQUIRE_EQ(ring.records.size(), commit_count);
  return ring;
}

/// A bit in each field of the header, and in the instructions.
constexpr std::pair<const char*, std::uint64_t> fields[] = {
    {"magic", 3},         {"sequence", 8 * 8 + 1}, {"durable", 16 * 8 + 2}, {"epoch", 24 * 8 + 7},
    {"chain", 28 * 8},    {"length", 32 * 8 + 4},  {"reserved", 40 * 8},    {"content's checksum", 52 * 8 + 9},
    {"checksum", 60 * 8}, {"instructions", 70 * 8}};

TEST_CASE("a damaged record is refused where something says that it was durable") {
  const Ring ring = ring_of_commits();
  const std::uint64_t last = ring.records.back().position.sequence;
  for (const std::size_t damaged : {0u, 4u, 8u}) {
    for (const auto& [field, bit] : fields) {
      CAPTURE(damaged);
      CAPTURE(field);
      const io::DiskImage image = ring.damaged(damaged, bit);
      for (const bool read_only : {true, false}) {
        const Recovered refused(image, read_only);
        REQUIRE_FALSE(refused.store);
        const std::uint64_t sequence = ring.records[damaged].position.sequence;
        CHECK(contains(refused.error, fmt::format("damaged at record {},", sequence)));
        CHECK(contains(refused.error, fmt::format("up to {} had been made durable", last - 1)));
        CHECK(contains(refused.error, "would be lost"));
        CHECK_EQ(refused.disk.started(Kind::write), read_only ? 0 : 1);  // the superblock, once more
      }
    }
  }
}

TEST_CASE("the last record is cut off if it is damaged: nothing says that it was durable") {
  const Ring ring = ring_of_commits();
  for (const auto& [field, bit] : fields) {
    CAPTURE(field);
    const io::DiskImage image = ring.damaged(commit_count - 1, bit);
    Recovered recovered(image);
    CHECK_EQ(recovered.error, "");
    CHECK_EQ(recovered.number_in("counter"), commit_count - 1);
    // What is left of it does not come back behind what follows.
    PoolRig rig(image);
    rig.run_well(commit_of(rig.store().find("counter")->uuid(), 77));
    Recovered again(rig.disk.crash_images({.enumerate_up_to = 0}).at(0));
    CHECK_EQ(again.error, "");
    CHECK_EQ(again.number_in("counter"), 77);
  }
}

TEST_CASE("damage behind the end of a record does not matter") {
  const Ring ring = ring_of_commits();
  Recovered recovered(ring.damaged(4, block_size * 8 - 1));
  CHECK_EQ(recovered.error, "");
  CHECK_EQ(recovered.number_in("counter"), commit_count);
}

TEST_CASE("a damaged journal leaves the state of the last checkpoint to be looked at") {
  const Ring ring = ring_of_commits();
  io::SimulatedLoop loop(1);
  io::SimulatedDisk disk(loop, ring.damaged(2, 0));
  const auto store = open_store(loop, disk, {.cache_bytes = limits::smallest_cache, .without_journal = true});
  REQUIRE_MESSAGE(store, error_of(store));
  CHECK_EQ((*store)->find("counter")->length(), 0);
  CHECK_EQ(disk.started(Kind::write), 0);
}

/// A record as long as one can be: much is done while a checkpoint keeps the journal from sealing anything.
TEST_CASE("the longest record, damaged, is not too long to see what lies behind it") {
  JournalRig journal((64 * mebi) / block_size, {.journal_bytes = limits::smallest_journal});
  PoolRig& rig = journal.rig;
  const Uuid device = rig.create("counter");
  const Uuid large = rig.create("large");
  rig.run_well(Program().write_bytes(large, 0, pattern(1, 10'000)).write_length(large, 8 * mebi).sync());
  journal.disk.hold = true;
  rig.pool().journal().break_off();
  rig.pool().want_checkpoint();
  rig.settle();
  REQUIRE(journal.disk.holding());
  constexpr std::uint64_t most_bytes = limits::smallest_journal / 4;
  constexpr std::uint64_t piece = 4000;
  for (std::uint64_t bytes = 0; bytes + 3 * piece < most_bytes; bytes += piece + 40) {
    rig.run_well(Program().write_bytes(device, 8, pattern(bytes, piece)));
  }
  rig.run_well(Program().write_bytes(large, 0, pattern(3, 24 * mebi)));
  journal.disk.release();
  rig.settle();
  rig.run_well(commit_of(device, 1));
  rig.run_well(commit_of(device, 2));
  const Ring ring(journal);
  REQUIRE_GE(ring.records.size(), 2);
  const auto longest = std::ranges::max_element(ring.records, {}, &JournalRecord::blocks);
  CHECK_GT(longest->blocks, ring.block_count / 4 + 20);
  const auto index = static_cast<std::size_t>(longest - ring.records.begin());
  for (const std::uint64_t bit : {std::uint64_t{0}, std::uint64_t{100 * block_size * 8}}) {
    const Recovered refused(ring.damaged(index, bit));
    CHECK(contains(refused.error, fmt::format("damaged at record {},", longest->position.sequence)));
  }
  Recovered whole(ring.image);
  CHECK_EQ(whole.error, "");
  CHECK_EQ(difference(journal.content(), whole.content()), "");
}

TEST_CASE("a superblock with a bit turned over does not count") { CHECK_EQ(run_superblock_test(), ""); }

// ── The ring ─────────────────────────────────────────────────────────────────────────────────────────────────────

TEST_CASE("small commits go round the ring, and a crash leaves the last of them") { CHECK_EQ(run_lap_test(), ""); }

TEST_CASE("commits beside a checkpoint that does not end wait for room, and a crash leaves the last of them") {
  CHECK_EQ(run_tail_test(), "");
}

/// A number, and so much more in small pieces that it becomes a record although nobody waits for it. So the record is
/// not written through, and the next one does not wait for it.
Program unhurried(const Uuid& device, std::uint64_t number) {
  std::vector<std::uint8_t> bytes(sizeof number);
  std::memcpy(bytes.data(), &number, sizeof number);
  Program program;
  program.write_bytes(device, 0, bytes);
  const std::vector<std::uint8_t> piece(100, 7);
  for (std::uint64_t n = 0; n < 3000; ++n) program.write_bytes(device, 8192 + 200 * n, piece);
  return program;
}

/// A crash that has kept the second of two records that were on their way at the same time, and not the first.
struct AbandonedTail {
  io::DiskImage image;
  std::uint64_t number;  ///< that the lost record would have written
};

AbandonedTail abandoned_tail() {
  JournalRig journal;
  PoolRig& rig = journal.rig;
  const Uuid device = rig.create("counter");
  std::optional<io::DiskImage> found;
  std::uint64_t number = 1;
  for (; number < 400; number += 2) {
    rig.checkpoint();
    rig.settle();
    journal.open();  // what it knows then is what the next one to open it will know
    const std::unique_ptr<vm::Session> other = rig.machine->connect();
    const Superblock& superblock = journal.superblock();
    const JournalPosition next = journal.writer().next();
    std::uint64_t second = next.block;  // once the first is on its way: where the next one begins
    const auto has = [&](const io::DiskImage& image, std::uint64_t record) {
      Block block;
      const std::uint64_t place = record == 0 ? next.block : second;
      image.read_block(superblock.journal_first_block + place % superblock.journal_blocks, block);
      JournalHeader header;
      std::memcpy(&header, block.data(), sizeof header);
      return header.magic == JournalHeader::right_magic && header.sequence == next.sequence + record;
    };
    rig.disk.at_boundaries([&](auto, const auto&) {
      const io::CrashImages images = rig.disk.crash_images({.enumerate_up_to = 0, .most_singles = 0, .samples = 0});
      for (std::size_t index = 0; index < images.size() && !found; ++index) {
        io::DiskImage image = images.at(index);
        if (!has(image, 0) && has(image, 1)) found = std::move(image);
      }
    });
    rig.session->feed(unhurried(device, number).bytes());
    while (journal.writer().last() < next.sequence && (rig.machine->run_ready() || rig.loop.step(0) > 0)) continue;
    second = journal.writer().next().block;
    other->feed(commit_of(device, number + 1).bytes());
    rig.wait_for(*other);
    rig.wait_for(*rig.session);
    rig.disk.at_boundaries({});
    for (vm::Session* session : {other.get(), rig.session.get()}) session->take_answers(session->answers().size());
    if (found) break;
  }
  REQUIRE(found);
  return {*found, number};
}

TEST_CASE("a record that a crash has cut off from those before it never counts again") {
  const AbandonedTail tail = abandoned_tail();
  const Uuid device = [&] {
    Recovered before(tail.image);
    REQUIRE_EQ(before.error, "");
    REQUIRE_LT(before.number_in("counter"), tail.number);
    return before.store->find("counter")->uuid();
  }();
  // The same as the one that was lost, at the same place: it must not be continued by what lies behind it.
  PoolRig rig(tail.image);
  rig.run_well(unhurried(device, tail.number));
  while (rig.loop.step(0) > 0) continue;
  Recovered after(rig.disk.crash_images({.enumerate_up_to = 0}).at(1));
  REQUIRE_EQ(after.error, "");
  CHECK_EQ(after.number_in("counter"), tail.number);
}

TEST_CASE("a stream of small writes without a pause goes through the smallest journal") {
  constexpr std::size_t streams = 4;
  constexpr std::uint64_t writes = 30'000;
  constexpr std::uint64_t length = mebi;
  JournalRig journal;
  PoolRig& rig = journal.rig;
  REQUIRE_EQ(journal.writer().block_count(), limits::smallest_journal / block_size);
  std::vector<std::unique_ptr<vm::Session>> sessions;
  std::vector<std::vector<std::uint8_t>> expected(streams, std::vector<std::uint8_t>(length));
  std::vector<Uuid> devices;
  io::SeededRandom random(1);
  for (std::size_t n = 0; n < streams; ++n) {
    devices.push_back(rig.create(std::to_string(n), "size=1M"));
    Program program;
    for (std::uint64_t count = 1; count <= writes; ++count) {
      const std::uint64_t at = random.below(length - 100);
      const std::vector<std::uint8_t> bytes = pattern(count, 1 + random.below(100));
      std::ranges::copy(bytes, expected[n].begin() + static_cast<std::ptrdiff_t>(at));
      program.write_bytes(devices.back(), at, bytes);
      if (count % 1000 == 0) program.sync();
    }
    sessions.push_back(rig.machine->connect());
    sessions.back()->feed(program.sync().bytes());
  }
  for (const auto& session : sessions) {
    rig.wait_for(*session);
    CHECK(std::ranges::all_of(session->answers(), [](std::uint8_t byte) { return byte == 0; }));
  }
  CHECK_GT(journal.writer().next().block, 3 * journal.writer().block_count());
  PoolRig after(journal.crash());
  for (std::size_t n = 0; n < streams; ++n) {
    rig.run_well(Program().check_bytes(devices[n], 0, expected[n]));
    after.run_well(Program().check_bytes(devices[n], 0, expected[n]));
  }
  sessions.clear();
}

TEST_CASE("a stream of the largest writes goes through the smallest journal") {
  constexpr std::uint64_t writes = 14;
  JournalRig journal((1024 * mebi) / block_size, {.journal_bytes = limits::smallest_journal});
  PoolRig& rig = journal.rig;
  const Uuid device = rig.create("large");
  std::vector<std::uint8_t> bytes = pattern(1, limits::largest_transfer);
  for (std::uint64_t n = 0; n < writes; ++n) {
    std::memcpy(bytes.data(), &n, sizeof n);
    rig.session->feed(Program().write_bytes(device, n % 3 * limits::largest_transfer + n, bytes).bytes());
    if (n % 4 == 0) rig.session->feed(Program().sync().bytes());
  }
  rig.session->feed(Program().sync().bytes());
  rig.wait_for(*rig.session);
  CHECK(std::ranges::all_of(rig.session->answers(), [](std::uint8_t byte) { return byte == 0; }));
  rig.session->take_answers(rig.session->answers().size());
  Recovered after(journal.crash());
  CHECK_EQ(after.error, "");
  CHECK_EQ(difference(journal.content(), after.content()), "");
}

TEST_CASE("small changes wait for a checkpoint that is long in coming, once the journal has no room for them") {
  JournalRig journal;
  PoolRig& rig = journal.rig;
  const Uuid device = rig.create("d");
  rig.run_well(Program().write_length(device, 8 * mebi).sync());
  journal.disk.hold = true;
  rig.pool().journal().break_off();
  rig.pool().want_checkpoint();
  rig.settle();
  REQUIRE(journal.disk.holding());
  const std::vector<std::uint8_t> piece = pattern(1, 2000);
  constexpr std::uint64_t most = 1000;
  std::uint64_t taken = 0;
  Program write;
  for (bool more = true; more && taken < most; taken += more) {
    write = Program().write_bytes(device, taken % 8 * 2000, piece);
    more = journal.try_run(write);
  }
  CHECK_GT(taken, limits::smallest_journal / 4 / 2100 - 10);
  REQUIRE_LT(taken, most);
  journal.disk.release();
  CHECK(journal.wait());
  CHECK(journal.all_well(write));
  rig.sync();
  Recovered after(journal.crash());
  REQUIRE_EQ(after.error, "");
  CHECK_EQ(difference(journal.content(), after.content()), "");
}

TEST_CASE("what is short of an effect is a record too: columns that are taken away") {
  JournalRig journal;
  PoolRig& rig = journal.rig;
  const Uuid device = rig.create("d");
  rig.run_well(Program().write_columns(device, "id u64").sync());
  rig.checkpoint();
  rig.run_well(Program().write_columns(device, "").sync());
  CHECK_FALSE(records_of(journal.crash()).empty());
  Recovered after(journal.crash());
  REQUIRE_EQ(after.error, "");
  CHECK_EQ(after.store->find("d")->columns_length(), 0);
}

TEST_CASE("tokens are kept in records, beside those of before that have to be read first") {
  JournalRig journal;
  PoolRig& rig = journal.rig;
  const Uuid device = rig.create("d");
  for (std::uint8_t n = 1; n <= 2; ++n) {
    rig.run_well(Program().begin().write_byte(device, 0, n).commit_with_token({{n}}));
    if (n == 1) rig.checkpoint();
  }
  Recovered after(journal.crash(), false);
  REQUIRE_EQ(after.error, "");
  CHECK_EQ(difference(journal.content(), after.content()), "");
  PoolRig again(journal.crash());
  for (std::uint8_t n = 1; n <= 2; ++n) CHECK(again.run(Program().outcome_of_token({{n}})).front().ok());
}

// ── Its place ────────────────────────────────────────────────────────────────────────────────────────────────────

Superblock first_superblock(const io::DiskImage& image) {
  Superblock superblock;
  image.read_block(0, std::as_writable_bytes(std::span(&superblock, 1)).first<block_size>());
  return superblock;
}

TEST_CASE("a store without a journal says 1.0.0, and is one") {
  JournalRig journal(smallest_store_blocks, {.journal_bytes = 0});
  PoolRig& rig = journal.rig;
  const Uuid device = rig.create("counter");
  rig.run_well(commit_of(device, 1));
  const std::uint64_t checkpoints = rig.pool().checkpoint().count();
  rig.run_well(commit_of(device, 2));
  CHECK_EQ(rig.pool().checkpoint().count(), checkpoints + 1);
  const Superblock superblock = first_superblock(rig.disk.content());
  CHECK_EQ(superblock.version, std::array<std::uint8_t, 3>{1, 0, 0});
  CHECK_EQ(superblock.journal_first_block, 0);
  CHECK_EQ(superblock.journal_blocks, 0);
  CHECK(std::ranges::all_of(superblock.reserved3, [](std::uint8_t byte) { return byte == 0; }));
  Recovered after(journal.crash());
  CHECK_EQ(after.error, "");
  CHECK_EQ(after.number_in("counter"), 2);
  journal.open();
  rig.run_well(commit_of(device, 3));
  // What no record could say, and what is limited by the ring.
  rig.run_well(Program().write_length(device, 8 * mebi).copy_bytes(device, 0, device, 16 * mebi, 8 * mebi));
  rig.run_well(Program().begin().write_bytes(device, 0, pattern(1, mebi)).commit());
  CHECK_EQ(first_problem(rig.check()), "");
  const JournalRig with;
  CHECK_EQ(first_superblock(with.rig.disk.content()).version, std::array<std::uint8_t, 3>{1, 1, 0});
}

TEST_CASE("a journal of a size that cannot be is refused, and the message says which can") {
  const auto made = [](std::uint64_t store_bytes, std::uint64_t journal_bytes) {
    io::SimulatedLoop loop(1);
    io::SimulatedDisk disk(loop, store_bytes / block_size);
    return error_of(format(loop, disk, {.journal_bytes = journal_bytes}));
  };
  const std::string small = "a journal has 2 to 4 MiB in a store of 16 MiB, or there is none";
  CHECK_EQ(made(16 * mebi, 2 * mebi - block_size), small);
  CHECK_EQ(made(16 * mebi, block_size), small);
  CHECK_EQ(made(16 * mebi, 4 * mebi + block_size), small);
  CHECK_EQ(made(16 * mebi, ~std::uint64_t{0}), small);
  CHECK_EQ(made(16 * mebi, 2 * mebi), "");
  CHECK_EQ(made(16 * mebi, 4 * mebi), "");
  const std::string large = "a journal has 2 to 112 MiB in a store of 1024 MiB, or there is none";
  CHECK_EQ(made(1024 * mebi, 113 * mebi), large);
  CHECK_EQ(made(1024 * mebi, 112 * mebi), "");
}

TEST_CASE("opening for reading replays in memory and writes nothing") {
  const Ring ring = ring_of_commits();
  PoolRig rig(ring.image);  // for its loop and disk
  rig.close();
  io::SimulatedDisk disk(rig.loop, ring.image);
  auto opened = vm::open_store(rig.loop, disk, {.cache_bytes = limits::smallest_cache, .read_only = true});
  REQUIRE_MESSAGE(opened, error_of(opened));
  rig.machine = std::make_unique<vm::Machine>(rig.loop, std::move(*opened));
  rig.session = rig.machine->connect();
  std::vector<std::uint8_t> expected(8);
  expected[0] = commit_count;
  const Uuid device = rig.store().find("counter")->uuid();
  rig.run_well(Program().check_bytes(device, 0, expected).sync());
  CHECK_EQ(rig.run(Program().write_byte(device, 0, 1)).front().status, Status::read_only);
  rig.settle();
  rig.close();
  CHECK_EQ(disk.started(Kind::write), 0);
  CHECK_EQ(disk.started(Kind::flush), 0);
  CHECK(disk.content() == ring.image);
}

}  // namespace
}  // namespace chimera::devices::testing
