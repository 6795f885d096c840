// The machine on a pool with devices that are files against the model: random programs, in which transactions and what
// comes outside of them meet on the same files.

#include <doctest/doctest.h>

#include "devices/open.h"
#include "io/simulated_disk.h"
#include "isa/limits.h"
#include "tests/devices/served_files.h"
#include "tests/vm/model_test.h"
#include "vm/recovery.h"

namespace chimera::vm::testing {
namespace {

using devices::testing::MemoryFolder;

StoreUnderTest with_files(std::uint64_t seed) {
  struct Rest {
    Rest(io::SimulatedLoop& loop, std::uint64_t blocks)
        : disk(loop, blocks), folder(std::make_shared<MemoryFolder>(loop)) {}
    io::SimulatedDisk disk;
    std::shared_ptr<MemoryFolder> folder;
  };
  auto loop = std::make_unique<io::SimulatedLoop>(seed);
  auto rest = std::make_shared<Rest>(*loop, 512ull << 20 >> 12);
  rest->folder->files["folder/b"].has_holes = false;
  REQUIRE(devices::format(*loop, rest->disk));
  auto store = vm::open_store(*loop, rest->disk, {.cache_bytes = limits::smallest_cache, .folder = rest->folder});
  REQUIRE(store);
  return {std::move(loop), rest, std::move(*store)};
}

TEST_CASE("random programs agree with the model where devices are files") {
  ModelTestOptions options;
  options.memory_only = false;
  options.generator.files = true;
  options.generator.largest_share = 16 << 20;
  Coverage coverage;
  options.coverage = &coverage;
  for (std::uint64_t seed = 901; seed <= 906; ++seed) {
    CHECK_EQ(run_model_test(with_files, seed, 3000, options), "");
  }
  CHECK_GT((coverage[{Operation::create_device, Status::ok}]), 0);
  CHECK_GT((coverage[{Operation::create_device, Status::busy}]), 0);
  CHECK_GT((coverage[{Operation::write_length, Status::ok}]), 0);
  CHECK_GT((coverage[{Operation::clone_device, Status::unsupported}]), 0);
}

}  // namespace
}  // namespace chimera::vm::testing
