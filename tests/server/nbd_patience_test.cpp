// NBD clients that keep a server waiting. Time passes by hand, so nothing here depends on how fast anything is.

#include <doctest/doctest.h>

#include <array>

#include "tests/nbd/client_bytes.h"
#include "tests/server/raw_client.h"
#include "tests/server/running.h"

using namespace chimera;
using namespace chimera::server;
using namespace chimera::server::testing;
using nbd::Command;
using nbd::Option;

namespace {

constexpr std::size_t greeting_size = 18;
constexpr std::size_t option_reply_size = 20;
constexpr std::size_t agreed_size = option_reply_size + 12 + option_reply_size;
constexpr std::size_t reply_size = 16;
constexpr std::uint64_t handshake_ms = 10'000;
constexpr std::uint64_t stall_ms = 8'000;
constexpr Options patient{.stall_timeout_ms = stall_ms, .nbd = {.create_size = 4 << 20}};

Bytes joined(Bytes first, const Bytes& second) { return first += second; }

void skip(const RawClient& client, std::size_t size) { static_cast<void>(client.receive(size)); }

/// A server that speaks NBD, on a store in a file.
struct NbdRig {
  NbdRig(io::LoopKind kind, const Options& options)
      : server({.kind = kind,
                .options = options,
                .store_file = make_store(),
                .protocol = Protocol::nbd,
                .clock = &clock}) {}
  ~NbdRig() { clock.let_disk_stand(false); }
  NbdRig(const NbdRig&) = delete;
  NbdRig& operator=(const NbdRig&) = delete;

  std::string make_store() {
    format_store(scratch.file("store"));
    return scratch.file("store");
  }
  void pass(std::uint64_t milliseconds) {
    for (int n = 0; n < 10; ++n) clock.pass(milliseconds / 10);
  }
  [[nodiscard]] RawClient greeted() const {
    RawClient client(server);
    skip(client, greeting_size);
    client.send(nbd::testing::client_flags());
    return client;
  }
  [[nodiscard]] RawClient attached() const {
    RawClient client = greeted();
    client.send(nbd::testing::option_on(Option::go, "disk"));
    skip(client, agreed_size);
    return client;
  }

  HandClock clock;
  io::testing::ScratchDirectory scratch{io::testing::temporary_parent()};
  RunningServer server;
};

const Bytes read_one = nbd::testing::request(Command::read, 0, 1);

void check_served(const RawClient& client) {
  client.send(read_one);
  CHECK(client.receive(reply_size + 1).back() == 0);
}

}  // namespace

TEST_CASE("who does not agree upon an export in time is let go, however much it says") {
  for (const io::LoopKind kind : loop_kinds) {
    NbdRig rig(kind, patient);
    if (!rig.server.is_running()) continue;
    const RawClient silent(rig.server);
    skip(silent, greeting_size);
    const RawClient talking = rig.greeted();
    const RawClient agreeing = rig.attached();
    rig.pass(handshake_ms * 8 / 10);
    talking.send(nbd::testing::option(Option::structured_reply));
    skip(talking, option_reply_size);
    rig.pass(handshake_ms * 3 / 10);
    CHECK(talking.receive_end() == 0);
    CHECK(silent.receive_end() == 0);
    check_served(agreeing);
    rig.pass(100 * handshake_ms);
    check_served(agreeing);
  }
}

TEST_CASE("a handshake may take for ever if the server is told so") {
  for (const io::LoopKind kind : loop_kinds) {
    Options options = patient;
    options.nbd_handshake_ms = 0;
    NbdRig rig(kind, options);
    if (!rig.server.is_running()) continue;
    const RawClient client = rig.greeted();
    rig.pass(100 * handshake_ms);
    client.send(nbd::testing::option_on(Option::go, "disk"));
    skip(client, agreed_size);
  }
}

