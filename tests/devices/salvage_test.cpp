// A store of which one block after the other is damaged, and what is salvaged of it: everything else.

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "devices/read_now.h"
#include "devices/salvage.h"
#include "tests/devices/journal_rig.h"
#include "vm/salvage.h"

namespace chimera::devices::testing {
namespace {

using Kind = io::DiskRequest::Kind;
using Addresses = std::vector<std::uint64_t>;

/// What has to be damaged to meet a structure, in a store with records waiting in its journal.
struct Sample {
  io::DiskImage image{smallest_store_blocks};
  Content content;
  Superblock superblock{};
  Slot index, page;  ///< of the list of devices
  SpaceEntry bitmap{};
  std::vector<JournalRecord> records;

  template <typename T>
  [[nodiscard]] T read(std::uint64_t block) const {
    T value;
    image.read_block(block, std::as_writable_bytes(std::span(&value, 1)).template first<block_size>());
    return value;
  }
  [[nodiscard]] Slot root_of(std::string_view name) const {
    for (const DeviceRecord& record : read<ManifestPage>(page.address())) {
      if (std::string_view(record.name.data(), record.name_length) == name) return record.roots[0];
    }
    FAIL("no such device");
    return {};
  }
  [[nodiscard]] Slot child(const Slot& node, std::size_t place) const { return read<Node>(node.address())[place]; }
  [[nodiscard]] std::uint64_t first_named() const {
    std::uint64_t address = 0;
    for (const JournalRecord& record : records) {
      (void)each_named_block(record, [&](const Uuid&, std::uint8_t, const JournalEntry& entry) {
        if (address == 0) address = entry.slot.address();
      });
    }
    return address;
  }
};

Sample make_sample() {
  JournalRig journal;
  PoolRig& rig = journal.rig;
  const Uuid table = rig.create("table");
  const Uuid wide = rig.create("wide");
  rig.run_well(Program().write_bytes(table, 0, pattern(1, 20'000)).write_bytes(wide, 0, pattern(2, 20'000)));
  rig.run_well(Program().write_bytes(wide, 2 * mebi, pattern(3, 20'000)).write_metadata_bytes(wide, 5, pattern(4, 9)));
  const Uuid clone = rig.clone(wide, "clone");
  rig.run_well(Program().write_byte(clone, 5000, 1).write_columns(table, "id u64"));
  const Uuid counter = rig.create("counter");
  for (std::uint64_t n = 7; n <= 8; ++n) {
    rig.run_well(commit_of(counter, n));
    rig.checkpoint();
    rig.settle();
  }
  for (std::uint64_t n = 1; n <= 4; ++n) rig.run_well(commit_of(counter, n));
  // So many blocks that a record names them.
  rig.run_well(Program().write_bytes(table, 8 * block_size, pattern(5, 6 * block_size)).sync());
  rig.run_well(commit_of(counter, 5));
  // Its outcome is kept in a device that is in no list, whose name another one may have.
  rig.create("outcomes of tokens");
  rig.run_well(Program().begin().write_byte(counter, 100, 1).commit_with_token({{1}}));
  Sample sample;
  sample.content = journal.content();
  sample.image = journal.crash();
  sample.superblock = journal.superblock();
  sample.records = records_of(sample.image);
  sample.index = sample.child(sample.superblock.manifest, 0);
  sample.page = sample.child(sample.index, 0);
  const std::uint64_t summary = SpaceMap::home(1, 0, sample.superblock.space.home());
  sample.bitmap = sample.read<std::array<SpaceEntry, entries_per_page>>(summary)[0];
  return sample;
}

struct Damage {
  const char* what;
  std::function<Addresses(const Sample&)> blocks;
  std::set<std::string> loses;  ///< devices that are not what they were
};

std::uint64_t record_block(const Sample& sample, std::size_t record) {
  return sample.superblock.journal_first_block +
         sample.records[record].position.block % sample.superblock.journal_blocks;
}
std::uint64_t place_of_newest(const Sample& sample) {
  const auto first = sample.read<Superblock>(superblock_places[0]);
  return superblock_places[first.generation == sample.superblock.generation ? 0 : 1];
}
std::uint64_t place_of_older(const Sample& sample) {
  return superblock_places[0] + superblock_places[1] - place_of_newest(sample);
}

const std::set<std::string> all_devices{"table", "wide", "clone", "counter"};
const std::set<std::string> behind_a_record{"counter", "table", "outcomes of tokens"};

const Damage damages[] = {
    {"the older superblock", [](const Sample& s) { return Addresses{place_of_older(s)}; }, {}},
    {"both superblocks",
     [](const Sample&) {
       return Addresses{superblock_places[0], superblock_places[1]};
     },
     {}},
    {"the page of the summary",
     [](const Sample& s) { return Addresses{SpaceMap::home(1, 0, s.superblock.space.home())}; },
     {}},
    {"a bitmap", [](const Sample& s) { return Addresses{SpaceMap::home(0, 0, s.bitmap.home())}; }, {}},
    {"the root of the reference counts",
     [](const Sample& s) { return Addresses{s.superblock.references.address()}; },
     {}},
    {"reference counts",
     [](const Sample& s) {
       const Node node = s.read<Node>(s.superblock.references.address());
       return Addresses{std::ranges::find_if_not(node, &Slot::empty)->address()};
     },
     {}},
    {"a page of the list of devices", [](const Sample& s) { return Addresses{s.page.address()}; }, all_devices},
    {"an index page of it", [](const Sample& s) { return Addresses{s.index.address()}; }, all_devices},
    {"a block of data", [](const Sample& s) { return Addresses{s.child(s.root_of("table"), 2).address()}; }, {"table"}},
    {"a block that two devices share",
     [](const Sample& s) { return Addresses{s.child(s.child(s.root_of("wide"), 2), 1).address()}; },
     {"wide", "clone"}},
    {"the root of a map", [](const Sample& s) { return Addresses{s.root_of("wide").address()}; }, {"wide"}},
    {"a map that two devices share",
     [](const Sample& s) { return Addresses{s.child(s.root_of("wide"), 2).address()}; },
     {"wide", "clone"}},
    {"the first record", [](const Sample& s) { return Addresses{record_block(s, 0)}; }, behind_a_record},
    {"a record in the middle", [](const Sample& s) { return Addresses{record_block(s, 2)}; }, behind_a_record},
    {"a block that a record names", [](const Sample& s) { return Addresses{s.first_named()}; }, {"table"}},
    {"something of everything",
     [](const Sample& s) {
       return Addresses{place_of_older(s), SpaceMap::home(0, 0, s.bitmap.home()), s.superblock.references.address(),
                        s.child(s.root_of("wide"), 2).address(), record_block(s, 2)};
     },
     {"wide", "clone", "counter", "table", "outcomes of tokens"}},
};

io::DiskImage damaged(const Sample& sample, const Damage& damage) {
  io::DiskImage image = sample.image;
  for (const std::uint64_t block : damage.blocks(sample)) image.flip_bit(block, 30'000);
  // A record's own bytes end long before that.
  for (std::size_t n = 0; n < sample.records.size(); ++n) {
    const Addresses hit = damage.blocks(sample);
    if (std::ranges::find(hit, record_block(sample, n)) != hit.end()) image.flip_bit(record_block(sample, n), 70 * 8);
  }
  return image;
}

std::expected<void, std::string> salvage_disk(io::Loop& loop, io::Disk& disk) {
  const auto losses = find_losses(loop, disk, nobody);
  if (!losses) return std::unexpected(losses.error());
  return vm::salvage(loop, disk, *losses, limits::smallest_cache);
}

/// The content of a store that opens without further ado; whatever is wrong with it is a failure.
Content content_in(const io::DiskImage& image) {
  Recovered recovered(image, false);
  REQUIRE_EQ(recovered.error, "");
  const CheckReport report = check(recovered.loop, *recovered.store, nobody);
  CHECK_EQ(first_problem(report), "");
  return recovered.content();
}

void compare(const Sample& sample, const Damage& damage, const Content& found) {
  for (const auto& [name, digest] : sample.content) {
    INFO(name);
    if (!damage.loses.contains(name)) CHECK_EQ(found.contains(name) ? found.at(name) : 0, digest);
  }
  for (const auto& [name, digest] : found) CHECK_NE(digest, unreadable);
}

TEST_CASE("whatever is damaged is found, listed and given up, and all else is kept") {
  const Sample sample = make_sample();
  REQUIRE_NE(sample.first_named(), 0);
  for (const Damage& damage : damages) {
    INFO(std::string(damage.what));
    io::SimulatedLoop loop(1);
    io::SimulatedDisk disk(loop, damaged(sample, damage));
    {
      const auto store = vm::open_store(
          loop, disk, {.cache_bytes = limits::smallest_cache, .read_only = true, .without_journal = true});
      const CheckReport report = store ? check(loop, **store, nobody) : CheckReport{.problem_count = 1};
      CHECK_NE(report.problem_count + report.damaged_superblocks, 0);
    }
    const auto losses = find_losses(loop, disk, nobody);
    REQUIRE_MESSAGE(losses.has_value(), error_of(losses));
    CHECK_FALSE(losses->none());
    CHECK_EQ(losses->lost_range_count, losses->ranges.size());
    CHECK_EQ(disk.started(Kind::write), 0);
    const auto salvaged = vm::salvage(loop, disk, *losses, limits::smallest_cache);
    REQUIRE_MESSAGE(salvaged.has_value(), error_of(salvaged));
    CHECK(find_losses(loop, disk, nobody)->none());
    compare(sample, damage, content_in(disk.content()));
    // And it can be worked with.
    PoolRig rig(disk.content());
    rig.run_well(Program().create_device("new").write_bytes(implied, 0, pattern(9, 50'000)).sync());
    CHECK_EQ(first_problem(rig.check()), "");
  }
}

/// Blocks that cannot be read before they have been written again.
class UnreadableDisk final : public io::Disk {
 public:
  UnreadableDisk(io::SimulatedDisk& below, const Addresses& blocks)
      : below_(below), blocks_(blocks.begin(), blocks.end()) {}
  [[nodiscard]] std::uint64_t block_count() const noexcept override { return below_.block_count(); }
  [[nodiscard]] int grow(std::uint64_t block_count) override { return below_.grow(block_count); }
  void start(io::DiskRequest& request) override {
    if (request.kind == Kind::flush && fails && blocks_.empty()) below_.inject({Kind::flush});
    const std::uint64_t end = request.first_block + request.buffers.size();
    const auto hit = blocks_.lower_bound(request.first_block);
    if (hit != blocks_.end() && *hit < end) {
      if (request.kind == Kind::read) below_.inject({Kind::read});
      if (request.kind == Kind::write && fails && blocks_.size() > 1) below_.inject({Kind::write});
      if (request.kind == Kind::write && !stays) blocks_.erase(hit, blocks_.lower_bound(end));
    }
    below_.start(request);
  }

  bool stays = false;  ///< however often they are written
  bool fails = false;  ///< to write these blocks, up to the last one, and then to flush

 private:
  io::SimulatedDisk& below_;
  std::set<std::uint64_t> blocks_;
};

TEST_CASE("what cannot be read is lost like what is damaged, and all else is kept") {
  const Sample sample = make_sample();
  for (const Damage& damage : damages) {
    INFO(std::string(damage.what));
    const Addresses blocks = damage.blocks(sample);
    const bool has_both = blocks.size() == 2 && blocks[1] == superblock_places[1];
    io::SimulatedLoop loop(1);
    io::SimulatedDisk below(loop, sample.image);
    UnreadableDisk disk(below, blocks);
    const auto losses = find_losses(loop, disk, nobody);
    CHECK_EQ(losses.has_value(), !has_both);
    if (has_both) continue;
    CHECK_FALSE(losses->none());
    CHECK(std::ranges::none_of(losses->ranges, &LostRange::is_readable));
    const auto salvaged = vm::salvage(loop, disk, *losses, limits::smallest_cache);
    REQUIRE_MESSAGE(salvaged.has_value(), error_of(salvaged));
    CHECK(find_losses(loop, disk, nobody)->none());
    const auto opened = vm::open_store(loop, disk, {.cache_bytes = limits::smallest_cache, .read_only = true});
    CHECK_EQ(error_of(opened), "");
    compare(sample, damage, content_in(below.content()));
  }
}

TEST_CASE("blocks of the journal that can be neither read nor written are told") {
  const Sample sample = make_sample();
  io::SimulatedLoop loop(1);
  io::SimulatedDisk below(loop, sample.image);
  UnreadableDisk disk(below, {record_block(sample, 1), record_block(sample, 2)});
  disk.fails = true;
  const auto losses = find_losses(loop, disk, nobody);
  REQUIRE_MESSAGE(losses.has_value(), error_of(losses));
  for (unsigned n = 0; n < 2; ++n) {
    CHECK_EQ(error_of(vm::salvage(loop, disk, *losses, limits::smallest_cache)), "the disk could not be written");
  }
  disk.fails = false;
  below.clear_faults();
  REQUIRE(salvage_disk(loop, disk).has_value());
  (void)content_in(below.content());
}

TEST_CASE("a salvage ends where a block cannot be had however often it is written") {
  const Sample sample = make_sample();
  io::SimulatedLoop loop(1);
  io::SimulatedDisk below(loop, sample.image);
  UnreadableDisk disk(below, {record_block(sample, 0)});
  disk.stays = true;
  const auto losses = find_losses(loop, disk, nobody);
  REQUIRE_MESSAGE(losses.has_value(), error_of(losses));
  const auto salvaged = vm::salvage(loop, disk, *losses, limits::smallest_cache);
  CHECK_EQ(error_of(salvaged), "there is still damage after all that could be done");
  (void)content_in(below.content());
}

TEST_CASE("a sound store has no losses, and is left as it is") {
  const Sample sample = make_sample();
  io::SimulatedLoop loop(1);
  io::SimulatedDisk disk(loop, sample.image);
  const auto losses = find_losses(loop, disk, nobody);
  REQUIRE_MESSAGE(losses.has_value(), error_of(losses));
  CHECK(losses->none());
  CHECK_EQ(losses->waiting_records, sample.records.size());
  CHECK(vm::salvage(loop, disk, *losses, limits::smallest_cache).has_value());
  CHECK(disk.content() == sample.image);
}

TEST_CASE("a crash in a salvage leaves a store from which the same is salvaged") {
  const Sample sample = make_sample();
  for (const Damage& damage : damages) {
    INFO(std::string(damage.what));
    io::SimulatedLoop loop(1);
    io::SimulatedDisk disk(loop, damaged(sample, damage));
    std::vector<io::DiskImage> crashes;
    io::SeededRandom random(1);
    disk.at_boundaries([&](io::SimulatedDisk::Boundary, const io::DiskRequest& request) {
      if (!is_superblock(request) && request.kind != Kind::flush && !random.chance(10)) return;
      const io::CrashImages images = disk.crash_images({.enumerate_up_to = 0, .most_singles = 4, .samples = 4});
      for (const std::size_t index : {std::size_t{0}, random.below(images.size())}) crashes.push_back(images.at(index));
    });
    const auto salvaged = salvage_disk(loop, disk);
    REQUIRE_MESSAGE(salvaged.has_value(), error_of(salvaged));
    disk.at_boundaries({});
    const Content expected = content_in(disk.content());
    CHECK_GT(crashes.size(), 4);
    for (const io::DiskImage& crashed : crashes) {
      io::SimulatedLoop later(2);
      io::SimulatedDisk left(later, crashed);
      const auto again = salvage_disk(later, left);
      REQUIRE_MESSAGE(again.has_value(), error_of(again));
      CHECK_EQ(difference(expected, content_in(left.content())), "");
    }
  }
}

TEST_CASE("a salvage that cannot write says so, and the next one does it") {
  const Sample sample = make_sample();
  const Damage& damage = std::end(damages)[-1];
  io::SimulatedLoop first(1);
  io::SimulatedDisk good(first, damaged(sample, damage));
  REQUIRE(salvage_disk(first, good).has_value());
  const Content expected = content_in(good.content());
  for (const Kind kind : {Kind::write, Kind::flush}) {
    unsigned failures = 0;
    for (std::uint64_t nth = 1; nth <= good.started(kind); ++nth) {
      io::SimulatedLoop loop(1);
      io::SimulatedDisk disk(loop, damaged(sample, damage));
      disk.inject({.kind = kind, .nth = nth, .from_then_on = true});
      const auto salvaged = salvage_disk(loop, disk);
      if (!salvaged) {
        ++failures;
        CHECK_FALSE(salvaged.error().empty());
      }
      disk.clear_faults();
      REQUIRE(salvage_disk(loop, disk).has_value());
      CHECK_EQ(difference(expected, content_in(disk.content())), "");
    }
    CHECK_EQ(failures, good.started(kind));
  }
}

TEST_CASE("a salvage of which any one read fails ends with a store or a reason") {
  const Sample sample = make_sample();
  const io::DiskImage image = damaged(sample, std::end(damages)[-1]);
  unsigned salvages = 0;
  for (std::uint64_t nth = 1;; ++nth) {
    io::SimulatedLoop loop(1);
    io::SimulatedDisk disk(loop, image);
    disk.inject({.kind = Kind::read, .nth = nth});
    const auto salvaged = salvage_disk(loop, disk);
    if (disk.started(Kind::read) < nth) break;
    if (!salvaged) CHECK_FALSE(salvaged.error().empty());
    disk.clear_faults();
    REQUIRE(salvage_disk(loop, disk).has_value());
    (void)content_in(disk.content());
    ++salvages;
  }
  CHECK_GT(salvages, 100);
}

TEST_CASE("nothing can be salvaged where no list of devices is left") {
  const Sample sample = make_sample();
  io::DiskImage image = sample.image;
  image.flip_bit(sample.superblock.manifest.address(), 0);
  const auto older = sample.read<Superblock>(place_of_older(sample));
  REQUIRE_FALSE(older.manifest.empty());
  image.flip_bit(older.manifest.address(), 0);
  io::SimulatedLoop loop(1);
  io::SimulatedDisk disk(loop, image);
  const auto losses = find_losses(loop, disk, nobody);
  REQUIRE_FALSE(losses.has_value());
  CHECK_NE(losses.error().find("nothing is left"), std::string::npos);
  CHECK_EQ(disk.started(Kind::write), 0);
}

}  // namespace
}  // namespace chimera::devices::testing
