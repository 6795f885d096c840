// The traps of docs/architecture.md that concern memory and what is under way: who waits for whom, and who goes first.

#include <doctest/doctest.h>

#include <algorithm>
#include <optional>

#include "tests/devices/pool_rig.h"

namespace chimera::devices::testing {
namespace {

/// Keeps reads of one block back until it is told to let them go.
class HoldingDisk final : public io::Disk {
 public:
  explicit HoldingDisk(io::Disk& below) : below_(below) {}
  [[nodiscard]] std::uint64_t block_count() const noexcept override { return below_.block_count(); }
  void start(io::DiskRequest& request) override {
    const bool covers = held_block_ && request.kind == io::DiskRequest::Kind::read &&
                        *held_block_ >= request.first_block &&
                        *held_block_ - request.first_block < request.buffers.size();
    if (covers) {
      held_.push_back(&request);
    } else {
      below_.start(request);
    }
  }
  [[nodiscard]] int grow(std::uint64_t block_count) override { return below_.grow(block_count); }

  void hold_reads_of(std::uint64_t block) { held_block_ = block; }
  [[nodiscard]] std::size_t held() const { return held_.size(); }
  void let_go() {
    held_block_.reset();
    for (io::DiskRequest* request : std::exchange(held_, {})) below_.start(*request);
  }

