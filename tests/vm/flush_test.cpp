// Flushes that the stream does not wait for: what runs behind them, what is answered when, and what if they fail.

#include <doctest/doctest.h>

#include "tests/devices/pool_rig.h"

namespace chimera::vm::testing {
namespace {

using devices::block_size;
using devices::testing::pattern;
using devices::testing::PoolRig;

Program write_number(const Uuid& device, std::uint64_t number) {
  return Program().write_block(device, number * block_size, Program::Block(pattern(number, block_size)));
}

TEST_CASE("the stream goes on behind a flush, and its answers wait for it") {
  PoolRig rig;
  const Uuid device = rig.create("d");
  const Program program = write_number(device, 0).flush_device(device).write_byte(device, 0, 1).read_byte(device, 0);
  rig.session->feed(program.bytes());
  rig.machine->run_ready();
  CHECK_EQ(rig.session->unread_input(), 0);
  CHECK_EQ(rig.session->answers().size(), 1);
  CHECK_FALSE(rig.session->idle());
  rig.session->take_answers(1);
  CHECK(rig.session->answers().empty());
  SUBCASE("the answers come when it is durable") {
    const std::uint64_t durable = rig.pool().journal().durable();
    while (rig.session->answers().empty()) {
      CHECK_EQ(rig.pool().journal().durable(), durable);
      rig.loop.step(0);
      rig.machine->run_ready();
    }
    CHECK_GT(rig.pool().journal().durable(), durable);
    CHECK_EQ(rig.session->answers().size(), 4);
    CHECK_EQ(rig.session->answers().back(), 1);
    CHECK(rig.session->idle());
  }
  SUBCASE("a stream that has ended has not ended before") {
    rig.session->end_input();
    rig.machine->run_ready();
    CHECK_FALSE(rig.session->ended());
    rig.wait_for(*rig.session);
    CHECK_EQ(rig.session->answers().size(), 4);
    CHECK(rig.session->ended());
  }
  SUBCASE("the session may go meanwhile") { rig.session.reset(); }
  rig.settle();
}

TEST_CASE("what is answered as durable is, whatever was running behind it") {
  PoolRig rig;
  const Uuid device = rig.create("d");
  for (std::uint64_t n = 0; n < 20; ++n) {
    auto stream = write_number(device, n).flush_device(device);
    for (std::uint64_t behind = 100; behind < 110; ++behind) {
      stream.write_block(device, behind * block_size, Program::Block(pattern(behind + n, block_size)));
    }
    rig.session->feed(stream.bytes());
    while (rig.session->answers().size() < 2) {
      rig.machine->run_ready();
      rig.loop.step(0);
    }
    const io::CrashImages images = rig.disk.crash_images();
    PoolRig after(images.at(images.size() - 1));
    after.run_well(Program().check_block(device, n * block_size, Program::Block(pattern(n, block_size))));
    rig.wait_for(*rig.session);
    rig.session->take_answers(rig.session->answers().size());
  }
}

TEST_CASE("a token is told as committed when that is on the medium, and not before") {
  constexpr Program::Token token = {7, 7, 7};
  constexpr std::uint8_t committed = 1;
  for (const bool asks_in_transaction : {false, true}) {
    PoolRig rig;
    const Uuid device = rig.create("d");
    rig.checkpoint();
    const auto asker = rig.machine->connect();
    const Program question =
        asks_in_transaction ? Program().begin().outcome_of_token(token).abort() : Program().outcome_of_token(token);
    const std::size_t answer_bytes = asks_in_transaction ? 4 : 2;
    rig.session->feed(Program().begin().write_byte(device, 0, 1).commit_with_token(token).bytes());
    while (rig.store().outcomes().find(token) != committed) {
      rig.machine->run_ready();
      rig.loop.step(0);
    }
    // It has happened, and a crash would still take it away.
    const auto after_a_crash = [&] {
      PoolRig after(rig.disk.crash_images({.enumerate_up_to = 0}).at(0));
      return after.run_well(Program().outcome_of_token(token)).result.front();
    };
    REQUIRE_NE(after_a_crash(), committed);
    asker->feed(question.bytes());
    while (asker->answers().size() < answer_bytes) {
      rig.machine->run_ready();
      if (asker->answers().size() < answer_bytes) rig.loop.step(0);
    }
    CHECK_EQ(after_a_crash(), committed);
    CHECK_EQ(asker->answers()[asks_in_transaction ? 2 : 1], committed);
    rig.wait_for(*rig.session);
  }
}

/// The disk's flush, or the write of a record that needs none because few blocks stand in it.
void check_failing(io::DiskRequest::Kind kind, std::size_t blocks) {
  PoolRig rig;
  const Uuid device = rig.create("d");
  rig.sync();
  rig.disk.inject({kind, 1, true, io::Fault::Effect::fail});
  const std::vector<std::uint8_t> bytes = pattern(0, blocks * block_size);
  const Program program = Program()
                              .write_bytes(device, 0, bytes)
                              .flush_device(device)
                              .check_bytes(device, 0, bytes)
                              .sync()
                              .read_length(device)
                              .flush_device(device);
  const std::vector<devices::testing::Reply> replies = rig.run(program);
  for (const std::size_t other : {0, 2, 4}) CHECK(replies[other].ok());
  for (const std::size_t flush : {1, 3, 5}) {
    CHECK_EQ(replies[flush].status, Status::io_error);
    CHECK_NE(replies[flush].message.find("the disk has failed (Input/output error)"), std::string::npos);
  }
  CHECK_EQ(rig.run(Program().sync()).front().status, Status::io_error);
}

TEST_CASE("a flush that fails says so in its place") {
  check_failing(io::DiskRequest::Kind::flush, 16);
  check_failing(io::DiskRequest::Kind::write, 1);
}

TEST_CASE("any number of flushes may follow each other") {
  PoolRig rig;
  const Uuid device = rig.create("d");
  Program program;
  for (std::uint64_t n = 0; n < 500; ++n) program.write_byte(device, n, 1).flush_device(device).sync();
  for (const devices::testing::Reply& reply : rig.run(program)) CHECK(reply.ok());
  rig.reopen();
  rig.run_well(Program().check_bytes(device, 0, std::vector<std::uint8_t>(500, 1)));
}

}  // namespace
}  // namespace chimera::vm::testing
