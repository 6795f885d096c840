// What runs between the machine's turns: it has happened, or nothing has.

#include <doctest/doctest.h>

#include <algorithm>
#include <array>

#include "tests/devices/pool_rig.h"
#include "tests/vm/conversation.h"
#include "vm/fetch.h"

namespace chimera::vm::testing {
namespace {

using devices::block_size;
using devices::testing::pattern;
using devices::testing::PoolRig;

std::vector<std::uint8_t> part(const std::vector<std::uint8_t>& whole, std::uint64_t offset, std::size_t size) {
  const auto from = whole.begin() + static_cast<std::ptrdiff_t>(offset);
  return {from, from + static_cast<std::ptrdiff_t>(size)};
}

std::vector<std::uint8_t> read(PoolRig& rig, const Uuid& device, std::uint64_t offset, std::size_t size) {
  return rig.run_well(Program().read_bytes(device, offset, static_cast<std::uint32_t>(size))).result;
}

/// As `read_at_once`, of what is only looked at.
bool view(Session& session, const Uuid& device, std::uint64_t offset, std::vector<std::uint8_t>& out) {
  const std::vector<std::uint8_t> before{7};
  std::vector<std::span<const std::uint8_t>> parts{before};
  if (!session.view_at_once(device, offset, out.size(), parts)) return false;
  CHECK_EQ(parts.front().data(), before.data());
  out.clear();
  for (const auto part : std::span(parts).subspan(1)) out.insert(out.end(), part.begin(), part.end());
  return true;
}

TEST_CASE(
    "a program of small reads and checks runs at once, answers as by turns, and does not keep the machine from its "
    "work") {
  PoolRig rig;
  const Uuid device = rig.create("d");
  const std::vector<std::uint8_t> content = pattern(1, 3 * block_size);
  rig.run_well(Program().write_bytes(device, 0, content));
  Conversation one(*rig.machine), two(*rig.machine);
  const auto ask = [&](const Program& program) {
    std::vector<std::uint8_t> answers;
    REQUIRE(one.session().run(program.bytes(), answers));
    return answers;
  };
  io::SeededRandom random(1);
  for (int round = 0; round < 2000; ++round) {
    Program program;
    for (std::uint64_t n = random.below(8); n-- > 0;) {
      const std::uint64_t offset = random.below(content.size() + 20);
      const std::uint64_t size = random.below(random.chance(80) ? 20 : 6000);
      std::vector<std::uint8_t> expected = part(content, std::min(offset, content.size() - 1), 1);
      if (offset + size <= content.size()) expected = part(content, offset, size);
      if (!expected.empty() && random.chance(20)) expected.back() ^= 1;
      switch (random.below(4)) {
        case 0: program.read_bytes(device, offset, static_cast<std::uint32_t>(size)); break;
        case 1: program.check_bytes(device, offset, expected); break;
        case 2: program.read_byte(device, offset); break;
        default: program.read_bytes(implied, implied, static_cast<std::uint32_t>(size)); break;
      }
    }
    // The other session's is fed, and so has its turn.
    two.session().feed(program.bytes());
    while (!two.session().idle()) rig.machine->turn(0);
    const std::span<const std::uint8_t> by_turns = two.session().answers();
    REQUIRE(ask(program) == std::vector<std::uint8_t>(by_turns.begin(), by_turns.end()));
    two.session().take_answers(by_turns.size());
  }
  // What another session has been given to do is not left waiting.
  two.session().feed(Program().read_byte(device, 0).bytes());
  ask(Program().read_byte(device, 1));
  CHECK_EQ(two.session().answers().size(), 2);
  two.session().take_answers(2);
  // Nor is what goes on in the background: a grave is emptied meanwhile.
  const Uuid large = rig.create("large");
  for (std::uint64_t n = 0; n < 100; ++n) rig.run_well(Program().write_byte(large, n << 20, 1));
  rig.checkpoint();
  rig.session->feed(Program().delete_device(large).bytes());
  rig.machine->run_ready();
  REQUIRE_GT(rig.pool().grave_count(), 0);
  for (int round = 0; round < 20'000 && rig.pool().grave_count() > 0; ++round) ask(Program().read_byte(device, 1));
  CHECK_EQ(rig.pool().grave_count(), 0);
}

TEST_CASE("reads and writes at once agree with the stream, and what is refused has not happened") {
  constexpr std::size_t length = 3 << 20;
  PoolRig rig;
  const Uuid device = rig.create("d", "size=3M");
  rig.clone(device, "clone");
  std::vector<std::uint8_t> expected(length);
  std::unique_ptr<Session> quick = rig.machine->connect();
  io::SeededRandom random(1);
  unsigned reads = 0, writes = 0, refused = 0;
  for (unsigned step = 0; step < 4000; ++step) {
    const bool is_aligned = random.chance(50);
    const std::uint64_t unit = is_aligned ? block_size : 1;
    const std::uint64_t offset = random.below(length / unit) * unit;
    const std::size_t size = std::min<std::uint64_t>((1 + random.below(20'000 / unit)) * unit, length - offset);
    // Of whatever it is told: nothing of it can be seen.
    const std::array<std::uint64_t, 3> near{offset, random.below(2 * length), ~random.below(length)};
    if (random.chance(50)) quick->approach(device, near);
    if (random.chance(50)) {
      std::vector<std::uint8_t> out(size);
      const bool has_read =
          random.chance(50) ? quick->read_at_once(device, offset, out) : view(*quick, device, offset, out);
      if (!has_read) out = read(rig, device, offset, size);
      REQUIRE(out == part(expected, offset, size));
      ++(has_read ? reads : refused);
    } else {
      const std::vector<std::uint8_t> bytes = pattern(step, size);
      const bool has_written = quick->write_at_once(device, offset, bytes);
      if (!has_written) {
        REQUIRE(read(rig, device, offset, size) == part(expected, offset, size));
        rig.run_well(Program().write_bytes(device, offset, bytes));
      }
      std::ranges::copy(bytes, expected.begin() + static_cast<std::ptrdiff_t>(offset));
      REQUIRE(read(rig, device, offset, size) == bytes);
      ++(has_written ? writes : refused);
    }
    CHECK(quick->answers().empty());
    if (random.chance(1)) {
      quick.reset();
      if (random.chance(50)) rig.checkpoint();
      rig.sync();
      rig.reopen();
      quick = rig.machine->connect();
    }
  }
  CHECK_GT(reads, 500);
  CHECK_GT(writes, 500);
  CHECK_GT(refused, 100);
  CHECK(read(rig, device, 0, length) == expected);
  quick.reset();
  CHECK_EQ(devices::testing::first_problem(rig.check()), "");
}

TEST_CASE("what is written at once is sealed and written down although no session runs") {
  PoolRig rig;
  const Uuid device = rig.create("d", "size=8M");
  rig.sync();
  const std::unique_ptr<Session> quick = rig.machine->connect();
  CHECK_FALSE(rig.machine->has_ready());
  const std::uint64_t last = rig.pool().journal().writer().last();
  for (std::uint64_t n = 0; n < 1500; ++n) {
    if (!quick->write_at_once(device, n * block_size, pattern(n, block_size))) rig.settle();
  }
  CHECK(rig.machine->has_ready());
  rig.settle();
  CHECK_GT(rig.pool().journal().writer().last(), last);
}

TEST_CASE("what would fail is refused") {
  Desk desk;
  const Uuid device = desk.create("d", "size=8192");
  Session& quick = desk.two.session();
  std::vector<std::uint8_t> bytes(100);
  CHECK(quick.read_at_once(device, 8092, bytes));
  CHECK(quick.write_at_once(device, 8092, bytes));
  SUBCASE("past the length") {
    CHECK_FALSE(quick.read_at_once(device, 8093, bytes));
    CHECK_FALSE(quick.read_at_once(device, ~std::uint64_t{0}, bytes));
    CHECK_FALSE(quick.write_at_once(device, 8093, bytes));
  }
  SUBCASE("a device that is protected") {
    desk.one.ask(Program().protect_device(device, 1));
    CHECK(quick.read_at_once(device, 0, bytes));
    CHECK_FALSE(quick.write_at_once(device, 0, bytes));
  }
  SUBCASE("a device that is gone") {
    desk.one.ask(Program().delete_device_by_force(device));
    CHECK_FALSE(quick.read_at_once(device, 0, bytes));
    CHECK_FALSE(quick.write_at_once(device, 0, bytes));
  }
  SUBCASE("while the machine shuts down") {
    desk.machine.shut_down();
    CHECK_FALSE(quick.read_at_once(device, 0, bytes));
    CHECK_FALSE(quick.write_at_once(device, 0, bytes));
  }
  SUBCASE("within a transaction") {
    desk.two.ask(Program().begin());
    CHECK_FALSE(quick.read_at_once(device, 0, bytes));
    CHECK_FALSE(quick.write_at_once(device, 0, bytes));
    CHECK_EQ(desk.two.status(Program().abort()), Status::ok);
  }
  SUBCASE("while the session has something to run") {
    quick.feed(Program().read_byte(device, 0).bytes());
    CHECK_FALSE(quick.read_at_once(device, 0, bytes));
    CHECK_FALSE(quick.write_at_once(device, 0, bytes));
  }
}

TEST_CASE("a transaction that has read what is written at once loses") {
  Desk desk;
  const Uuid device = desk.create("d", "size=8192");
  desk.one.ask(Program().begin().read_byte(device, 5));
  REQUIRE(desk.two.session().write_at_once(device, 5, bytes("x")));
  CHECK_EQ(desk.one.status(Program().commit()), Status::conflict);
}

/// Each fetch waits once.
class WaitingDevice final : public devices::MemoryDevice {
 public:
  using MemoryDevice::MemoryDevice;
  devices::Outcome fetch(devices::Waiter& waiter, devices::Plane, std::uint64_t, std::uint64_t) override {
    waits_for_ = waits_for_ == nullptr ? &waiter : nullptr;
    return waits_for_ == nullptr ? devices::Outcome::ready() : devices::Outcome::wait();
  }
  void load() {
    if (waits_for_ != nullptr) waits_for_->wake();
  }

 private:
  devices::Waiter* waits_for_ = nullptr;
};

TEST_CASE("nothing is done at once while a transaction that has lost too often runs alone") {
  WaitingDevice* device = nullptr;
  Desk desk({.make = [&](const Uuid& uuid, std::string name, devices::MemoryBudget& budget) {
    auto made = std::make_unique<WaitingDevice>(uuid, std::move(name), budget);
    device = made.get();
    return made;
  }});
  const Uuid uuid = desk.create("d", "size=8192");
  const Program program = Program().begin().read_byte(uuid, 5).read_byte(uuid, 7).write_byte(uuid, 6, 1).commit();
  desk.one.session().feed(program.bytes());
  unsigned written = 0, refused = 0;
  for (unsigned n = 0; n < 100 && !desk.one.session().idle(); ++n) {
    desk.machine.run_ready();
    if (!desk.one.session().idle()) ++(desk.two.session().write_at_once(uuid, 5, bytes("x")) ? written : refused);
    device->load();
  }
  CHECK_GT(written, 0);
  CHECK_GT(refused, 0);
  CHECK(desk.one.session().idle());
  CHECK_EQ(replies_to(program.bytes(), desk.one.session().answers()).back().status, Status::ok);
  CHECK(desk.two.session().write_at_once(uuid, 5, bytes("x")));
}

class CountedFetch final : public Fetch {
 public:
  unsigned arrivals = 0;

 private:
  void arrived() override { ++arrivals; }
};

TEST_CASE("what a read has missed is fetched, and told once when it is there") {
  PoolRig rig;
  const Uuid device = rig.create("d", "size=2M");
  rig.run_well(Program().write_bytes(device, 100 * block_size, pattern(1, 2 * block_size)));
  rig.checkpoint();
  rig.reopen();
  std::unique_ptr<Session> quick = rig.machine->connect();
  std::vector<std::uint8_t> out(block_size);
  const std::uint64_t offset = 100 * block_size + 10;
  CountedFetch fetch;
  unsigned fetches = 0;
  while (!quick->read_at_once(device, offset, out)) {
    REQUIRE_LE(++fetches, 2);  // of the map, and of the blocks
    REQUIRE(quick->fetch(device, offset, out.size(), fetch));
    CHECK_EQ(fetch.arrivals, fetches - 1);
    while (rig.loop.pending() > 0) rig.loop.step(0);
    CHECK_EQ(fetch.arrivals, fetches);
    CHECK_FALSE(fetch.has_failed());
    fetch.end();
  }
  CHECK_EQ(fetches, 2);
  CHECK(out == part(pattern(1, 2 * block_size), 10, block_size));
}

TEST_CASE("what is for an instruction to say is not fetched") {
  PoolRig rig;
  const Uuid device = rig.create("d", "size=2M");
  const Uuid memory = rig.create("m", "kind=memory,size=2M");
  rig.run_well(Program().write_bytes(device, 0, pattern(1, block_size)));
  rig.checkpoint();
  rig.reopen();
  const auto is_fetched = [&](const Uuid& uuid, std::uint64_t offset, std::uint64_t size) {
    CountedFetch fetch;
    return rig.machine->connect()->fetch(uuid, offset, size, fetch);
  };
  CHECK(is_fetched(device, 0, block_size));
  CHECK_FALSE(is_fetched(device, (2 << 20) - 10, 11));
  CHECK_FALSE(is_fetched(device, 2 << 20, 1));
  CHECK_FALSE(is_fetched(device, ~std::uint64_t{0}, 2));
  CHECK_FALSE(is_fetched(memory, 0, 1));
  CHECK_FALSE(is_fetched(devices::testing::numbered(9), 0, 1));
  rig.machine->shut_down();
  CHECK_FALSE(is_fetched(device, 0, block_size));
  rig.settle();
}

}  // namespace
}  // namespace chimera::vm::testing
