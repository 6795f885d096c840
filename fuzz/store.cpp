// A damaged store is refused with a reason, or it opens and everything in it answers with a status: whatever was
// overwritten in its structures, and whether or not their checksums have been put right. What two trees hold, or is
// booked as free, may come to be given away twice: then the store refuses, too.
//
// The first byte of an input chooses what is done with the store; each eight behind it are one piece of damage.

#include <string_view>

#include "devices/open.h"
#include "devices/pool.h"
#include "fuzz/damage.h"
#include "fuzz/good_store.h"
#include "fuzz/talk.h"
#include "io/seeded_random.h"
#include "io/simulated_disk.h"
#include "isa/builder.h"
#include "vm/recovery.h"

namespace {

using namespace chimera;
using fuzz::bytes_of;
using fuzz::Damage;
using fuzz::good_store;
using fuzz::run;
using fuzz::Talk;

/// Reads a little of everything that there is.
Program reads(const std::vector<devices::Device*>& devices) {
  Program program;
  program.describe_store().list_devices("", "", 100);
  for (const devices::Device* device : devices) {
    const Uuid uuid = device->uuid();
    program.open_device(device->name()).describe_device().read_length().read_columns();
    program.read_extents(uuid, 0, device->length());
    for (const std::uint64_t place : {0ull, 4096ull, 3ull << 20, 1ull << 30, 5ull << 40})
      program.read_block(uuid, place);
    program.read_metadata_bytes(uuid, 0, 64).read_metadata_bytes(uuid, ~std::uint64_t{0} - 63, 64);
    program.read_metadata_extents(uuid, 0, ~std::uint64_t{0});
    program.read_digest(uuid, 0, std::min<std::uint64_t>(device->length(), 64 << 10));
    program.compare_devices(uuid, devices.front()->uuid(), 0, std::min(device->length(), devices.front()->length()));
  }
  return program;
}

Program writes(const std::vector<devices::Device*>& devices) {
  Program program;
  program.create_device("new", "columns").write_bytes(implied, 1 << 20, bytes_of("new"));
  for (const devices::Device* device : devices) {
    const Uuid uuid = device->uuid();
    program.write_bytes(uuid, 4090, bytes_of("across blocks")).append_bytes(uuid, bytes_of("end"));
    program.write_columns(uuid, "other columns").write_metadata(uuid, 3, 3);
    program.clone_device(uuid, "clone of " + std::string(1, static_cast<char>('a' + program.bytes().size() % 26)));
    program.clear_extents(uuid, 4096, 1 << 20).write_bytes(uuid, 8192, bytes_of("again"));
    program.copy_bytes(uuid, 0, devices.front()->uuid(), 1 << 20, 1 << 20);
    program.clear_metadata(uuid, 0, 8192).write_length(uuid, 4097).sync();
  }
  if (devices.size() > 1) program.roll_back_device(devices[0]->uuid(), devices[1]->uuid());
  for (std::size_t n = 0; n < devices.size(); n += 2) program.delete_device(devices[n]->uuid());
  return program.sync();
}

devices::CheckReport check(io::SimulatedLoop& loop, devices::Store& store) {
  devices::CheckReport report = devices::check(loop, store, [](std::uint64_t, std::uint64_t) {});
  FUZZ_CHECK((report.problem_count == 0) == report.problems.empty());
  return report;
}

enum class Use { look, change };

/// Opens the store, if that can be, and looks at what is in it or changes it.
void use(const io::DiskImage& image, Use how, bool is_good) {
  io::SimulatedLoop loop(1);
  io::SimulatedDisk disk(loop, image);
  const bool read_only = how == Use::look;
  auto opened = vm::open_store(loop, disk, {.cache_bytes = limits::smallest_cache, .read_only = read_only});
  if (!opened) {
    FUZZ_CHECK(!is_good && !opened.error().empty());
    return;
  }
  const std::vector<devices::Device*> devices = (*opened)->list("", "", 4);
  vm::Machine machine(loop, std::move(*opened));
  run(machine, loop, reads(devices));
  if (how == Use::change) run(machine, loop, writes(devices));
  const devices::CheckReport report = check(loop, machine.store());
  if (is_good) FUZZ_CHECK(report.problem_count == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Damage good(good_store());
  if (size == 0) return 0;
  Damage damage = good;
  for (std::size_t at = 1; at + 8 <= size && at <= 8 * 8; at += 8) {
    damage.hit(std::span<const std::uint8_t, 8>(data + at, 8));
  }
  if ((*data & 1) != 0) damage.repair();
  const bool is_good = size <= 8;
  use(damage.image(), Use::look, is_good);
  if ((*data & 2) != 0) use(damage.image(), Use::change, is_good);
  return 0;
}