TEST_CASE("who stops within a request is let go, and slowly is fast enough") {
  for (const io::LoopKind kind : loop_kinds) {
    NbdRig rig(kind, patient);
    if (!rig.server.is_running()) continue;
    const RawClient stuck = rig.attached();
    const RawClient slow = rig.attached();
    const Bytes write = joined(nbd::testing::request(Command::write, 0, 3), {1, 2, 3});
    stuck.send(Bytes(write.begin(), write.end() - 1));
    for (const std::uint8_t byte : write) {
      slow.send({byte});
      rig.clock.pass(stall_ms / 8);
      rig.clock.pass(stall_ms / 8);
    }
    CHECK(slow.receive(reply_size)[4] == 0);
    CHECK(stuck.receive_end() == 0);
  }
}

TEST_CASE("who waits for memory that it has taken itself holds nobody up") {
  constexpr std::size_t large = 2 << 20;
  for (const io::LoopKind kind : loop_kinds) {
    // Room for one of the replies.
    NbdRig rig(kind, {.stall_timeout_ms = 0,
                      .transfer_memory_bytes = 3 << 20,
                      .transfer_timeout_ms = stall_ms,
                      .nbd = {.create_size = 4 << 20}});
    if (!rig.server.is_running()) continue;
    const RawClient client = rig.attached();
    const Bytes read = nbd::testing::request(Command::read, 0, large);
    client.send(joined(read, read));
    skip(client, reply_size);
    for (int n = 0; n < 5; ++n) rig.pass(2 * stall_ms);
    CHECK(client.receive(large + reply_size + large).back() == 0);
    check_served(client);
  }
}

TEST_CASE("who does not take its replies is let go") {
  for (const io::LoopKind kind : loop_kinds) {
    Options options = patient;
    options.most_connections = 1;
    NbdRig rig(kind, options);
    if (!rig.server.is_running()) continue;
    const RawClient stuck = rig.attached();
    Bytes reads;
    for (int n = 0; n < 100; ++n) reads += nbd::testing::request(Command::read, 0, 1 << 20);
    stuck.send(reads);
    skip(stuck, reply_size);
    for (int n = 0; n < 5; ++n) rig.pass(2 * stall_ms);
    check_served(rig.attached());  // there is room again
  }
}

TEST_CASE("who waits for us is not let go, however long it takes") {
  for (const io::LoopKind kind : loop_kinds) {
    NbdRig rig(kind, patient);
    if (!rig.server.is_running()) continue;
    const RawClient waiting = rig.attached();
    rig.clock.let_disk_stand(true);
    waiting.send(joined(nbd::testing::request(Command::write, 0, 1, 5, nbd::command_flags::fua), {1}));
    for (int n = 0; n < 5; ++n) rig.pass(2 * stall_ms);
    rig.clock.let_disk_stand(false);
    CHECK(waiting.receive(reply_size)[7] == 0);
  }
}

TEST_CASE("who has said goodbye and does not go is let go soon, and its place is another's") {
  for (const io::LoopKind kind : loop_kinds) {
    Options options = patient;
    options.most_connections = 1;
    NbdRig rig(kind, options);
    if (!rig.server.is_running()) continue;
    const RawClient leaving = rig.attached();
    leaving.send(joined(nbd::testing::request(Command::disconnect, 0, 0), Bytes(5000)));
    CHECK(leaving.receive_end() == 0);
    rig.pass(2 * options.linger_ms);
    check_served(rig.attached());
  }
}

TEST_CASE("who goes while it waits for memory that it holds itself takes nobody along") {
  for (const io::LoopKind kind : loop_kinds) {
    Options options = patient;
    options.transfer_memory_bytes = 3 << 20;  // room for one
    NbdRig rig(kind, options);
    if (!rig.server.is_running()) continue;
    {
      const RawClient going = rig.attached();
      const Bytes reading = nbd::testing::request(Command::read, 0, 2 << 20);
      going.send(joined(reading, reading));
      skip(going, 1);  // the first answer is on its way, and does not fit into the socket
    }
    check_served(rig.attached());
  }
}
