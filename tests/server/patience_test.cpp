// Clients that keep a server waiting. Time passes by hand, so nothing here depends on how fast anything is.

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <utility>

#include "tests/server/raw_client.h"
#include "tests/server/running.h"

using namespace chimera;
using namespace chimera::server;
using namespace chimera::server::testing;

namespace {

constexpr std::uint64_t timeout_ms = 8'000;
constexpr std::uint64_t look_ms = timeout_ms / 8;
constexpr Options only_idle{.idle_timeout_ms = timeout_ms, .stall_timeout_ms = 0};
constexpr Options only_stall{.stall_timeout_ms = timeout_ms};
const Bytes list_none{0x48, 0, 0, 0, 0, 0, 0, 0, 0};
const Bytes listed_none{0, 0, 0, 0, 0};

/// A server on a store in a file.
struct PatienceRig {
  PatienceRig(io::LoopKind kind, const Options& options)
      : server({.kind = kind, .options = options, .store_file = make_store(), .clock = &clock}) {}

  ~PatienceRig() { clock.let_disk_stand(false); }
  PatienceRig(const PatienceRig&) = delete;
  PatienceRig& operator=(const PatienceRig&) = delete;

  std::string make_store() {
    format_store(scratch.file("store"));
    return scratch.file("store");
  }
  /// Within a timeout, however often it is looked.
  void pass_some() { pass_looks(6); }
  /// More than a timeout, but less than two.
  void pass_timeout() { pass_looks(10); }
  void pass_looks(int count) {
    for (int n = 0; n < count; ++n) clock.pass(look_ms);
  }
  /// Deletes the device; false if somebody has it open.
  [[nodiscard]] bool remove(const std::string& name) const {
    Bytes program = open(name);
    program.push_back(0xF4);
    const Bytes got = run(server, program);
    REQUIRE(got.size() > created_size);
    REQUIRE(got[0] == 0);
    REQUIRE((got[created_size] == 0 || got[created_size] == static_cast<std::uint8_t>(Status::busy)));
    return got[created_size] == 0;
  }

  HandClock clock;
  io::testing::ScratchDirectory scratch{io::testing::temporary_parent()};
  RunningServer server;
};

RawClient client_with_device(const RunningServer& server, const std::string& name) {
  RawClient client(server);
  client.send(create(name));
  CHECK(client.receive(created_size)[0] == 0);
  return client;
}

int tcp_option(const Socket& socket, int option) {
  int value = 0;
  socklen_t size = sizeof value;
  REQUIRE(::getsockopt(socket.get(), IPPROTO_TCP, option, &value, &size) == 0);
  return value;
}

}  // namespace

TEST_CASE("a client that asks for nothing is let go, with its devices; one that asks now and then stays") {
  for (const io::LoopKind kind : loop_kinds) {
    PatienceRig rig(kind, only_idle);
    if (!rig.server.is_running()) continue;
    const RawClient idle = client_with_device(rig.server, "idle");
    const RawClient asking = client_with_device(rig.server, "asking");
    for (int turn = 0; turn < 4; ++turn) {
      asking.send(list_none);
      CHECK(asking.receive(listed_none.size()) == listed_none);
      rig.pass_some();
    }
    CHECK(idle.receive_end() == 0);
    CHECK(rig.remove("idle"));
    CHECK(!rig.remove("asking"));
  }
}

TEST_CASE("who asks for nothing stays for ever, unless the server is told otherwise") {
  for (const io::LoopKind kind : loop_kinds) {
    PatienceRig rig(kind, {});
    if (!rig.server.is_running()) continue;
    const RawClient idle = client_with_device(rig.server, "idle");
    for (int hour = 0; hour < 100; ++hour) rig.clock.pass(3'600'000);
    idle.send(list_none);
    CHECK(idle.receive(listed_none.size()) == listed_none);
  }
}

TEST_CASE("who stops within an instruction is let go, and nothing of it is done; slowly is fast enough") {
  for (const io::LoopKind kind : loop_kinds) {
    PatienceRig rig(kind, only_stall);
    if (!rig.server.is_running()) continue;
    const Bytes whole = write_bytes(0, {1, 2, 3, 4});
    const RawClient stuck = client_with_device(rig.server, "stuck");
    stuck.send(Bytes(whole.begin(), whole.end() - 1));
    const RawClient slow = client_with_device(rig.server, "slow");
    for (const std::uint8_t byte : whole) {
      slow.send({byte});
      rig.pass_looks(3);
    }
    CHECK(slow.receive(1) == Bytes{0});
    CHECK(stuck.receive_end() == 0);
    Bytes program = open("stuck");
    program.push_back(0x54);
    CHECK(run(rig.server, program)[created_size + 1] == 0);  // its length
    CHECK(rig.remove("stuck"));
  }
}

