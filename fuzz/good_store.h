#pragma once
// Small good stores in images, for targets that damage them: their devices are the first known ones.

#include <string_view>
#include <utility>
#include <vector>

#include "devices/layout.h"
#include "devices/open.h"
#include "fuzz/check.h"
#include "fuzz/talk.h"
#include "io/disk_image.h"
#include "io/simulated_disk.h"
#include "isa/builder.h"
#include "vm/recovery.h"

namespace chimera::fuzz {

/// A device that streams may know of.
constexpr Uuid known_device(std::uint64_t number) { return {{static_cast<std::uint8_t>(number)}}; }
inline constexpr std::uint64_t most_known_devices = 15;

inline Bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

inline void run(vm::Machine& machine, io::SimulatedLoop& loop, const Program& program) {
  Talk talk(machine, program.bytes());
  talk.feed(program.bytes().size());
  (void)run_to_rest(machine, loop, {&talk, 1});
}

/// Devices of several heights with columns and metadata, clones that share and that have parted, one that has been
/// deleted while a digest still holds on to another one's state: a grave is left in the list of devices.
inline io::DiskImage good_store() {
  io::SimulatedLoop loop(1);
  io::SimulatedDisk disk(loop, devices::smallest_store_blocks);
  FUZZ_CHECK(devices::format(loop, disk));
  auto opened = vm::open_store(loop, disk, {.cache_bytes = limits::smallest_cache});
  FUZZ_CHECK(opened);
  vm::Machine machine(loop, std::move(*opened));
  Program program;
  program.create_device("small", "id u64", {}, known_device(1)).write_bytes(implied, 0, bytes_of("small"));
  program.write_metadata_bytes(implied, 5, bytes_of("metadata"));
  program.create_device("large", "text", "size=8T", known_device(2));
  for (const std::uint64_t place : {0ull, 5000ull, 3ull << 20, 1ull << 30, 5ull << 40}) {
    program.write_bytes(implied, place, bytes_of("far out"));
  }
  program.write_metadata_bytes(implied, ~std::uint64_t{0} - 7, bytes_of("the end"));
  program.clone_device(known_device(1), "clone").clone_device(known_device(2), "parted");
  program.write_bytes(known_device(2), 5000, bytes_of("apart"));
  program.create_device("gone", "columns", {}, known_device(3)).write_bytes(implied, 3 << 20, bytes_of("gone"));
  program.sync().delete_device(known_device(3)).sync();
  run(machine, loop, program);

  const Program digest = Program().read_digest(known_device(2), 0, std::uint64_t{8} << 40);
  Talk talk(machine, digest.bytes());
  talk.feed(digest.bytes().size());
  (void)run_to_rest(machine, loop, {&talk, 1});
  run(machine, loop, Program().sync());
  FUZZ_CHECK(machine.sync() == Status::ok);  // all is in the maps, and nothing in the journal
  return disk.content();
}

/// The same with records in its journal: one that makes devices, one that names blocks, one that changes pieces of them
/// and shares them, one that deletes.
inline io::DiskImage store_with_journal() {
  io::SimulatedLoop loop(1);
  io::SimulatedDisk disk(loop, good_store());
  auto opened = vm::open_store(loop, disk, {.cache_bytes = limits::smallest_cache});
  FUZZ_CHECK(opened);
  vm::Machine machine(loop, std::move(*opened));
  static const std::vector<std::uint8_t> blocks(5 * limits::block_size, 7);
  run(machine, loop, Program().create_device("late", "more text", {}, known_device(4)).sync());
  run(machine, loop,
      Program().write_bytes(known_device(4), 0, blocks).write_bytes(known_device(1), 4096, blocks).sync());
  Program program;
  program.write_bytes(known_device(4), 5000, bytes_of("a piece"))
      .write_metadata_bytes(known_device(4), 1, bytes_of("m"));
  program.clone_device(known_device(4), "late clone").write_bytes(known_device(4), 0, blocks);
  program.copy_bytes(known_device(4), 0, known_device(2), 1 << 20, 16384);
  program.clear_extents(known_device(4), 4096, 8192).write_length(known_device(4), 9000).write_columns(implied, "less");
  program.rename_device(known_device(4), "later").protect_device(known_device(1), 1).sync();
  run(machine, loop, program);
  run(machine, loop, Program().delete_device(known_device(2)).sync());
  return disk.content();
}

}  // namespace chimera::fuzz
