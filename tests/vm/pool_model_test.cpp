// The machine on a pool against the model: on a simulated disk, and on a file with both of the kernel's loops.

#include <doctest/doctest.h>

#include <cstdlib>
#include <string>

#include <fmt/format.h>
#include <unistd.h>

#include "devices/open.h"
#include "io/file_disk.h"
#include "io/make_loop.h"
#include "io/simulated_disk.h"
#include "isa/limits.h"
#include "tests/vm/conversation.h"
#include "tests/vm/model_test.h"
#include "vm/recovery.h"

namespace chimera::vm::testing {
namespace {

constexpr std::uint64_t disk_blocks = 512ull << 20 >> 12;

std::unique_ptr<devices::Store> open_pool(io::Loop& loop, io::Disk& disk) {
  auto store = vm::open_store(loop, disk, {.cache_bytes = limits::smallest_cache});
  REQUIRE(store);
  return std::move(*store);
}

StoreUnderTest on_simulated_disk(std::uint64_t seed) {
  auto loop = std::make_unique<io::SimulatedLoop>(seed);
  auto disk = std::make_shared<io::SimulatedDisk>(*loop, disk_blocks);
  REQUIRE(devices::format(*loop, *disk));
  auto store = open_pool(*loop, *disk);
  return {std::move(loop), disk, std::move(store)};
}

/// A file that has no name any more.
StoreUnderTest on_file(io::LoopKind kind) {
  std::string warning;
  auto loop = io::make_loop(kind, warning);
  if (!loop) {
    MESSAGE("skipped: " << loop.error());
    return {};
  }
  std::string path = "model-test-XXXXXX";
  const int fd = ::mkstemp(path.data());
  REQUIRE_GE(fd, 0);
  ::close(fd);
  auto opened = io::FileDisk::open(**loop, path, io::OpenMode::read_write);
  REQUIRE(opened);
  ::unlink(path.c_str());
  const std::shared_ptr<io::FileDisk> disk = std::move(*opened);
  REQUIRE_EQ(disk->grow(disk_blocks), 0);
  REQUIRE(devices::format(**loop, *disk));
  auto store = open_pool(**loop, *disk);
  return {std::move(*loop), disk, std::move(store)};
}

ModelTestOptions on_a_pool() {
  ModelTestOptions options;
  options.memory_only = false;
  options.generator.largest_share = 64 << 20;
  return options;
}

TEST_CASE("random programs agree with the model on a pool") {
  for (std::uint64_t seed = 301; seed <= 304; ++seed) {
    CHECK_EQ(run_model_test(on_simulated_disk, seed, 3000, on_a_pool()), "");
  }
}

TEST_CASE("sessions that run at the same time do not disturb each other on a pool") {
  ModelTestOptions options = on_a_pool();
  options.sessions = 5;
  options.at_once = true;
  for (std::uint64_t seed = 401; seed <= 403; ++seed) {
    CHECK_EQ(run_model_test(on_simulated_disk, seed, 3000, options), "");
  }
}

TEST_CASE("random programs agree with the model on a pool in a file") {
  for (const io::LoopKind kind : {io::LoopKind::uring, io::LoopKind::posix}) {
    StoreUnderTest ground = on_file(kind);
    if (ground.store == nullptr) continue;
    const auto once = [&ground](std::uint64_t) { return std::move(ground); };
    CHECK_EQ(run_model_test(once, 501, 3000, on_a_pool()), "");
  }
}

TEST_CASE("a session may go while it waits for the disk") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    io::SimulatedLoop loop(seed);
    io::SimulatedDisk disk(loop, disk_blocks);
    REQUIRE(devices::format(loop, disk));
    Uuid a{};
    {
      Machine machine(loop, open_pool(loop, disk));
      Conversation one(machine);
      const std::vector<std::uint8_t> content(2 << 20, 7);
      a = one.ask(Program().create_device("a").write_bytes(implied, 0, content).sync().open_device("a")).uuid();
    }
    // Opened anew nothing is in the cache.
    Machine machine(loop, open_pool(loop, disk));
    Conversation stays(machine);
    auto goes = std::make_unique<Conversation>(machine);
    const Program program = Program().read_digest(a, 0, 2 << 20).read_bytes(a, 0, 1 << 20).write_byte(a, 4097, 1);
    goes->session().feed(program.bytes());
    stays.session().feed(program.bytes());
    for (std::uint64_t turns = seed; turns > 0; --turns) machine.turn(0);
    goes.reset();
    while (!stays.session().idle()) machine.turn(io::Loop::forever);
    const std::span<const std::uint8_t> answers = stays.session().answers();
    for (const Reply& reply : replies_to(program.bytes(), answers)) CHECK_EQ(reply.status, Status::ok);
  }
}

}  // namespace
}  // namespace chimera::vm::testing