 private:
  io::Disk& below_;
  std::optional<std::uint64_t> held_block_;
  std::vector<io::DiskRequest*> held_;
};

std::uint64_t address_of_first_block(Pool& pool, std::string_view device) {
  std::uint64_t address = 0;
  pool.each_tree([&](const std::string& name, Tree& tree) {
    if (name == "data of \"" + std::string(device) + "\"") address = tree.root().slot.address();
  });
  return address;
}

TEST_CASE("a read under way to an address that is freed and used again is not taken for damage") {
  PoolRig rig;
  const Uuid device = rig.create("d");
  const Uuid other = rig.create("other");
  rig.run_well(Program().write_block(device, 0, Program::Block(pattern(1, block_size))));
  rig.checkpoint();
  rig.close();

  HoldingDisk disk(rig.disk);
  auto opened = vm::open_store(rig.loop, disk, {.cache_bytes = limits::smallest_cache});
  REQUIRE(opened);
  rig.machine = std::make_unique<vm::Machine>(rig.loop, std::move(*opened));
  rig.session = rig.machine->connect();
  const std::uint64_t address = address_of_first_block(rig.pool(), "d");
  disk.hold_reads_of(address);
  auto reader = rig.machine->connect();
  reader->feed(Program().read_block(device, 0).bytes());
  rig.settle();
  REQUIRE_EQ(disk.held(), 1);

  // Meanwhile another session overwrites the block, and its place goes to somebody else.
  const std::vector<std::uint8_t> changed = pattern(2, block_size);
  rig.run_well(Program().write_block(device, 0, Program::Block(changed)).sync());
  const BlockCache& cache = rig.pool().blocks().cache();
  for (std::uint64_t n = 0; cache.find(address) == no_frame; ++n) {
    REQUIRE_LT(n, 30);
    rig.run_well(Program().write_bytes(other, 0, pattern(10 + n, 2 * mebi)).sync());
  }
  rig.sync();
  disk.let_go();
  rig.wait_for(*reader);
  const Reply reply = replies_of(Program().read_block(device, 0), reader->answers()).front();
  CHECK_EQ(reply.status, Status::ok);
  CHECK_EQ(reply.result, changed);
  CHECK_EQ(first_problem(rig.check()), "");
  reader.reset();
  rig.close();
}

TEST_CASE("the error of a read that nobody asked for is nobody's") {
  PoolRig rig;
  const Uuid device = rig.create("d");
  const std::vector<std::uint8_t> bytes = pattern(1, 20 * block_size);
  rig.run_well(Program().write_bytes(device, 0, bytes).sync());
  rig.reopen();
  // The second instruction's read is begun ahead; its first attempt fails.
  rig.disk.inject({io::DiskRequest::Kind::read, 3, false, io::Fault::Effect::flip_bit});
  Program program;
  for (std::uint64_t block = 0; block < 20; block += 2) program.read_block(device, block * block_size);
  std::size_t failures = 0;
  const std::vector<Reply> replies = rig.run(program);
  for (std::size_t n = 0; n < replies.size(); ++n) {
    if (!replies[n].ok()) {
      ++failures;
      continue;
    }
    CHECK(std::ranges::equal(replies[n].result, std::span(bytes).subspan(n * 2 * block_size, block_size)));
  }
  CHECK_LE(failures, 1);
  rig.run_well(Program().check_bytes(device, 0, bytes));
}

/// Sessions that all work at the same time, each until it has answered.
void run_together(PoolRig& rig, const std::vector<Program>& programs) {
  std::vector<std::unique_ptr<vm::Session>> sessions;
  for (const Program& program : programs) {
    sessions.push_back(rig.machine->connect());
    sessions.back()->feed(program.bytes());
  }
  for (std::size_t n = 0; n < programs.size(); ++n) {
    rig.wait_for(*sessions[n]);
    for (const Reply& reply : replies_of(programs[n], sessions[n]->answers())) {
      REQUIRE_MESSAGE(reply.ok(), reply.message);
    }
  }
}

TEST_CASE("sessions that need more memory than there is all come to their end") {
  constexpr std::uint64_t session_count = 6;  // times 32 MiB; the cache has 128
  PoolRig rig((640 * mebi) / block_size);
  const Uuid device = rig.create("d");
  const std::vector<std::uint8_t> bytes = pattern(1, limits::largest_transfer);
  for (std::uint64_t n = 0; n < session_count; ++n) {
    rig.run_well(Program().write_bytes(device, n * limits::largest_transfer, bytes));
  }
  rig.sync();
  rig.reopen();
  std::vector<Program> programs(session_count);
  SUBCASE("they read") {
    for (std::uint64_t n = 0; n < session_count; ++n) {
      programs[n].check_bytes(device, n * limits::largest_transfer, bytes);
      programs[n].check_bytes(device, (session_count - 1 - n) * limits::largest_transfer, bytes);
    }
  }
  SUBCASE("they swap") {
    for (std::uint64_t n = 0; n < session_count; ++n) {
      programs[n].swap_bytes(device, n * limits::largest_transfer, bytes);
    }
  }
  SUBCASE("they copy what does not lie on blocks, and delete, clear and clone") {
    for (std::uint64_t n = 0; n < session_count; ++n) {
      const std::string name = "copy " + std::to_string(n);
      const Uuid copy = rig.create(name);
      programs[n].copy_bytes(device, n * limits::largest_transfer, copy, 1, limits::largest_transfer - 1);
      programs[n].clone_device(copy, name + "'").clear_extents(copy, 0, mebi).delete_device_by_force(copy);
    }
  }
  run_together(rig, programs);
}

TEST_CASE("one session does not starve the others") {
  PoolRig rig;
  const Uuid device = rig.create("d");
  rig.run_well(Program().write_bytes(device, 0, pattern(1, mebi)).sync());
  rig.reopen();
  Program much;
  for (std::uint64_t n = 0; n < 200'000; ++n) much.write_byte(device, n % mebi, 1);
  auto busy = rig.machine->connect();
  auto small = rig.machine->connect();
  busy->feed(much.bytes());
  small->feed(Program().read_block(device, 17 * block_size).bytes());
  rig.wait_for(*small);
  CHECK_FALSE(small->answers().empty());
  CHECK_FALSE(busy->idle());
  rig.wait_for(*busy);
}

TEST_CASE("a session that goes away in the middle lets go of everything") {
  PoolRig rig((128 * mebi) / block_size);
  const Uuid device = rig.create("d");
  const std::vector<std::uint8_t> bytes = pattern(1, 24 * mebi);
  rig.run_well(Program().write_bytes(device, 0, bytes).sync());
  rig.reopen();
  for (unsigned n = 0; n < 40; ++n) {
    auto session = rig.machine->connect();
    Program program;
    switch (n % 4) {
      case 0: program.check_bytes(device, 0, bytes); break;
      case 1: program.copy_bytes(device, 0, device, 24 * mebi, 20 * mebi); break;
      case 2: program.read_digest(device, 0, 24 * mebi); break;
      default: program.write_bytes(device, 0, std::span(bytes).first(100'000)).sync(); break;
    }
    session->feed(program.bytes());
    for (unsigned step = 0; step < n / 4; ++step) {
      rig.machine->run_ready();
      rig.loop.step(0);
    }
  }
  rig.run_well(Program().check_bytes(device, 0, bytes));
  rig.settle();
  CHECK_EQ(rig.pool().grave_count(), 0);
  const BlockCache& cache = rig.pool().blocks().cache();
  rig.checkpoint();
  CHECK_EQ(cache.evictable_count(), cache.frame_count());
  CHECK_EQ(first_problem(rig.check()), "");
}

}  // namespace
}  // namespace chimera::devices::testing