TEST_CASE("who does not take its answers is let go") {
  for (const io::LoopKind kind : loop_kinds) {
    PatienceRig rig(kind, only_stall);
    if (!rig.server.is_running()) continue;
    RawClient stuck = client_with_device(rig.server, "big");
    stuck.send(write_bytes((1 << 20) - 1, {1}));
    CHECK(stuck.receive(1) == Bytes{0});
    Bytes reads;
    for (int n = 0; n < 100; ++n) reads += read_bytes(0, 1 << 20);
    stuck.send(reads);
    CHECK(stuck.receive(1) == Bytes{0});
    CHECK(!rig.remove("big"));
    // Some of the bytes may still be on their way into the sockets while the first timeout passes.
    for (int n = 0; n < 50 && !rig.remove("big"); ++n) rig.pass_timeout();
    CHECK(run(rig.server, open("big"))[0] == static_cast<std::uint8_t>(Status::not_found));
  }
}

TEST_CASE("who stops within a transaction is let go, and it is aborted; one that goes on stays") {
  for (const io::LoopKind kind : loop_kinds) {
    PatienceRig rig(kind, only_stall);
    if (!rig.server.is_running()) continue;
    const RawClient stuck = client_with_device(rig.server, "stuck");
    const RawClient slow = client_with_device(rig.server, "slow");
    Bytes program{0xF8};  // begin
    program += write_bytes(0, {1, 2, 3, 4});
    for (const RawClient* client : {&stuck, &slow}) {
      client->send(program);
      CHECK(client->receive(2) == Bytes{0, 0});
    }
    for (int turn = 0; turn < 4; ++turn) {
      slow.send(read_byte(0));
      CHECK(slow.receive(2) == Bytes{0, 1});
      rig.pass_some();
    }
    CHECK(stuck.receive_end() == 0);
    slow.send({0xF9});  // commit
    CHECK(slow.receive(1) == Bytes{0});
    for (const auto& [name, length] : {std::pair{"stuck", 0}, std::pair{"slow", 4}}) {
      Bytes asking = open(name);
      asking.push_back(0x54);  // read length
      CHECK(run(rig.server, asking)[created_size + 1] == length);
    }
    CHECK(rig.remove("stuck"));
  }
}

TEST_CASE("who waits for us is not let go, however long it takes") {
  for (const io::LoopKind kind : loop_kinds) {
    PatienceRig rig(kind, {.idle_timeout_ms = timeout_ms, .stall_timeout_ms = timeout_ms});
    if (!rig.server.is_running()) continue;
    const RawClient waiting = client_with_device(rig.server, "d");
    rig.clock.let_disk_stand(true);
    waiting.send(write_bytes(0, {1}));
    waiting.send({0xCC});  // flush device
    CHECK(waiting.receive(1) == Bytes{0});
    for (int n = 0; n < 5; ++n) rig.pass_timeout();
    rig.clock.let_disk_stand(false);
    CHECK(waiting.receive(1) == Bytes{0});
  }
}

TEST_CASE("a TCP client whose computer has gone is given up by the kernel in good time") {
  const auto listening = listen_on(*parse_address("tcp:127.0.0.1:0"), 0);
  REQUIRE(listening);
  const auto socket = connect_to(listening->address);
  REQUIRE(socket);
  bound_silence(*socket, 60'000);
  CHECK(tcp_option(*socket, TCP_USER_TIMEOUT) == 60'000);
  CHECK(tcp_option(*socket, TCP_KEEPIDLE) == 30);
  CHECK(tcp_option(*socket, TCP_KEEPINTVL) == 7);
  bound_silence(*socket, 0);
  CHECK(tcp_option(*socket, TCP_USER_TIMEOUT) == 60'000);
  for (const std::uint64_t odd : {std::uint64_t{1}, ~std::uint64_t{0}}) {
    bound_silence(*socket, odd);
    CHECK(tcp_option(*socket, TCP_USER_TIMEOUT) > 0);
    CHECK(tcp_option(*socket, TCP_KEEPIDLE) > 0);
  }
}

TEST_CASE("who asks for figures has one deadline, whatever it does") {
  for (const io::LoopKind kind : loop_kinds) {
    HandClock clock;
    const Options options;
    RunningServer server({.kind = kind, .options = options, .protocol = Protocol::metrics, .clock = &clock});
    if (!server.is_running()) continue;
    const RawClient client(server);
    client.send({'G', 'E', 'T'});
    clock.pass(options.metrics_ms / 2);
    client.send({' '});
    clock.pass(options.metrics_ms);  // it may have been let in only in the middle of the last time
    CHECK(client.receive_end() == 0);
  }
}
