#include "server/listener.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "tests/io/scratch.h"
#include "tests/server/hand_loop.h"

using namespace chimera;
using namespace chimera::server;
using namespace chimera::server::testing;

namespace {

struct CountingHost final : Listener::Host {
  int connections = 0;
  int most = 100;
  void accepted(Socket, Protocol) override { ++connections; }
  [[nodiscard]] bool has_room(Protocol) const override { return connections < most; }
};

struct ListenerRig {
  io::testing::ScratchDirectory scratch{io::testing::temporary_parent()};
  HandLoop loop;
  CountingHost host;
  Listener listener{host, loop, std::move(*listen_on(*parse_address("unix:" + scratch.file("s")), 0600)),
                    Protocol::instructions};
  ~ListenerRig() {
    listener.stop();
    if (loop.accepting != nullptr) loop.end(loop.accepting, -ECANCELED);
    if (loop.waiting != nullptr) loop.end(loop.waiting, -ECANCELED);
    CHECK(listener.has_stopped());
    CHECK(loop.accepting == nullptr);
  }
};

}  // namespace

TEST_CASE("one connection after the other is accepted; one that has gone again does not matter") {
  ListenerRig rig;
  for (int i = 0; i < 3; ++i) {
    rig.loop.end(rig.loop.accepting, ::dup(0));
    rig.loop.end(rig.loop.accepting, -ECONNABORTED);
  }
  CHECK(rig.host.connections == 3);
  CHECK(rig.loop.waiting == nullptr);
}

TEST_CASE("where descriptors or memory are used up, or nobody may come, the next try comes after a pause") {
  for (const int error : {EMFILE, ENFILE, ENOBUFS, ENOMEM, EPERM, EINVAL}) {
    ListenerRig rig;
    rig.loop.end(rig.loop.accepting, -error);
    CHECK(rig.loop.accepting == nullptr);
    rig.listener.resume();  // a connection has gone
    CHECK(rig.loop.accepting == nullptr);
    rig.loop.end(rig.loop.waiting, 0);
    CHECK(rig.loop.accepting != nullptr);
  }
}

TEST_CASE("without room for one more nothing is accepted until there is") {
  ListenerRig rig;
  rig.host.most = 1;
  rig.loop.end(rig.loop.accepting, ::dup(0));
  CHECK(rig.loop.accepting == nullptr);
  rig.listener.resume();
  CHECK(rig.loop.accepting == nullptr);
  rig.host.connections = 0;
  rig.listener.resume();
  CHECK(rig.loop.accepting != nullptr);
}

TEST_CASE("a connection that comes while it stops is not taken") {
  ListenerRig rig;
  rig.listener.stop();
  CHECK(!rig.listener.has_stopped());
  rig.loop.end(rig.loop.accepting, ::dup(0));
  CHECK(rig.host.connections == 0);
  CHECK(rig.listener.has_stopped());
}
