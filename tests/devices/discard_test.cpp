// Space that comes back: all of it when everything is deleted, and to the disk's host.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <set>

#include "devices/discards.h"
#include "tests/devices/crash_recovery.h"
#include "tests/devices/journal_rig.h"
#include "tests/devices/pool_rig.h"

namespace chimera::devices::testing {
namespace {

constexpr Discards::Options usual{.least_blocks = 16, .most_blocks = 256};

/// Blocks of the disk that hold something.
std::set<std::uint64_t> held_blocks(const io::SimulatedDisk& disk) {
  std::set<std::uint64_t> held;
  std::array<std::byte, block_size> bytes;
  for (std::uint64_t block = 0; block < disk.block_count(); ++block) {
    disk.content().read_block(block, bytes);
    if (std::ranges::any_of(bytes, [](std::byte byte) { return byte != std::byte{0}; })) held.insert(block);
  }
  return held;
}

/// What the newest state's bitmaps say is free, and holds something all the same.
std::size_t free_and_held(PoolRig& rig) {
  std::size_t count = 0;
  for (const std::uint64_t block : held_blocks(rig.disk)) {
    const auto group = static_cast<std::uint32_t>(block / group_blocks);
    std::array<std::byte, block_size> bitmap;
    rig.disk.content().read_block(SpaceMap::home(0, group, rig.space().group_entry(group).home()), bitmap);
    const std::uint64_t bit = block % group_blocks;
    count += (static_cast<unsigned>(bitmap[bit / 8]) >> bit % 8 & 1) == 0 ? 1 : 0;
  }
  return count;
}

TEST_CASE("everything deleted: a store uses what a new one uses, and the outcomes of tokens beside it") {
  PoolRig rig((64u << 20) / block_size);
  const std::uint64_t at_first = rig.space().free_count();
  for (int round = 0; round < 2; ++round) {
    const Uuid sparse = rig.create("sparse", "size=16T");
    const Uuid small = rig.create("small");
    for (std::uint64_t place = 0; place < 40; ++place) {
      rig.run_well(
          Program().write_bytes(sparse, place << 38, pattern(place, 5000)).write_metadata(sparse, place << 55, 1));
    }
    rig.run_well(Program().write_bytes(small, 0, pattern(1, 3u << 20)).write_columns(small, "columns"));
    const Uuid clone = rig.clone(small, "clone");
    rig.checkpoint();
    const std::vector<Program::DeviceName> both{{small, "small@1"}, {sparse, "sparse@1"}};
    rig.run_well(Program().snapshot(both));
    rig.run_well(Program().write_bytes(small, 1u << 20, pattern(2, 1u << 20)).write_bytes(clone, 0, pattern(3, 100)));
    rig.run_well(Program().copy_bytes(small, 0, clone, 1u << 20, 2u << 20).roll_back_device(small, clone));
    rig.run_well(Program().clear_extents(sparse, 0, std::uint64_t{1} << 40));
    CHECK_EQ(empty_the_store(rig), "");
    CHECK_EQ(rig.space().free_count(), at_first);
    rig.reopen();
  }
  // A token is kept beyond all devices: its entry, and what leads to it.
  const Program::Token token{1, 2, 3};
  rig.run_well(Program().begin().create_device("d").commit_with_token(token));
  CHECK_EQ(rig.run_well(Program().outcome_of_token(token)).result[0], 1);
  rig.run_well(Program().open_device("d").delete_device());
  rig.checkpoint();
  const std::uint64_t manifest_and_token = at_first - rig.space().free_count();
  CHECK_LE(manifest_and_token, 6);
  for (std::uint8_t n = 0; n < 200; ++n) rig.run_well(Program().begin().commit_with_token({9, n}));
  rig.checkpoint();
  CHECK_LE(at_first - rig.space().free_count(), 8);
  CHECK_EQ(first_problem(rig.check()), "");
}

TEST_CASE("what is deleted is given back to the disk, behind the second checkpoint, and only that") {
  PoolRig rig((64u << 20) / block_size, 1, {}, usual);
  const std::size_t at_first = held_blocks(rig.disk).size();
  const Uuid kept = rig.create("kept");
  const Uuid gone = rig.create("gone");
  rig.run_well(Program().write_bytes(kept, 0, pattern(1, 1u << 20)).write_bytes(gone, 0, pattern(2, 20u << 20)));
  rig.checkpoint();
  const std::size_t in_use = held_blocks(rig.disk).size();
  CHECK_GT(in_use, at_first + 5000);
  rig.run_well(Program().delete_device(gone));
  rig.settle();
  CHECK_GE(rig.pool().discards().blocks_given_back(), 5000);
  // Less than 64 KiB in a row is left alone: the maps here and there.
  CHECK_LT(held_blocks(rig.disk).size(), in_use - 5000);
  rig.run_well(Program().check_bytes(kept, 0, pattern(1, 1u << 20)));
  CHECK_EQ(first_problem(rig.check()), "");
  rig.reopen();
  rig.run_well(Program().check_bytes(kept, 0, pattern(1, 1u << 20)));
  CHECK_EQ(first_problem(rig.check()), "");
}

TEST_CASE("trim: nothing that is free holds anything") {
  PoolRig rig((64u << 20) / block_size);
  const Uuid device = rig.create("d");
  for (std::uint64_t n = 0; n < 300; ++n) {
    rig.run_well(Program().write_bytes(device, n * 37 % 100 * 20'000, pattern(n, 20'000)));
    if (n % 50 == 0) rig.checkpoint();
  }
  rig.run_well(Program().clear_extents(device, 300'000, 700'000));
  rig.checkpoint();
  CHECK_GT(free_and_held(rig), 100);
  const auto trimmed = trim(rig.loop, rig.store());
  REQUIRE_MESSAGE(trimmed.has_value(), error_of(trimmed));
  CHECK_GT(*trimmed, 1u << 20);
  CHECK_EQ(free_and_held(rig), 0);
  CHECK_EQ(first_problem(rig.check()), "");
  rig.run_well(
      Program().write_bytes(device, 300'000, pattern(7, 700'000)).check_bytes(device, 300'000, pattern(7, 700'000)));
}

