// How a server ends.

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "devices/store.h"
#include "tests/server/running.h"
#include "vm/machine.h"

using namespace chimera;
using namespace chimera::server;
using namespace chimera::server::testing;

namespace {

constexpr Options stopped_late{.stop_deadline_ms = 3'600'000};

bool exists(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0;
}

}  // namespace

TEST_CASE("stop with nobody connected: run returns, the socket is gone") {
  with_each_server(stopped_late, [](RunningServer& server) {
    const std::string path = server.address().path;
    CHECK(exists(path));
    server.ask_to_stop();
    CHECK(server.wait() == Status::ok);
    CHECK(!exists(path));
    CHECK(!Client::connect(server.address()));
  });
}

TEST_CASE("stop ends idle connections in an orderly way, and what has come by then is answered") {
  with_each_server(stopped_late, [](RunningServer& server) {
    Client client = server.connect();
    client.send(create("d"));
    CHECK(answers(client, created_size)[0] == 0);
    Bytes half = write_bytes(0, {1, 2, 3});
    half.pop_back();
    client.send(half);
    server.ask_to_stop();
    const auto rest = client.receive(1);
    REQUIRE(rest);
    CHECK(rest->empty());
    client.end_input();
    CHECK(server.wait() == Status::ok);
  });
}

TEST_CASE("stop while answers wait for a slow client: they are all sent; what had not begun answers shutting down") {
  with_each_server(stopped_late, [](RunningServer& server) {
    Client client = server.connect();
    client.send(create("d"));
    client.send(write_bytes((4 << 20) - 1, {9}));
    CHECK(answers(client, created_size + 1).back() == 0);
    // More than the sockets hold, so that some are on their way and others not begun.
    Bytes program;
    for (int i = 0; i < 50; ++i) program += read_bytes(0, 4 << 20);
    client.send(program);
    const auto first = client.receive(1 << 20);
    REQUIRE(first);
    server.ask_to_stop();
    client.end_input();
    std::size_t whole = 0;
    std::size_t refused = 0;
    while (true) {
      const auto status = client.receive(1);
      REQUIRE(status);
      if (status->empty()) break;
      if (status->front() == 0) {
        CHECK(refused == 0);
        CHECK(answers(client, 1 + (4 << 20)).back() == 9);
        ++whole;
      } else {
        CHECK(status->front() == 19);
        const Bytes head = answers(client, 3);
        answers(client, head[1] + 256u * head[2]);
        ++refused;
      }
    }
    CHECK(whole >= 1);
    CHECK(whole + refused == 50);
    CHECK(refused > 0);
    CHECK(server.wait() == Status::ok);
  });
}

TEST_CASE("a client that never takes its answers is dropped at the deadline, or at the second request") {
  for (const bool asks_twice : {false, true}) {
    const Options options{.stop_deadline_ms = asks_twice ? 3'600'000u : 50u};
    with_each_server(options, [&](RunningServer& server) {
      Client client = server.connect();
      client.send(create("d"));
      client.send(write_bytes((4 << 20) - 1, {9}));
      CHECK(answers(client, created_size + 1).back() == 0);
      for (int i = 0; i < 10; ++i) client.send(read_bytes(0, 4 << 20));
      REQUIRE(client.receive(1));
      Client idle = server.connect();
      idle.send(create("e"));
      CHECK(answers(idle, created_size)[0] == 0);
      server.ask_to_stop();
      if (asks_twice) {
        // The first has been heard when it ends who is idle; before that the two would be one.
        CHECK(idle.receive(1)->empty());
        server.ask_to_stop();
      }
      CHECK(server.wait() == Status::ok);
    });
  }
}

TEST_CASE("SIGTERM and SIGINT stop it, and reach nobody else") {
  for (const io::LoopKind kind : {io::LoopKind::uring, io::LoopKind::posix}) {
    for (const int signal : {SIGTERM, SIGINT}) {
      // As in a program with one thread: the signal is blocked everywhere else.
      sigset_t set;
      sigset_t before;
      ::sigemptyset(&set);
      ::sigaddset(&set, SIGTERM);
      ::sigaddset(&set, SIGINT);
      ::pthread_sigmask(SIG_BLOCK, &set, &before);
      {
        RunningServer server({.kind = kind, .options = stopped_late, .signals = {SIGTERM, SIGINT}});
        if (server.is_running()) {
          Client client = server.connect();
          client.send(create("d"));
          CHECK(answers(client, created_size)[0] == 0);
          ::kill(::getpid(), signal);
          client.end_input();
          CHECK(client.receive(1)->empty());
          CHECK(server.wait() == Status::ok);
        }
      }
      ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }
  }
}

TEST_CASE("signals that come while it ends are not left for whoever goes on") {
  const std::array signals{SIGTERM, SIGINT};
  sigset_t set;
  sigset_t before;
  ::sigemptyset(&set);
  for (const int signal : signals) ::sigaddset(&set, signal);
  ::pthread_sigmask(SIG_BLOCK, &set, &before);
  for (const io::LoopKind kind : {io::LoopKind::uring, io::LoopKind::posix}) {
    const auto loop = io::testing::loop_of(kind);
    if (!loop) continue;
    vm::Machine machine(*loop, std::make_unique<devices::Store>());
    auto server = Server::make(machine, *loop, stopped_late);
    REQUIRE(server);
    for (const int signal : signals) ::kill(::getpid(), signal);
    CHECK((*server)->run(signals) == Status::ok);
    sigset_t pending;
    ::sigpending(&pending);
    for (const int signal : signals) CHECK(::sigismember(&pending, signal) == 0);
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TEST_CASE("a server that never ran leaves nothing behind") {
  const io::testing::ScratchDirectory scratch{io::testing::temporary_parent()};
  for (const io::LoopKind kind : {io::LoopKind::uring, io::LoopKind::posix}) {
    const auto loop = io::testing::loop_of(kind);
    if (!loop) continue;
    vm::Machine machine(*loop, std::make_unique<devices::Store>());
    auto server = Server::make(machine, *loop, {});
    REQUIRE(server);
    REQUIRE((*server)->listen(*parse_address("unix:" + scratch.file("s"))));
    REQUIRE((*server)->listen(*parse_address("tcp:127.0.0.1:0")));
    CHECK(!(*server)->listen(*parse_address("unix:" + scratch.file("none/s"))));
    CHECK(exists(scratch.file("s")));
    server->reset();
    CHECK(!exists(scratch.file("s")));
  }
}
