// Stores whose structures cannot be although their checksums are right: what a salvage makes of them.

#include <doctest/doctest.h>

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "devices/salvage.h"
#include "tests/devices/forged_journal.h"
#include "tests/devices/journal_rig.h"
#include "tests/devices/planted.h"
#include "vm/salvage.h"

namespace chimera::devices::testing {
namespace {

const Uuid safe = numbered(2);

/// A node in whose place something else is put.
void change_root(Planted& planted, const char* device, const std::function<void(Node&)>& change) {
  Slot& root = planted.record(device).roots[0];
  auto node = planted.read<Node>(root.address());
  change(node);
  planted.put(root, node);
}

void make_grave(Planted& planted, const std::function<void(Node&)>& change) {
  change_root(planted, "d", change);
  DeviceRecord& grave = planted.record("d");
  const auto roots = grave.roots;
  const auto heights = grave.heights;
  grave = {};
  grave.flags = DeviceRecord::in_use | DeviceRecord::dying;
  grave.roots[0] = roots[0];
  grave.heights[0] = heights[0];
}

struct PlantedDamage {
  const char* what;
  std::function<void(Planted&)> plant;
  const char* line;  ///< that tells it, among the repairs
};

const PlantedDamage planted_damages[] = {
    {"more blocks than the disk has", [](Planted& p) { ++p.superblock.block_count; }, "and its disk"},
    {"too few blocks", [](Planted& p) { p.superblock.block_count = 1; }, "and its disk"},
    {"a tree of counts that is too high", [](Planted& p) { p.superblock.references_height = 8; }, "counts cannot be"},
    {"a sum of counts, and no counts", [](Planted& p) { p.superblock.references = {}; }, "counts cannot be"},
    {"an index page where none can be", [](Planted& p) { p.root[1] = moved(p.root[0], 33); }, "list of devices"},
    {"an index page beyond the end", [](Planted& p) { p.root[1] = moved(p.root[0], beyond); }, "list of devices"},
    {"a page of records where none can be", [](Planted& p) { p.index[1] = moved(p.index[0], 33); }, "list of devices"},
    {"a page of records beyond the end", [](Planted& p) { p.index[1] = moved(p.index[0], beyond); }, "list of devices"},
    {"a map that is too high", [](Planted& p) { p.record("d").heights[0] = 8; }, "where nothing can be"},
    {"a map beyond the end", [](Planted& p) { p.record("d").roots[0] = moved(p.record("d").roots[0], beyond); },
     "where nothing can be"},
    {"a device that is too long", [](Planted& p) { p.record("d").length = limits::greatest_length + 1; }, "cannot be"},
    {"columns that are too long", [](Planted& p) { p.record("d").columns_length = limits::largest_transfer + 1; },
     "cannot be"},
    {"a device without a name", [](Planted& p) { p.record("d").name_length = 0; }, "cannot be"},
    {"a file without a path", [](Planted& p) { p.record("d").flags |= DeviceRecord::file; }, "cannot be"},
    {"a file whose path is longer than there is room",
     [](Planted& p) {
       p.record("d").flags |= DeviceRecord::file;
       p.record("d").path_length = 255;
     },
     "cannot be"},
    {"two of a UUID", [](Planted& p) { p.record("d").uuid = safe; }, "cannot be"},
    {"two of a name", [](Planted& p) { p.record("d").name_length = 5, std::memcpy(p.page[1].name.data(), "other", 5); },
     "cannot be"},
    {"a block where none can be",
     [](Planted& p) { change_root(p, "d", [](Node& node) { node[1] = moved(node[1], 33); }); },
     "where nothing can be: holes"},
    {"a block beyond the end",
     [](Planted& p) { change_root(p, "d", [](Node& node) { node[1] = moved(node[1], beyond); }); },
     "where nothing can be: holes"},
    {"nothing but blocks beyond the end",
     [](Planted& p) {
       change_root(p, "d", [](Node& node) {
         for (Slot& slot : node) slot = moved(node[0], beyond);
       });
     },
     "where nothing can be: holes"},
    {"counts that are held twice",
     [](Planted& p) {
       auto node = p.read<Node>(p.superblock.references.address());
       node[200] = *std::ranges::find_if_not(node, &Slot::empty);
       p.put(p.superblock.references, node);
     },
     "counts are damaged"},
    {"counts where none can be",
     [](Planted& p) {
       auto node = p.read<Node>(p.superblock.references.address());
       node[200] = Slot(33, 1, 1);
       p.put(p.superblock.references, node);
     },
     "counts are damaged"},
    {"a wrong count",
     [](Planted& p) {
       auto node = p.read<Node>(p.superblock.references.address());
       Slot& slot = *std::ranges::find_if_not(node, &Slot::empty);
       auto counts = p.read<std::array<std::uint32_t, block_size / 4>>(slot.address());
       counts[1000] += 3;
       p.put(slot, counts);
       p.put(p.superblock.references, node);
     },
     "counts are wrong"},
    {"a wrong sum of counts", [](Planted& p) { ++p.superblock.shared_references; }, "counts are wrong"},
    {"a block that is held is booked as free", [](Planted& p) { p.book_as_free(p.record("d").roots[0].address()); },
     "group 0 is wrong"},
    {"more blocks are booked as free than are", [](Planted& p) { p.summary[0].free_and_flags += 4; },
     "group 0 is wrong"},
    {"a group is said to be empty", [](Planted& p) { p.summary[0].free_and_flags |= SpaceEntry::fresh; },
     "group 0 is wrong"},
    {"all blocks are booked", [](Planted& p) { p.bitmap.fill(0xFF), p.summary[0].free_and_flags &= 3; },
     "group 0 is wrong"},
    {"a damaged block was to be freed",
     [](Planted& p) { make_grave(p, [](Node& node) {
                        node[1] = {node[1].address(), node[1].generation(), 1};
                      }); },
     "to be freed anyway"},
};

void check_salvaged(const io::DiskImage& image) {
  Recovered recovered(image, false);
  REQUIRE_EQ(recovered.error, "");
  CHECK_EQ(first_problem(check(recovered.loop, *recovered.store, nobody)), "");
  PoolRig rig(image);
  rig.run_well(Program().check_bytes(safe, 0, pattern(2, 20'000)).append_bytes(safe, pattern(5, 50'000)).sync());
  CHECK_EQ(first_problem(rig.check()), "");
}

TEST_CASE("what cannot be is told, and a salvage leaves it out and keeps the rest") {
  const io::DiskImage good = store_to_damage();
  const io::DiskImage without = store_to_damage({.journal_bytes = 0});
  for (const PlantedDamage& damage : planted_damages) {
    for (const bool has_journal : {true, false}) {
      CAPTURE(std::string(damage.what));
      Planted planted(has_journal ? good : without);
      damage.plant(planted);
      io::SimulatedLoop loop(1);
      io::SimulatedDisk disk(loop, planted.image());
      const auto losses = find_losses(loop, disk, nobody);
      REQUIRE_MESSAGE(losses.has_value(), error_of(losses));
      const bool is_told = std::ranges::any_of(
          losses->repairs, [&](const std::string& line) { return line.find(damage.line) != std::string::npos; });
      CHECK(is_told);
      const auto salvaged = vm::salvage(loop, disk, *losses, limits::smallest_cache);
      REQUIRE_MESSAGE(salvaged.has_value(), error_of(salvaged));
      check_salvaged(disk.content());
    }
  }
}

TEST_CASE("in a store of many groups damaged pages of the free-space map are made again") {
  constexpr std::uint64_t blocks = 257 * std::uint64_t{group_blocks} + 1000;
  PoolRig rig(blocks);
  rig.run_well(Program().create_device("safe", {}, {}, safe).write_bytes(safe, 0, pattern(2, 20 * mebi)));
  rig.checkpoint();
  rig.settle();
  const SpaceMap& space = rig.space();
  REQUIRE_EQ(space.level_count(), 3);
  const std::uint64_t pages[] = {SpaceMap::home(1, 0, space.entry(1, 0).home()),
                                 SpaceMap::home(1, 1, space.entry(1, 1).home())};
  const std::uint64_t root = SpaceMap::home(2, 0, space.entry(2, 0).home());
  rig.close();
  for (const std::uint64_t page : pages) rig.disk.flip_bit(page, 100);
  CHECK_EQ(Recovered(rig.disk.content(), false).error, "the map of free space is damaged");
  rig.disk.flip_bit(root, 100);
  CHECK_EQ(Recovered(rig.disk.content(), false).error, "the map of free space is damaged");
  std::uint64_t told = 0;
  const auto losses = find_losses(rig.loop, rig.disk, [&](std::uint64_t done, std::uint64_t all) {
    CHECK_LE(done, all);
    told = done;
  });
  REQUIRE_MESSAGE(losses.has_value(), error_of(losses));
  CHECK_GE(told, 4096);
  CHECK_EQ(losses->lost_range_count, 0);
  REQUIRE_FALSE(losses->repairs.empty());
  const auto salvaged = vm::salvage(rig.loop, rig.disk, *losses, limits::smallest_cache);
  REQUIRE_MESSAGE(salvaged.has_value(), error_of(salvaged));
  rig.open();
  rig.run_well(Program().check_bytes(safe, 0, pattern(2, 20 * mebi)).write_byte(safe, 0, 1).sync());
}

TEST_CASE("what is made anew leaves alone what the map of free space has as used, in whole groups too") {
  PoolRig rig(2 * group_blocks);
  rig.run_well(Program().create_device("safe", {}, {}, safe).write_bytes(safe, 0, pattern(2, 20'000)));
  rig.checkpoint();
  rig.settle();
  rig.close();
  rig.disk.flip_bit(superblock_places[1], 100);
  const auto losses = find_losses(rig.loop, rig.disk, nobody);
  REQUIRE_MESSAGE(losses.has_value(), error_of(losses));
  CHECK_FALSE(losses->none());
  const auto salvaged = vm::salvage(rig.loop, rig.disk, *losses, limits::smallest_cache);
  REQUIRE_MESSAGE(salvaged.has_value(), error_of(salvaged));
  check_salvaged(rig.disk.content());
}

struct Hopeless {
  const char* what;
  std::function<void(io::DiskImage&)> change;
  const char* reason;
};

template <typename Change>
std::function<void(io::DiskImage&)> planted(Change&& change) {
  return [change](io::DiskImage& image) {
    Planted structures(image);
    change(structures);
    image = structures.image();
  };
}

const Hopeless hopeless[] = {
    {"no superblock", [](io::DiskImage& image) { image = io::DiskImage(smallest_store_blocks); }, "no superblock"},
    {"a disk of few blocks", [](io::DiskImage& image) { image = io::DiskImage(10); }, "no superblock"},
    {"a newer format", planted([](Planted& p) { p.superblock.version[0] = 2; }), "newer version"},
    {"a newer variant of it", planted([](Planted& p) { p.superblock.version[1] = 4; }), "newer version"},
    {"no generation", planted([](Planted& p) { p.superblock.generation = 0; }), "nothing is left"},
    {"a list of devices beyond the end",
     [](io::DiskImage& image) {
       ForgedJournal forged(image);
       forged.superblock.manifest = moved(forged.superblock.manifest, beyond);
       forged.publish();
       image = forged.image();
     },
     "nothing is left"},
};

TEST_CASE("what nothing can be salvaged of is refused, and stays as it is") {
  const io::DiskImage good = store_to_damage();
  for (const Hopeless& refusal : hopeless) {
    CAPTURE(std::string(refusal.what));
    io::DiskImage image = good;
    refusal.change(image);
    io::SimulatedLoop loop(1);
    io::SimulatedDisk disk(loop, image);
    const auto losses = find_losses(loop, disk, nobody);
    REQUIRE_FALSE(losses.has_value());
    CHECK_NE(losses.error().find(refusal.reason), std::string::npos);
    const auto opened = open_store(loop, disk, {.cache_bytes = limits::smallest_cache, .salvage = true});
    CHECK_EQ(error_of(opened), losses.error());
    CHECK_EQ(disk.started(io::DiskRequest::Kind::write), 0);
  }
}

}  // namespace
}  // namespace chimera::devices::testing