TEST_CASE("who cannot trim is told why") {
  PoolRig rig((64u << 20) / block_size);
  rig.run_well(Program().create_device("d").write_bytes(implied, 0, pattern(1, 300'000)).sync());
  Recovered reader(rig.disk.content());
  CHECK_EQ(error_of(trim(reader.loop, *reader.store)), "the store was opened for reading only");
  rig.run_well(Program().open_device("d").write_bytes(implied, 0, pattern(2, 300'000)));
  rig.disk.inject({io::DiskRequest::Kind::flush, 1});
  CHECK_NE(error_of(trim(rig.loop, rig.store())), "");
}

TEST_CASE("a store that has grown gives back what is freed in its new part") {
  PoolRig rig(smallest_store_blocks, 1, {}, {.least_blocks = 1});
  const std::uint64_t grown = (192u << 20) / block_size;
  REQUIRE_EQ(rig.disk.grow(grown), 0);
  REQUIRE(grow(rig.loop, rig.store()).has_value());
  const Uuid device = rig.create("d");
  for (std::uint64_t n = 0; n < 90; ++n) rig.run_well(Program().write_bytes(device, n << 20, pattern(n, 1u << 20)));
  rig.checkpoint();
  rig.run_well(Program().delete_device(device));
  rig.checkpoint();
  REQUIRE(trim(rig.loop, rig.store()).has_value());
  CHECK_EQ(free_and_held(rig), 0);
  CHECK_EQ(first_problem(rig.check()), "");
}

TEST_CASE("the older superblock's state stays whole: it counts where the newest is damaged") {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    PoolRig rig((64u << 20) / block_size, seed, {.journal_bytes = 0},
                {.least_blocks = 1, .most_blocks = 64, .eager = true});
    for (std::uint64_t n = 0; n < 30; ++n) {
      const std::string name = fmt::format("d{}", n % 3);
      if (n >= 3) rig.run_well(Program().open_device(name).delete_device());
      rig.run_well(Program().create_device(name).write_bytes(implied, n * 4096, pattern(n, 100'000 + n * 5000)));
      rig.checkpoint();
      rig.settle();
      if (n < 6) continue;
      io::DiskImage image = rig.disk.content();
      std::array<std::array<std::byte, block_size>, 2> superblocks;
      for (int place = 0; place < 2; ++place) image.read_block(superblock_places[place], superblocks[place]);
      const auto generation = [&](int place) {
        return reinterpret_cast<const Superblock*>(superblocks[place].data())->generation;
      };
      image.flip_bit(superblock_places[generation(0) > generation(1) ? 0 : 1], 999);
      io::SimulatedLoop loop(seed);
      io::SimulatedDisk disk(loop, std::move(image));
      const auto older = open_store(loop, disk, {.cache_bytes = limits::smallest_cache, .read_only = true});
      REQUIRE_MESSAGE(older.has_value(), error_of(older));
      CHECK_EQ(check(loop, **older, [](auto, auto) {}).bad_checksums, 0);
    }
    CHECK_GT(rig.pool().discards().blocks_given_back(), 100);
  }
}

TEST_CASE("whoever needs the space that is being discarded waits for it") {
  for (std::uint64_t discards = 1; discards <= 4; ++discards) {
    PoolRig rig((64u << 20) / block_size, discards, {}, {.least_blocks = 1, .most_blocks = 4096, .eager = true});
    const Uuid large = rig.create("large");
    std::uint64_t size = 0;
    while (rig.run(Program().write_bytes(large, size, pattern(size, 1u << 20)))[0].ok()) size += 1u << 20;
    const std::uint64_t count = 8u << 20;
    rig.run_well(Program().clear_extents(large, size - count, count));
    rig.checkpoint();
    rig.pool().discard_all_free();
    for (std::uint64_t n = 0; n < discards; ++n) {
      while (rig.pool().discards().under_way()) rig.loop.step(0);
      for (int turn = 0; turn < 10'000; ++turn) {
        rig.machine->run_ready();
        if (rig.pool().discards().under_way()) break;
        rig.loop.step(0);
      }
    }
    REQUIRE(rig.pool().discards().under_way());
    // All that was free is taken again, in one piece.
    rig.run_well(Program().write_bytes(large, size - count, pattern(discards, count)));
    CHECK_EQ(first_problem(rig.check()), "");
  }
}

TEST_CASE("a disk that cannot discard is asked once, and all else goes on") {
  PoolRig rig((64u << 20) / block_size, 1, {}, usual);
  rig.disk.inject({io::DiskRequest::Kind::discard, 1, true, io::Fault::Effect::fail, EOPNOTSUPP});
  for (std::uint64_t n = 0; n < 3; ++n) {
    const Uuid device = rig.create("d");
    rig.run_well(Program().write_bytes(device, 0, pattern(n, 20u << 20)).delete_device(device));
    rig.checkpoint();
    rig.settle();
  }
  CHECK_EQ(rig.disk.started(io::DiskRequest::Kind::discard), 1);
  CHECK_EQ(rig.pool().discards().refusal(), EOPNOTSUPP);
  CHECK_EQ(first_problem(rig.check()), "");
  const auto trimmed = trim(rig.loop, rig.store());
  CHECK_FALSE(trimmed.has_value());
}

TEST_CASE("a store that keeps its space does so whoever opens it, and trims when it is told to") {
  PoolRig rig((64u << 20) / block_size, 1, {.keeps_space = true}, usual);
  const Uuid device = rig.create("d");
  rig.run_well(Program().write_bytes(device, 0, pattern(1, 20u << 20)).delete_device(device));
  rig.checkpoint();
  rig.settle();
  rig.reopen();
  CHECK_EQ(rig.disk.started(io::DiskRequest::Kind::discard), 0);
  REQUIRE(trim(rig.loop, rig.store()).has_value());
  CHECK_EQ(free_and_held(rig), 0);
}

}  // namespace
}  // namespace chimera::devices::testing
