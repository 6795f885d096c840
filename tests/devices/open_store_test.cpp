// Making, recognising, opening and growing stores: what is refused, and what a disk that fails is answered with.

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "devices/open.h"
#include "tests/devices/journal_rig.h"

namespace chimera::devices::testing {
namespace {

using Kind = io::DiskRequest::Kind;

/// A disk that says that it has another size than it has.
class ResizedDisk final : public io::Disk {
 public:
  explicit ResizedDisk(io::SimulatedDisk& below) : below_(below) {}
  [[nodiscard]] std::uint64_t block_count() const noexcept override { return blocks ? blocks : below_.block_count(); }
  [[nodiscard]] int grow(std::uint64_t block_count) override { return below_.grow(block_count); }
  void start(io::DiskRequest& request) override {
    if (fails && fails(request)) below_.inject({request.kind});
    below_.start(request);
  }

  std::uint64_t blocks = 0;
  std::function<bool(const io::DiskRequest&)> fails;

 private:
  io::SimulatedDisk& below_;
};

// ── What a disk holds ────────────────────────────────────────────────────────────────────────────────────────────

struct Found {
  const char* what;
  io::DiskImage image;
  Contents contents;
  const char* refusal;  ///< to open it; empty: none
};

io::DiskImage with_byte(std::uint64_t blocks, std::uint64_t block) {
  io::DiskImage image(blocks);
  image.flip_bit(block, 5);
  return image;
}

io::DiskImage store_with(const std::function<void(Superblock&, unsigned place)>& change) {
  PoolRig rig;
  rig.close();
  io::DiskImage image = rig.disk.content();
  for (unsigned place = 0; place < 2; ++place) {
    Superblock superblock;
    const auto bytes = std::as_writable_bytes(std::span(&superblock, 1)).first<block_size>();
    image.read_block(superblock_places[place], bytes);
    change(superblock, place);
    superblock.checksum = crc32c(0, &superblock, offsetof(Superblock, checksum));
    image.write_block(superblock_places[place], bytes);
  }
  return image;
}

std::vector<Found> disks() {
  const auto same = [](Superblock&, unsigned) {};
  io::DiskImage damaged = store_with(same);
  damaged.flip_bit(superblock_places[1], 30'000);
  const io::DiskImage half = damaged;
  damaged.flip_bit(superblock_places[0], 30'000);
  return {
      {"nothing", io::DiskImage(100), Contents::blank, "blank"},
      {"no block", io::DiskImage(0), Contents::blank, "less than a block"},
      {"few blocks", io::DiskImage(10), Contents::blank, "blank"},
      {"something in front", with_byte(100, 0), Contents::other, "not a Chimera store"},
      {"something behind zeros", with_byte(100, 63), Contents::other, "not a Chimera store"},
      {"something in the place of the second superblock", with_byte(100, superblock_places[1]), Contents::blank,
       "blank"},
      {"something far behind zeros", with_byte(100, 64), Contents::blank, "blank"},
      {"a store", store_with(same), Contents::store, ""},
      {"a store with a damaged superblock", half, Contents::store, ""},
      {"a store with two", damaged, Contents::damaged_store, "both superblocks"},
      {"a newer one", store_with([](Superblock& s, unsigned place) {
         if (place == 1) s.version[0] = 2;
       }),
       Contents::newer_store, "newer version"},
  };
}

TEST_CASE("a disk is known by its first blocks, and what is no store is refused for what it is") {
  for (const Found& found : disks()) {
    CAPTURE(std::string(found.what));
    io::SimulatedLoop loop(1);
    io::SimulatedDisk disk(loop, found.image);
    const auto contents = identify(loop, disk);
    REQUIRE_MESSAGE(contents.has_value(), error_of(contents));
    CHECK_EQ(*contents, found.contents);
    const std::uint64_t reads = disk.started(Kind::read);
    const auto opened = open_store(loop, disk, {.cache_bytes = limits::smallest_cache, .read_only = true});
    CHECK_EQ(opened.has_value(), std::string(found.refusal).empty());
    CHECK(contains(error_of(opened), found.refusal));
    for (std::uint64_t nth = 1; nth <= std::min<std::uint64_t>(reads, 3); ++nth) {
      disk.inject({.kind = Kind::read, .nth = nth});
      CHECK(contains(error_of(identify(loop, disk)), "could not be read"));
      disk.clear_faults();
      disk.inject({.kind = Kind::read, .nth = nth});
      CHECK_FALSE(open_store(loop, disk, {.cache_bytes = limits::smallest_cache, .read_only = true}).has_value());
      disk.clear_faults();
    }
  }
}

TEST_CASE("too small a disk, and too small a cache, are refused") {
  io::SimulatedLoop loop(1);
  io::SimulatedDisk small(loop, smallest_store_blocks - 1);
  CHECK(contains(error_of(format(loop, small)), "at least 16 MiB"));
  CHECK_EQ(small.started(Kind::write), 0);
  io::SimulatedDisk disk(loop, smallest_store_blocks);
  REQUIRE(format(loop, disk).has_value());
  const OpenOptions little{.cache_bytes = limits::smallest_cache - 1};
  CHECK(contains(error_of(open_store(loop, disk, little)), "the cache must have"));
  CHECK(open_store(loop, disk, {.cache_bytes = little.cache_bytes, .any_cache = true}).has_value());
  CHECK(open_store(loop, disk, {.cache_bytes = limits::smallest_cache, .any_cache = true}).has_value());
}

TEST_CASE("a store is not made where a write or a flush fails, and is where none does") {
  for (const Kind kind : {Kind::write, Kind::flush}) {
    std::uint64_t nth = 1;
    for (;; ++nth) {
      io::SimulatedLoop loop(1);
      io::SimulatedDisk disk(loop, smallest_store_blocks);
      disk.inject({.kind = kind, .nth = nth});
      const auto made = format(loop, disk);
      if (disk.started(kind) < nth) {
        CHECK(made.has_value());
        break;
      }
      CHECK_FALSE(made.has_value());
      CHECK_NE(error_of(made), "");
    }
    CHECK_GE(nth, 4);
  }
}

// ── The journal, to be looked at ─────────────────────────────────────────────────────────────────────────────────

TEST_CASE("the waiting records are read as they lie there") {
  Store memory{MemoryOptions{}};
  io::SimulatedLoop loop(1);
  CHECK_EQ(read_journal(loop, memory)->size, 0);
  PoolRig without(smallest_store_blocks, 1, {.journal_bytes = 0});
  CHECK_EQ(read_journal(without.loop, without.store())->size, 0);

  JournalRig journal;
  const Uuid device = journal.rig.create("counter");
  for (std::uint64_t n = 1; n <= 3; ++n) journal.rig.run_well(commit_of(device, n));
  const io::DiskImage image = journal.crash();
  const std::vector<JournalRecord> records = records_of(image);
  io::SimulatedDisk disk(loop, image);
  const auto opened = open_store(loop, disk, {.cache_bytes = limits::smallest_cache, .without_journal = true});
  REQUIRE_MESSAGE(opened.has_value(), error_of(opened));
  const auto found = read_journal(loop, **opened);
  REQUIRE_MESSAGE(found.has_value(), error_of(found));
  CHECK_EQ(found->size, journal.superblock().journal_blocks * block_size);
  REQUIRE_EQ(found->records.size(), records.size());
  for (std::size_t n = 0; n < records.size(); ++n) {
    CHECK_EQ(found->records[n].sequence, records[n].position.sequence);
    CHECK(found->records[n].instructions == records[n].instructions);
    CHECK_EQ(found->records[n].size, block_size);
  }
  disk.inject({.kind = Kind::read, .from_then_on = true});
  CHECK(contains(error_of(read_journal(loop, **opened)), "could not be read"));
}

// ── Growing ──────────────────────────────────────────────────────────────────────────────────────────────────────

/// A store, with something in it, that can be made to grow.
struct Growing {
  explicit Growing(std::uint64_t blocks) : rig(blocks), disk(rig.disk) {
    device = rig.create("d");
    rig.run_well(Program().write_bytes(device, 0, pattern(1, 3 * mebi)).sync());
    rig.checkpoint();
    rig.settle();
    open();
  }
  ~Growing() { rig.close(); }
  Growing(const Growing&) = delete;
  Growing& operator=(const Growing&) = delete;
  void open() {
    rig.close();
    auto opened = vm::open_store(rig.loop, disk, {.cache_bytes = limits::smallest_cache});
    REQUIRE_MESSAGE(opened.has_value(), error_of(opened));
    rig.machine = std::make_unique<vm::Machine>(rig.loop, std::move(*opened));
    rig.session = rig.machine->connect();
  }

  PoolRig rig;
  ResizedDisk disk;
  Uuid device{};
};

TEST_CASE("a store takes what its disk has become larger by, and all of it can be used") {
  constexpr std::uint64_t small = smallest_store_blocks;
  constexpr std::uint64_t group = group_blocks;
  for (const std::uint64_t first : {small, group - 5}) {
    for (const std::uint64_t grown : {first, first + 1, first + 100, group, group + 63, group + 64, 3 * group - 7}) {
      if (grown < first) continue;
      CAPTURE(first);
      CAPTURE(grown);
      Growing store(first);
      PoolRig& rig = store.rig;
      // With its bitmap in memory and in use, and without.
      if (grown % 2 == 0) rig.run_well(Program().write_byte(store.device, 0, 1).write_byte(store.device, 0, 0));
      const bool is_used = grown % 2 == 0;
      const std::uint64_t free = rig.space().free_count();
      REQUIRE_EQ(rig.disk.grow(grown), 0);
      const auto done = grow(rig.loop, rig.store());
      REQUIRE_MESSAGE(done.has_value(), error_of(done));
      const bool has_rest = grown > group && grown % group < 64;
      const std::uint64_t expected = has_rest ? grown / group * group : grown;
      CHECK_EQ(rig.space().block_count(), expected);
      CHECK_GE(rig.space().free_count() + 40, free + (expected - first));
      CHECK_EQ(first_problem(rig.check()), "");
      store.open();
      CHECK_EQ(rig.space().block_count(), expected);
      if (!is_used) rig.run_well(Program().check_bytes(store.device, 0, pattern(1, 3 * mebi)));
      CHECK_EQ(first_problem(rig.check()), "");
    }
  }
}

TEST_CASE("a store that grows beyond one page of its summary has the next one") {
  constexpr std::uint64_t grown = (entries_per_page + 2) * std::uint64_t{group_blocks};
  Growing store(smallest_store_blocks);
  PoolRig& rig = store.rig;
  REQUIRE_EQ(rig.disk.grow(grown), 0);
  REQUIRE(grow(rig.loop, rig.store()).has_value());
  store.open();
  CHECK_EQ(rig.space().block_count(), grown);
  CHECK_EQ(rig.space().level_count(), 3);
  rig.run_well(Program().check_bytes(store.device, 0, pattern(1, 3 * mebi)).write_byte(store.device, 0, 1).sync());
}

TEST_CASE("what cannot grow says why, and stays as it is") {
  Store memory{MemoryOptions{}};
  io::SimulatedLoop loop(1);
  CHECK(contains(error_of(grow(loop, memory)), "in memory"));
  Growing store(smallest_store_blocks);
  PoolRig& rig = store.rig;
  store.disk.blocks = most_store_blocks + 1;
  CHECK(contains(error_of(grow(rig.loop, rig.store())), "larger than a store"));
  store.disk.blocks = smallest_store_blocks - 1;
  CHECK(contains(error_of(grow(rig.loop, rig.store())), "smaller"));
  store.disk.blocks = 0;
  REQUIRE_EQ(rig.disk.grow(2 * smallest_store_blocks), 0);
  store.open();
  store.disk.fails = [](const io::DiskRequest& request) { return request.kind == Kind::read; };
  CHECK(contains(error_of(grow(rig.loop, rig.store())), "could not be read"));
  store.disk.fails = {};
  CHECK_EQ(error_of(grow(rig.loop, rig.store())), "");
  CHECK_EQ(rig.space().block_count(), 2 * smallest_store_blocks);
  CHECK_EQ(first_problem(rig.check()), "");
  rig.reopen(true);
  CHECK(contains(error_of(grow(rig.loop, rig.store())), "reading only"));
}

}  // namespace
}  // namespace chimera::devices::testing
