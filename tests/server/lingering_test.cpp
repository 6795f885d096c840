#include "server/lingering_connection.h"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "tests/server/hand_loop.h"

using namespace chimera::server;
using namespace chimera::server::testing;

namespace {

struct GoneHost final : Connection::Host {
  int gone = 0;
  void connection_changed(Connection&) override {}
  void connection_gone(Connection&) override { ++gone; }
};

}  // namespace

TEST_CASE("a connection that lingers is gone once, however often it is dropped") {
  std::array<int, 2> ends{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) == 0);
  const Socket client(ends[1]);
  GoneHost host;
  HandLoop loop;
  LingeringConnection connection(host, loop, Socket(ends[0]), 1000);
  loop.end(loop.receiving, 0);  // the client has closed its side
  CHECK(host.gone == 0);        // its timer has still to end
  connection.drop();
  CHECK(host.gone == 0);
  loop.end(loop.waiting, -ECANCELED);
  CHECK(host.gone == 1);
  connection.drop();  // a deadline, before the host has looked
  CHECK(host.gone == 1);
}
