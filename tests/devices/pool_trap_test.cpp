// The traps of docs/architecture.md that concern blocks, clones and free space, each with what happens where its answer
// is missing.

#include <doctest/doctest.h>

#include <boost/uuid/uuid_io.hpp>

#include <algorithm>
#include <optional>

#include "devices/crc32c.h"
#include "devices/io_buffer.h"
#include "devices/read_now.h"
#include "devices/reference_counts.h"
#include "isa/answer.h"
#include "tests/devices/crash_recovery.h"
#include "tests/devices/pool_rig.h"

namespace chimera::devices::testing {
namespace {

/// Where a block of a device's data lies on the disk.
std::uint64_t address_of(PoolRig& rig, std::string_view device, std::uint64_t block) {
  std::uint64_t address = 0;
  rig.pool().each_tree([&](const std::string& name, Tree& tree) {
    if (name != "data of \"" + std::string(device) + "\"") return;
    const Outcome outcome = finish(rig.loop, rig.store(), [&](Waiter& waiter) {
      Collected collected;
      tree.fetch_maps(waiter, block, block, collected);
      const Outcome fetched = rig.pool().blocks().conclude(waiter, collected);
      if (fetched.is_ready()) address = tree.slot(block).address();
      return fetched;
    });
    REQUIRE(outcome.is_ready());
  });
  return address;
}

std::vector<std::uint8_t> block_of(std::uint64_t number) { return pattern(number, block_size); }

TEST_CASE("a checksum tells where a block was born and when") {
  const std::vector<std::uint8_t> bytes = block_of(1);
  const std::uint32_t checksum = block_checksum(1000, 7, bytes.data());
  CHECK_NE(block_checksum(1001, 7, bytes.data()), checksum);
  CHECK_NE(block_checksum(1000, 8, bytes.data()), checksum);
  CHECK_NE(block_checksum(1000, 7, block_of(2).data()), checksum);
  CHECK_EQ(block_checksum(1000, 7, bytes.data()), checksum);
}

TEST_CASE("misdirected writes and stale versions are found") {
  PoolRig rig;
  const Uuid device = rig.create("d");
  rig.run_well(
      Program().write_block(device, 0, as_block(block_of(1))).write_block(device, 4096, as_block(block_of(2))));
  rig.checkpoint();
  const std::uint64_t first = address_of(rig, "d", 0);
  const std::uint64_t second = address_of(rig, "d", 1);
  const BlockBuffer bytes = make_block_buffer();
  REQUIRE(read_now(rig.loop, rig.disk, first, *bytes));
  rig.close();
  REQUIRE(write_now(rig.loop, rig.disk, second, bytes.get()));
  rig.open();
  const std::vector<Reply> replies = rig.run(Program().read_block(device, 0).read_block(device, 4096));
  CHECK(replies[0].ok());
  CHECK_EQ(replies[1].status, Status::corrupt);
  CHECK_NE(replies[1].message, "");
  CHECK_EQ(rig.check().bad_checksums, 1);
}

TEST_CASE("a lost write leaves something old behind, which is not taken for the new") {
  unsigned found = 0;
  for (std::uint64_t lost = 1; lost <= 6; ++lost) {
    PoolRig rig;
    const Uuid device = rig.create("d");
    rig.run_well(Program().write_block(device, 0, as_block(block_of(1))));
    rig.checkpoint();
    rig.disk.inject({io::DiskRequest::Kind::write, lost, false, io::Fault::Effect::lose});
    rig.run_well(Program().write_block(device, 0, as_block(block_of(2))));
    rig.checkpoint();
    CHECK_EQ(rig.run_well(Program().read_block(device, 0)).result, block_of(2));  // from memory
    const std::uint64_t generation = rig.pool().checkpoint().published();
    rig.close();
    const auto store = vm::open_store(rig.loop, rig.disk, {.cache_bytes = limits::smallest_cache});
    if (!store) {
      CHECK_NE(store.error(), "");
      continue;
    }
    // Nothing tells of a superblock that was lost.
    if ((*store)->pool()->checkpoint().published() < generation) continue;
    std::vector<std::uint8_t> read(block_size);
    const Outcome outcome = finish(rig.loop, **store, [&](Waiter& waiter) {
      const Outcome fetched = (*store)->find(device)->fetch(waiter, Plane::data, 0, block_size);
      if (fetched.is_ready()) (*store)->find(device)->read(Plane::data, 0, read);
      return fetched;
    });
    if (outcome.is_ready()) CHECK_EQ(read, block_of(2));
    if (!outcome.is_ready()) CHECK_EQ(outcome.status(), Status::corrupt);
    if (!outcome.is_ready()) ++found;
  }
  CHECK_EQ(found, 1);
}

TEST_CASE("clones see each other's blocks in memory, and no changes") {
  PoolRig rig;
  const Uuid origin = rig.create("origin");
  const std::vector<std::uint8_t> old = pattern(1, 40 * block_size);
  rig.run_well(Program().write_bytes(origin, 0, old).write_metadata(origin, ~std::uint64_t{0}, 7));
  // Nothing of this is on the disk yet.
  const Uuid clone = rig.clone(origin, "clone");
  const Uuid second = rig.clone(clone, "clone of the clone");
  const std::uint64_t reads = rig.disk.started(io::DiskRequest::Kind::read);
  rig.run_well(Program().write_byte(origin, 5000, 1).write_byte(clone, 9000, 2).check_bytes(second, 0, old));
  std::vector<std::uint8_t> expected = old;
  expected[5000] = 1;
  rig.run_well(Program().check_bytes(origin, 0, expected));
  expected = old;
  expected[9000] = 2;
  rig.run_well(Program().check_bytes(clone, 0, expected).check_metadata_bytes(clone, ~std::uint64_t{0}, {{7}}));
  CHECK_EQ(rig.disk.started(io::DiskRequest::Kind::read), reads);
  rig.sync();
  rig.reopen();
  rig.run_well(Program().check_bytes(second, 0, old).check_bytes(clone, 0, expected));
  CHECK_EQ(first_problem(rig.check()), "");
}

TEST_CASE("a clone costs no copy") {
  PoolRig rig((64 * mebi) / block_size);
  const Uuid origin = rig.create("origin");
  rig.run_well(Program().write_bytes(origin, 0, pattern(1, 16 * mebi)).sync());
  const std::uint64_t before = rig.space().free_count();
  rig.clone(origin, "clone");
  rig.sync();
  rig.settle();
  CHECK_GE(rig.space().free_count() + 8, before);
}

TEST_CASE("an origin is deleted while a diverged clone holds part of it") {
  PoolRig rig;
  const std::uint64_t empty = rig.space().free_count();
  const Uuid origin = rig.create("origin");
  std::vector<std::uint8_t> bytes = pattern(1, 1000 * block_size);
  rig.run_well(Program().write_bytes(origin, 0, bytes));
  const Uuid clone = rig.clone(origin, "clone");
  const std::vector<std::uint8_t> change = pattern(2, 300 * block_size);
  rig.run_well(Program().write_bytes(clone, 200 * block_size, change).sync());
  std::copy(change.begin(), change.end(), bytes.begin() + 200 * block_size);

  SUBCASE("the origin goes") {
    rig.run_well(Program().delete_device(origin).sync());
    rig.reopen();  // the walk that frees goes on after it
    rig.run_well(Program().check_bytes(clone, 0, bytes));
  }
  SUBCASE("the clone goes") {
    rig.run_well(Program().delete_device(clone).sync());
    rig.run_well(Program().read_digest(origin, 0, 1000 * block_size));
  }
  SUBCASE("both stay") {}
  CHECK_EQ(first_problem(rig.check()), "");
  CHECK_EQ(rig.pool().grave_count(), 0);
  const auto only = static_cast<std::int64_t>(empty - rig.space().free_count());
  if (rig.store().device_count() == 1) CHECK_LT(std::abs(only - 1000), 20);
  if (rig.store().device_count() == 2) CHECK_LT(std::abs(only - 1300), 20);
  CHECK_EQ(empty_the_store(rig), "");
}

TEST_CASE("a device that was deleted comes back to the last block, whatever happened to it") {
  PoolRig rig((64 * mebi) / block_size);
  const Uuid first = rig.create("first");
  const Uuid second = rig.create("second");
  const std::vector<std::uint8_t> bytes = pattern(3, 5 * mebi);
  rig.run_well(Program()
                   .write_bytes(first, 3, bytes)
                   .write_bytes(first, std::uint64_t{1} << 50, bytes)
                   .write_metadata_bytes(first, 1ull << 63, std::span(bytes).first(10'000))
                   .write_columns(first, std::string(9000, 'c'))
                   .copy_bytes(first, 0, second, 8 * mebi, 4 * mebi)
                   .copy_bytes(second, 8 * mebi, second, 9 * mebi, 3 * mebi)
                   .clear_extents(first, mebi + 1, 2 * mebi));
  const Uuid clone = rig.clone(second, "clone");
  rig.run_well(Program()
                   .write_bytes(second, 0, std::span(bytes).first(100'000))
                   .roll_back_device(second, clone)
                   .write_length(clone, 10 * mebi)
                   .write_columns(first, "short")
                   .sync());
  CHECK_EQ(first_problem(rig.check()), "");
  CHECK_EQ(empty_the_store(rig), "");
}

/// Writes until the store says that it is full; what was written is one block at every other place.
std::uint64_t fill(PoolRig& rig, const Uuid& device) {
  for (std::uint64_t n = 0;; ++n) {
    const Reply reply = rig.run(Program().write_block(device, n * 2 * block_size, as_block(block_of(n)))).front();
    if (reply.ok()) continue;
    REQUIRE_EQ(reply.status, Status::no_space);
    REQUIRE_NE(reply.message, "");
    return n;
  }
}

TEST_CASE("a full store reads, clears and deletes, and has its space again without a flush") {
  PoolRig rig;
  const Uuid device = rig.create("full");
  const Uuid other = rig.create("other");
  rig.run_well(Program().write_block(other, 0, as_block(block_of(9))));
  const std::uint64_t written = fill(rig, device);
  CHECK_GT(written, 3000);
  CHECK_EQ(rig.run(Program().create_device("one more")).front().status, Status::no_space);
  CHECK_EQ(rig.run(Program().clone_device(device, "one more")).front().status, Status::no_space);
  CHECK_EQ(rig.run(Program().write_bytes(other, mebi, pattern(1, 10'000))).front().status, Status::no_space);
  rig.run_well(Program().check_block(device, 0, as_block(block_of(0))));
  SUBCASE("after a delete") { rig.run_well(Program().delete_device(device)); }
  SUBCASE("after a clear") { rig.run_well(Program().clear_extents(device, 0, written * 2 * block_size)); }
  SUBCASE("after clears of parts of blocks") {
    for (std::uint64_t n = 0; n < written; n += 3) {
      rig.run_well(Program().clear_extents(device, n * 2 * block_size + 10, 5 * block_size));
    }
  }
  SUBCASE("after the length shrinks") { rig.run_well(Program().write_length(device, 10)); }
  rig.run_well(Program().write_bytes(other, 0, pattern(2, mebi)));
  CHECK_EQ(first_problem(rig.check()), "");
  CHECK_EQ(empty_the_store(rig), "");
}

TEST_CASE("whoever needs the space of a deleted device waits for few checkpoints") {
  constexpr std::uint64_t store_blocks = 32'768;
  constexpr std::uint64_t cache_bytes = 128 * mebi;  // so large that what is dirty asks for none
  PoolRig made(store_blocks, 1, {.journal_bytes = 0});
  made.close();
  PoolRig rig(made.disk.content(), 2, cache_bytes);
  const Uuid first = rig.create("first");
  for (std::uint64_t n = 0; n < 120; ++n) rig.run_well(Program().write_bytes(first, n * mebi, pattern(n, mebi)));
  rig.sync();
  rig.reopen();  // so that the map of what is freed has to be read
  const Uuid second = rig.create("second");
  const std::uint64_t before = rig.pool().checkpoint().count();
  rig.run_well(Program().delete_device(first).write_bytes(second, 0, pattern(1, 24 * mebi)));
  const std::uint64_t needed = rig.pool().checkpoint().count() - before;
  CHECK_GE(needed, 1);
  CHECK_LE(needed, 4);
  CHECK_EQ(first_problem(rig.check()), "");
}

/// Whoever waits for deleted devices is patient, for a while; what frees them has only itself to wait for.
TEST_CASE("what empties graves in a full store asks for the checkpoint that it needs, however little that brings") {
  PoolRig rig;
  const Uuid device = rig.create("d");
  rig.run_well(Program().write_bytes(device, 0, pattern(1, 5000)).write_bytes(device, 3 * mebi, pattern(2, 5000)));
  rig.checkpoint();
  rig.settle();
  rig.reopen();  // so that its map has to be read first
  rig.session->feed(Program().delete_device(device).bytes());
  for (rig.machine->run_ready(); rig.session->answers().empty(); rig.machine->run_ready()) rig.loop.step(0);
  REQUIRE_EQ(rig.pool().grave_count(), 1);
  const std::uint64_t checkpoints = rig.pool().checkpoint().count();
  // Meanwhile the store has become full.
  constexpr std::uint64_t enough_for_a_checkpoint = 10;
  constexpr std::size_t little = 100;
  SpaceMap& space = rig.space();
  std::vector<std::uint64_t> taken;
  while (space.available() > enough_for_a_checkpoint) {
    REQUIRE_EQ(space.reserve(1, space.failures()), SpaceMap::Reserved::ready);
    taken.push_back(space.allocate(SpaceMap::Use::data));
  }
  for (std::size_t n = 0; n < little; ++n) space.release(taken[n]);
  rig.settle();
  CHECK_EQ(rig.pool().grave_count(), 0);
  CHECK_GT(rig.pool().checkpoint().count(), checkpoints);
}

TEST_CASE("a full store makes its state durable, and opens") {
  PoolRig rig;
  const Uuid device = rig.create("full");
  const std::uint64_t written = fill(rig, device);
  rig.sync();
  rig.reopen();
  rig.run_well(Program().check_block(device, (written - 1) * 2 * block_size, as_block(block_of(written - 1))));
  CHECK_EQ(rig.run(Program().write_block(device, written * 2 * block_size, as_block(block_of(1)))).front().status,
           Status::no_space);
  rig.run_well(Program().delete_device(device).sync());
  CHECK_EQ(empty_the_store(rig), "");
}

TEST_CASE("a full store of small devices: a checkpoint finds room for all that changes at once") {
  PoolRig rig;
  std::vector<Uuid> devices;
  for (std::uint64_t n = 0;; ++n) {
    Program program;
    program.create_device(std::to_string(n))
        .write_block(implied, 0, as_block(block_of(n)))
        .write_metadata(implied, 0, 1);
    const std::vector<Reply> replies = rig.run(program);
    if (replies[0].ok()) devices.push_back(uuid_in(replies[0]));
    if (!replies[2].ok()) break;
  }
  CHECK_GT(devices.size(), 1000);
  SUBCASE("all are deleted") {
    Program program;
    for (const Uuid& uuid : devices) program.delete_device(uuid);
    rig.run_well(program);
    rig.sync();
  }
  SUBCASE("all are renamed and protected") {
    Program program;
    for (const Uuid& uuid : devices) program.rename_device(uuid, to_string(uuid)).protect_device(uuid, true);
    rig.run_well(program);
    rig.sync();
  }
  SUBCASE("a clear takes a bit of each") {
    Program program;
    for (const Uuid& uuid : devices) program.clear_extents(uuid, 10, 20);
    for (const Reply& reply : rig.run(program)) CHECK((reply.ok() || reply.status == Status::no_space));
    rig.sync();
  }
  CHECK_FALSE(rig.pool().failed());
  CHECK_EQ(first_problem(rig.check()), "");
  CHECK_EQ(empty_the_store(rig), "");
}

TEST_CASE("a store of 16 TiB opens with few reads, and does not load its whole map") {
  PoolRig rig((std::uint64_t{16} << 40) / block_size);
  CHECK_LT(rig.disk.started(io::DiskRequest::Kind::write), 2000);
  const std::uint64_t before = rig.disk.started(io::DiskRequest::Kind::read);
  rig.reopen();
  CHECK_LT(rig.disk.started(io::DiskRequest::Kind::read) - before, 700);
  const Uuid device = rig.create("sparse");
  for (std::uint64_t n = 0; n < 40; ++n) {
    rig.run_well(Program().write_block(device, n << 40, as_block(block_of(n))));
  }
  rig.sync();
  CHECK_LT(rig.disk.started(io::DiskRequest::Kind::read) - before, 710);
  CHECK_EQ(rig.space().block_count(), (std::uint64_t{16} << 40) / block_size);
  rig.reopen();
  rig.run_well(Program().check_block(device, 39ull << 40, as_block(block_of(39))).delete_device(device).sync());
}

TEST_CASE("a disk that is larger than a store can be is refused") {
  io::SimulatedLoop loop(1);
  io::SimulatedDisk disk(loop, most_store_blocks + 1);
  const auto made = format(loop, disk);
  REQUIRE_FALSE(made);
  CHECK_NE(made.error(), "");
}

TEST_CASE("what a checkpoint writes is not changed meanwhile") {
  PoolRig rig;
  const Uuid device = rig.create("d");
  const std::vector<std::uint8_t> old = pattern(1, 30 * block_size);
  const std::vector<std::uint8_t> changed = pattern(2, 30 * block_size);
  rig.run_well(Program().write_bytes(device, 0, old));
  rig.pool().blocks().want_checkpoint();
  rig.machine->run_ready();
  REQUIRE_FALSE(rig.pool().checkpoint().idle());
  // The simulated disk asserts that the bytes of its writes stay as they are.
  rig.run_well(Program().write_bytes(device, 0, changed).check_bytes(device, 0, changed));
  REQUIRE_FALSE(rig.pool().checkpoint().idle());
  rig.settle();
  rig.run_well(Program().check_bytes(device, 0, changed));
  const io::CrashImages images = rig.disk.crash_images();
  PoolRig after(images.at(0));
  after.run_well(Program().check_bytes(device, 0, old));
}

TEST_CASE("reading only writes nothing, whatever is read") {
  PoolRig rig((64 * mebi) / block_size);
  const Uuid device = rig.create("d");
  const std::vector<std::uint8_t> bytes = pattern(1, 20 * mebi);
  rig.run_well(Program().write_bytes(device, 0, bytes));
  const Uuid clone = rig.clone(device, "clone");
  rig.run_well(Program().delete_device(clone));
  const Reply digest = rig.run_well(Program().read_digest(device, 0, 20 * mebi));
  rig.run_well(Program().sync());
  rig.reopen(true);
  const std::uint64_t writes = rig.disk.started(io::DiskRequest::Kind::write);
  CHECK_EQ(rig.run_well(Program().read_digest(device, 0, 20 * mebi)).result, digest.result);
  rig.run_well(Program().check_bytes(device, 0, bytes).read_extents(device, 0, 20 * mebi).sync());
  const Program changes = Program()
                              .write_byte(device, 0, 1)
                              .clear_extents(device, 0, 1)
                              .write_length(device, 1)
                              .append_bytes(device, {{1}})
                              .write_columns(device, "c")
                              .write_metadata(device, 0, 1)
                              .rename_device(device, "e")
                              .protect_device(device, true)
                              .create_device("e")
                              .clone_device(device, "e")
                              .delete_device(device);
  for (const Reply& reply : rig.run(changes)) CHECK_EQ(reply.status, Status::read_only);
  rig.settle();
  rig.close();
  CHECK_EQ(rig.disk.started(io::DiskRequest::Kind::write), writes);
}

TEST_CASE("a large write is whole or not there") {
  PoolRig rig((128 * mebi) / block_size);
  const Uuid device = rig.create("d");
  const std::vector<std::uint8_t> old = pattern(1, limits::largest_transfer);
  const std::vector<std::uint8_t> changed = pattern(2, limits::largest_transfer);
  rig.run_well(Program().write_bytes(device, 0, old).sync());
  const Content before = content_of(rig.loop, rig.store());
  std::vector<io::DiskImage> crashed;
  unsigned boundaries = 0;
  rig.disk.at_boundaries([&](auto, const auto&) {
    if (++boundaries % 16 != 0 && boundaries > 3) return;
    const io::CrashImages images = rig.disk.crash_images({.enumerate_up_to = 8, .most_singles = 4, .samples = 4});
    crashed.push_back(images.at(rig.loop.random().below(images.size())));
  });
  rig.run_well(Program().write_bytes(device, 0, changed));
  rig.pool().blocks().want_checkpoint();
  rig.settle();
  rig.disk.at_boundaries({});
  const Content states[] = {before, content_of(rig.loop, rig.store())};
  REQUIRE_NE(states[0], states[1]);
  CHECK_GT(crashed.size(), 4);
  CrashCounts counts;
  for (const io::DiskImage& image : crashed) CHECK_EQ(recover(image, states, 1, false, counts), "");
}

}  // namespace
}  // namespace chimera::devices::testing
