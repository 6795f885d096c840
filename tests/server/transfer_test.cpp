// Clients that hold a part of the budget for large transfers, and others that wait for it. Time passes by hand.

#include <doctest/doctest.h>

#include <array>

#include "tests/nbd/client_bytes.h"
#include "tests/server/raw_client.h"
#include "tests/server/running.h"

using namespace chimera;
using namespace chimera::server;
using namespace chimera::server::testing;

namespace {

constexpr std::uint64_t hold_ms = 8'000;
constexpr std::uint64_t hold_look_ms = hold_ms / 8;
constexpr std::uint32_t large = 400'000;
/// Room for one.
constexpr Options options{.stall_timeout_ms = 0, .transfer_memory_bytes = 600'000, .transfer_timeout_ms = hold_ms};

/// A server whose clients have devices called `d` and a letter.
struct TransferRig {
  explicit TransferRig(io::LoopKind kind) : server({.kind = kind, .options = options, .clock = &clock}) {}

  /// A client that has sent the first bytes of a large write to a device of its own.
  [[nodiscard]] RawClient begun(const std::string& name) const {
    RawClient client(server);
    client.send(create(name));
    CHECK(client.receive(created_size)[0] == 0);
    client.send(Bytes(whole.begin(), whole.begin() + 1000));
    return client;
  }
  /// One that has asked for more than its socket has room for, and takes nothing.
  [[nodiscard]] RawClient reading() const {
    RawClient client = begun("reading");
    await("transfer_bytes", whole.size());
    end(client);
    constexpr std::size_t reads = 2 * widened_bytes / large;
    for (std::size_t n = 0; n < reads; ++n) client.send(read_bytes(0, large));
    await("transfer_bytes", large + read_bytes(0, large).size());
    return client;
  }
  void end(const RawClient& client) const {
    client.send(Bytes(whole.begin() + 1000, whole.end()));
    CHECK(client.receive(1) == Bytes{0});
  }
  /// A byte at a time, each well within the timeout, for more than two of it.
  void trickle(const RawClient& client) {
    for (int n = 0; n < 9; ++n) {
      if (::send(client.descriptor(), &whole[0], 1, MSG_NOSIGNAL) != 1) return;
      for (int looks = 0; looks < 2; ++looks) clock.pass(hold_look_ms);
    }
  }
  /// The figure of that name.
  [[nodiscard]] std::uint64_t figure(const std::string& name) const {
    const Bytes got = run(server, {0x7F, 0x50, 0, 0, 0, 0});
    const std::string text(got.begin(), got.end());
    const std::size_t at = text.find('"' + name + "\":");
    REQUIRE(at != std::string::npos);
    return std::stoull(text.substr(at + name.size() + 3));
  }
  void await(const std::string& name, std::uint64_t value) const {
    for (int n = 0; n < 40'000 && figure(name) != value; ++n) ::usleep(5000);
    CHECK(figure(name) == value);
  }

  Bytes whole = write_bytes(0, Bytes(large, 7));
  HandClock clock;
  RunningServer server;
};

}  // namespace

TEST_CASE("who holds memory that others wait for has to get on; while nobody waits a byte now and then will do") {
  for (const io::LoopKind kind : loop_kinds) {
    TransferRig rig(kind);
    if (!rig.server.is_running()) continue;
    const RawClient slow = rig.begun("slow");
    rig.await("transfer_bytes", rig.whole.size());
    rig.trickle(slow);
    const RawClient next = rig.begun("next");
    rig.await("transfers_waiting", 1);
    CHECK(rig.figure("transfer_bytes") == rig.whole.size());  // still there
    rig.trickle(slow);
    CHECK(slow.receive_end() <= 0);
    rig.end(next);
    CHECK(rig.figure("transfers_waiting") == 0);
    CHECK(rig.figure("transfer_bytes") == 0);
  }
}

TEST_CASE("who does not take its answers holds nobody up for long, and stays while nobody wants its memory") {
  for (const io::LoopKind kind : loop_kinds) {
    TransferRig rig(kind);
    if (!rig.server.is_running()) continue;
    RawClient reading = rig.reading();
    for (int hour = 0; hour < 100; ++hour) rig.clock.pass(3'600'000);
    const RawClient next = rig.begun("next");
    rig.await("transfers_waiting", 1);
    for (int n = 0; n < 6; ++n) rig.clock.pass(hold_look_ms);
    CHECK(rig.figure("transfers_waiting") == 1);
    for (int n = 0; n < 4; ++n) rig.clock.pass(hold_look_ms);
    rig.end(next);
    CHECK(rig.figure("transfer_bytes") == 0);
  }
}

TEST_CASE("who waits for memory is not let go, and is served in its turn") {
  for (const io::LoopKind kind : loop_kinds) {
    TransferRig rig(kind);
    if (!rig.server.is_running()) continue;
    const RawClient first = rig.begun("first");
    rig.await("transfer_bytes", rig.whole.size());
    const RawClient second = rig.begun("second");
    rig.await("transfers_waiting", 1);
    for (int n = 0; n < 6; ++n) rig.clock.pass(hold_look_ms);
    rig.end(first);
    for (int n = 0; n < 6; ++n) rig.clock.pass(hold_look_ms);
    rig.end(second);
  }
}

TEST_CASE("a server that stops waits for nobody's memory") {
  for (const io::LoopKind kind : loop_kinds) {
    TransferRig rig(kind);
    if (!rig.server.is_running()) continue;
    RawClient reading = rig.reading();
    RawClient waiting = rig.begun("waiting");
    rig.await("transfers_waiting", 1);
    waiting.send(Bytes(rig.whole.begin() + 1000, rig.whole.begin() + 100'000));
    rig.server.ask_to_stop();
    CHECK(waiting.receive_end() == 0);  // although the other one takes nothing yet
    waiting.close();
    CHECK(reading.receive(1 + large)[large] == 7);
    reading.close();
    CHECK(rig.server.wait() == Status::ok);  // long before its deadline, which never comes
  }
}
