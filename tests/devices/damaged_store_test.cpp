// Structures whose checksums are right, and which cannot be all the same: what is refused when the store is opened, and
// what is answered by who meets it.

#include <doctest/doctest.h>

#include <array>
#include <cstring>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tests/devices/planted.h"
#include "tests/devices/pool_rig.h"

namespace chimera::devices::testing {
namespace {

Slot born(const Slot& slot, std::uint64_t generation) { return {slot.address(), generation, slot.checksum()}; }
/// With one of the flags that are zeros on the disk.
Slot flagged(Slot slot) {
  std::uint64_t words[2];
  std::memcpy(words, &slot, sizeof words);
  words[0] |= std::uint64_t{1} << 41;
  std::memcpy(&slot, words, sizeof words);
  return slot;
}

struct Refusal {
  const char* what;
  std::function<void(Planted&)> plant;
  const char* reason;
};

constexpr const char* bad_superblock = "the superblock of this store is damaged";
constexpr const char* bad_list = "the list of devices is damaged";

const Refusal refusals[] = {
    {"a newer format", [](Planted& p) { p.superblock.version[0] = 2; }, "newer version"},
    {"a newer variant of it", [](Planted& p) { p.superblock.version[1] = 4; }, "newer version"},
    {"more blocks than the disk has", [](Planted& p) { ++p.superblock.block_count; }, "cut short"},
    {"too few blocks", [](Planted& p) { --p.superblock.block_count; }, bad_superblock},
    {"no generation", [](Planted& p) { p.superblock.generation = 0; }, bad_superblock},
    {"no generation left", [](Planted& p) { p.superblock.generation = Slot::most_generation; }, bad_superblock},
    {"a tree of counts that is too high", [](Planted& p) { p.superblock.references_height = 8; }, bad_superblock},
    {"a sum of counts, and no counts", [](Planted& p) { p.superblock.references = {}; }, bad_superblock},
    {"counts in a fixed place", [](Planted& p) { p.superblock.references = moved(p.superblock.references, 16); },
     bad_superblock},
    {"counts beyond the end", [](Planted& p) { p.superblock.references = moved(p.superblock.references, beyond); },
     bad_superblock},
    {"counts from the future",
     [](Planted& p) { p.superblock.references = born(p.superblock.references, p.superblock.generation + 1); },
     bad_superblock},
    {"counts with a flag", [](Planted& p) { p.superblock.references = flagged(p.superblock.references); },
     bad_superblock},
    {"more free blocks than a group has",
     [](Planted& p) { p.summary[0].free_and_flags = (smallest_store_blocks + 1) << 2; },
     "the map of free space is damaged"},
    {"an index page in a fixed place", [](Planted& p) { p.root[1] = moved(p.root[0], 33); }, bad_list},
    {"an index page beyond the end", [](Planted& p) { p.root[1] = moved(p.root[0], beyond); }, bad_list},
    {"an index page that was never born", [](Planted& p) { p.root[1] = born(p.root[0], 0); }, bad_list},
    {"a page of records from the future",
     [](Planted& p) { p.index[1] = born(p.index[0], p.superblock.generation + 1); }, bad_list},
    {"more records than there can be", [](Planted& p) { p.root[41] = p.root[0]; }, bad_list},
    {"a tree of data that is too high", [](Planted& p) { p.record("d").heights[0] = 8; }, bad_list},
    {"a tree of metadata that is too high", [](Planted& p) { p.record("d").heights[1] = 8; }, bad_list},
    {"a root beyond the end", [](Planted& p) { p.record("d").roots[0] = moved(p.record("d").roots[0], beyond); },
     bad_list},
    {"a root with a flag", [](Planted& p) { p.record("d").roots[2] = flagged(p.record("d").roots[2]); }, bad_list},
    {"a root from the future",
     [](Planted& p) { p.record("d").roots[0] = born(p.record("d").roots[0], p.superblock.generation + 1); }, bad_list},
    {"shared in the future", [](Planted& p) { p.record("d").share_generation = p.superblock.generation + 1; },
     bad_list},
    {"a grave in a fixed place",
     [](Planted& p) {
       p.page[7].flags = DeviceRecord::in_use | DeviceRecord::dying;
       p.page[7].roots[0] = moved(p.record("d").roots[0], 32);
     },
     bad_list},
    {"too long", [](Planted& p) { p.record("d").length = limits::greatest_length + 1; }, bad_list},
    {"columns that are too long", [](Planted& p) { p.record("d").columns_length = limits::largest_transfer + 1; },
     bad_list},
    {"no name", [](Planted& p) { p.record("d").name_length = 0; }, bad_list},
    {"a name that is no text", [](Planted& p) { p.record("d").name[0] = '\x80'; }, bad_list},
    {"two of a name", [](Planted& p) { p.record("d").name = p.record("other").name, p.page[1].name_length = 5; },
     bad_list},
    {"two of a UUID", [](Planted& p) { p.record("d").uuid = p.record("other").uuid; }, bad_list},
};

TEST_CASE("what cannot be is refused when the store is opened, whatever its checksum") {
  const io::DiskImage good = store_to_damage();
  CHECK_EQ(first_problem(PoolRig(Planted(good).image()).check()), "");
  for (const Refusal& refusal : refusals) {
    INFO(refusal.what);
    Planted planted(good);
    refusal.plant(planted);
    io::SimulatedLoop loop(1);
    io::SimulatedDisk disk(loop, planted.image());
    const auto opened = vm::open_store(loop, disk, {.cache_bytes = limits::smallest_cache});
    REQUIRE_FALSE(opened.has_value());
    CHECK_NE(opened.error().find(refusal.reason), std::string::npos);
    CHECK_EQ(disk.started(io::DiskRequest::Kind::write), 0);
  }
}

struct BadSlot {
  const char* what;
  std::function<Slot(const Slot& child, const Slot& parent)> made_of;
};

const BadSlot bad_slots[] = {
    {"a fixed place", [](const Slot& child, const Slot&) { return moved(child, 39); }},
    {"beyond the end", [](const Slot& child, const Slot&) { return moved(child, beyond); }},
    {"younger than its node", [](const Slot& child, const Slot& node) { return born(child, node.generation() + 1); }},
    {"never born", [](const Slot& child, const Slot&) { return born(child, 0); }},
    {"a flag", [](const Slot& child, const Slot&) { return flagged(child); }},
};

TEST_CASE("a node whose slots cannot be is corrupt for who needs it, and for nobody else") {
  const io::DiskImage good = store_to_damage();
  for (const BadSlot& bad : bad_slots) {
    INFO(bad.what);
    Planted planted(good);
    Slot& root = planted.record("d").roots[0];
    auto node = planted.read<Node>(root.address());
    node[1] = bad.made_of(node[1], root);
    planted.put(root, node);
    PoolRig rig(planted.image());
    const Program needs_it =
        Program().read_byte(table, 0).write_byte(table, 0, 1).clear_extents(table, 0, 4096).read_digest(table, 0, 9000);
    for (const Reply& reply : rig.run(needs_it)) CHECK_EQ(reply.status, Status::corrupt);
    rig.run_well(Program().check_bytes(log, 0, pattern(2, 20'000)).append_bytes(log, pattern(5, 5000)).sync());
    rig.run_well(Program().delete_device(table).sync());
    rig.settle();
    CHECK_EQ(rig.pool().grave_count(), 1);
    CHECK_GT(rig.check().problem_count, 0);
  }
}

const std::pair<const char*, std::function<void(Planted&)>> bad_bitmaps[] = {
    {"a fixed block is free", [](Planted& p) { p.book_as_free(35); }},
    {"a block behind the end is free", [](Planted& p) { p.book_as_free(beyond); }},
    {"fewer are free than are booked", [](Planted& p) { p.summary[0].free_and_flags += 4; }},
    {"more are free than are booked", [](Planted& p) { p.summary[0].free_and_flags -= 4; }},
};

TEST_CASE("a bitmap that cannot be gives no block away") {
  const io::DiskImage good = store_to_damage();
  for (const auto& [what, plant] : bad_bitmaps) {
    INFO(what);
    Planted planted(good);
    plant(planted);
    PoolRig rig(planted.image());
    CHECK_EQ(rig.run(Program().write_byte(table, 0, 1)).front().status, Status::corrupt);
    rig.run_well(Program().check_bytes(table, 0, pattern(1, 20'000)).sync());
    CHECK_GT(rig.check().problem_count, 0);
  }
}

struct Contradiction {
  const char* what;
  std::function<void(Planted&)> plant;
  Program program;  ///< meets it, itself or by what it leaves to be done in the background
};

Slot& child(Planted& planted, Node& node, const char* device, std::size_t n) {
  node = planted.read<Node>(planted.record(device).roots[0].address());
  return node[n];
}

const Contradiction contradictions[] = {
    {"two devices hold one tree, and free it twice",
     [](Planted& p) { p.record("other").roots[0] = p.record("d").roots[0]; },
     Program().delete_device(table).delete_device(log).sync()},
    {"two places of a device hold one node",
     [](Planted& p) {
       Node node;
       Slot& second = child(p, node, "wide", 2);
       second = node[0];
       p.put(p.record("wide").roots[0], node);
       p.record("clone").roots[0] = p.record("wide").roots[0];
     },
     Program()
         .open_device("clone")
         .write_bytes(implied, mebi - 9000, pattern(7, 2 * mebi))
         .write_bytes(numbered(3), 100, pattern(7, 3 * mebi))
         .sync()},
    {"a block that is held is booked as free, and is in memory when it is given away",
     [](Planted& p) {
       Node node;
       const Slot& held = child(p, node, "d", 1);
       p.book_as_free(held.address());
     },
     Program().read_bytes(table, 0, 20'000).create_device("new").write_bytes(implied, 0, pattern(8, mebi)).sync()},
    {"a node that is held is booked as free", [](Planted& p) { p.book_as_free(p.record("d").roots[0].address()); },
     Program().read_byte(table, 0).create_device("new").write_bytes(implied, 0, pattern(8, mebi)).sync()},
    {"a count that can grow no more",
     [](Planted& p) {
       auto root = p.read<Node>(p.superblock.references.address());
       std::array<std::uint32_t, block_size / 4> counts;
       for (Slot& slot : root) {
         if (slot.empty()) continue;
         counts.fill(~std::uint32_t{0});
         p.put(slot, counts);
       }
       p.put(p.superblock.references, root);
     },
     Program().open_device("clone").write_bytes(implied, 0, pattern(9, 5000)).clone_device(numbered(3), "more").sync()},
};

TEST_CASE("maps that contradict each other are answered, nothing more is written, and the last state is kept") {
  const io::DiskImage good = store_to_damage();
  for (const Contradiction& contradiction : contradictions) {
    INFO(contradiction.what);
    Planted planted(good);
    contradiction.plant(planted);
    PoolRig rig(planted.image());
    (void)rig.run(contradiction.program);
    rig.settle();
    CHECK_EQ(rig.machine->sync(), Status::corrupt);
    CHECK(rig.pool().failed());
    const std::uint64_t writes = rig.disk.started(io::DiskRequest::Kind::write);
    for (const Reply& reply : rig.run(Program().create_device("one more").sync())) {
      CHECK_EQ(reply.status, Status::corrupt);
      CHECK_NE(reply.message.find("contradict"), std::string::npos);
    }
    CHECK_EQ(rig.disk.started(io::DiskRequest::Kind::write), writes);
    rig.reopen(true);
    rig.run_well(Program().check_bytes(numbered(3), 0, pattern(3, 20'000)));
  }
}

TEST_CASE("who holds a block that has been given away does not see what others write there") {
  Planted planted(store_to_damage());
  Node node;
  const Slot held = child(planted, node, "d", 1);
  planted.book_as_free(held.address());
  PoolRig rig(planted.image());
  rig.run_well(Program().create_device("new").write_bytes(implied, 0, pattern(8, 8 * mebi)));
  CHECK_EQ(rig.run(Program().read_bytes(table, 0, 20'000)).front().status, Status::corrupt);
  rig.sync();
  rig.reopen();
  CHECK_EQ(rig.run(Program().read_bytes(table, 0, 20'000)).front().status, Status::corrupt);
}

}  // namespace
}  // namespace chimera::devices::testing
