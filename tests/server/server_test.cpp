// Clients of every sort, over real sockets.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <random>

#include "tests/server/raw_client.h"
#include "tests/server/running.h"

using namespace chimera;
using namespace chimera::server;
using namespace chimera::server::testing;

namespace {

Bytes repeated(const Bytes& program, std::size_t times) {
  Bytes all;
  all.reserve(program.size() * times);
  for (std::size_t i = 0; i < times; ++i) all += program;
  return all;
}

}  // namespace

TEST_CASE("one instruction at a time, over unix and tcp") {
  for (const char* listen : {"", "tcp:127.0.0.1:0"}) {
    for (const io::LoopKind kind : {io::LoopKind::uring, io::LoopKind::posix}) {
      const RunningServer server({.kind = kind, .listen = listen});
      if (!server.is_running()) continue;
      Client client = server.connect();
      client.send(create("disk0"));
      CHECK(answers(client, created_size)[0] == 0);
      client.send(write_bytes(5, {'a', 'b', 'c'}));
      CHECK(answers(client, 1) == Bytes{0});
      for (int turn = 0; turn < 200; ++turn) {
        client.send(read_bytes(5, 3));
        CHECK(answers(client, 4) == Bytes{0, 'a', 'b', 'c'});
      }
      client.end_input();
      CHECK(client.receive(1)->empty());
    }
  }
}

TEST_CASE("a pipelined stream in pieces of any size is answered as the whole is, in order") {
  with_each_server({}, [](RunningServer& server) {
    std::mt19937 random(5);
    Bytes program = create("disk0");
    Bytes expected_tail;
    Bytes model(200'000, 0);
    for (int i = 0; i < 300; ++i) {
      const std::size_t offset = random() % 100'000;
      const std::size_t size = random() % (i % 50 == 0 ? 90'000 : 300);
      if (random() % 2) {
        Bytes payload(size);
        for (std::uint8_t& byte : payload) byte = static_cast<std::uint8_t>(random());
        std::copy(payload.begin(), payload.end(), model.begin() + static_cast<std::ptrdiff_t>(offset));
        program += write_bytes(offset, payload);
        expected_tail.push_back(0);
      } else {
        program += write_bytes(199'999, {0});
        program += read_bytes(offset, static_cast<std::uint32_t>(size));
        expected_tail += {0, 0};
        const auto from = model.begin() + static_cast<std::ptrdiff_t>(offset);
        expected_tail += Bytes(from, from + static_cast<std::ptrdiff_t>(size));
      }
    }
    for (const std::size_t largest_piece : {std::size_t{50}, std::size_t{5000}, program.size()}) {
      Client client = server.connect();
      for (std::size_t at = 0; at < program.size();) {
        const std::size_t piece = std::min(program.size() - at, 1 + random() % largest_piece);
        client.send(std::span(program).subspan(at, piece));
        at += piece;
      }
      CHECK(answers(client, created_size)[0] == 0);
      CHECK(answers(client, expected_tail.size()) == expected_tail);
      client.send({{0xF4}});  // delete device, for the next turn
      CHECK(answers(client, 1) == Bytes{0});
    }
  });
}

TEST_CASE("what arrived whole is run and answered when the input ends; half an instruction is dropped") {
  with_each_server({}, [](RunningServer& server) {
    Bytes program = create("d");
    program += write_bytes(0, {'x'});
    program += write_bytes(0, {'y', 'z'});
    program.pop_back();
    CHECK(run(server, program).size() == created_size + 1);
    CHECK(run(server, {}).empty());
    Bytes reading = open("d");
    reading += read_bytes(0, 1);
    const Bytes got = run(server, reading);
    CHECK(Bytes(got.end() - 2, got.end()) == Bytes{0, 'x'});
  });
}

TEST_CASE("a client that goes without reading: all that it has sent is run") {
  with_each_server({}, [](RunningServer& server) {
    CHECK(run(server, create("d"))[0] == 0);
    {
      const RawClient client(server);
      Bytes program = open("d");
      for (std::uint64_t i = 0; i < 2000; ++i) program += write_bytes(i * 8, {'w'});
      client.send(program);
    }
    // Another one waits for the last of it.
    Client watcher = server.connect();
    watcher.send(open("d"));
    CHECK(answers(watcher, created_size)[0] == 0);
    for (int turn = 0; turn < 2000; ++turn) {
      watcher.send({{0x54}});
      const Bytes length = answers(watcher, 9);
      if (length[0] == 0 && length[1] == ((1999 * 8 + 1) & 0xFF) && length[2] == ((1999 * 8 + 1) >> 8)) return;
      ::usleep(1000);
    }
    FAIL("not everything was run");
  });
}

TEST_CASE("after an illegal instruction its answer arrives, then the orderly end, whatever was sent behind it") {
  for (const char* listen : {"", "tcp:127.0.0.1:0"}) {
    for (const io::LoopKind kind : {io::LoopKind::uring, io::LoopKind::posix}) {
      const RunningServer server({.kind = kind, .options = {.linger_ms = 60'000}, .listen = listen});
      if (!server.is_running()) continue;
      for (int turn = 0; turn < 20; ++turn) {
        const RawClient client(server);
        client.send({0x05});
        client.send(Bytes(50'000, 0xFB));
        const Bytes answer = client.receive(3);
        CHECK(answer[0] == 1);
        const std::size_t text_size = answer[1] + 256u * answer[2];
        CHECK(client.receive(text_size).size() == text_size);
        CHECK(client.receive_end() == 0);
      }
    }
  }
}

TEST_CASE("who asks for figures gets them and then the orderly end, whatever it has sent behind that") {
  for (const io::LoopKind kind : {io::LoopKind::uring, io::LoopKind::posix}) {
    const RunningServer server({.kind = kind, .options = {.linger_ms = 60'000}, .protocol = Protocol::metrics});
    if (!server.is_running()) continue;
    constexpr std::string_view asked = "GET /metrics HTTP/1.0\r\n\r\n";
    for (int turn = 0; turn < 20; ++turn) {
      const RawClient client(server);
      client.send({asked.begin(), asked.end()});
      CHECK(client.receive(1)[0] == 'H');
      client.send(Bytes(50'000, 0xFB));
      while (client.receive_end() > 0) continue;
      CHECK(client.receive_end() == 0);
    }
  }
}

TEST_CASE("a client that does not read is not read from: what waits for it is capped, and others are served") {
  with_each_server({}, [](RunningServer& server) {
    Client other = server.connect();
    other.send(create("big"));
    CHECK(answers(other, created_size)[0] == 0);
    other.send(write_bytes((1 << 20) - 1, {1}));
    CHECK(answers(other, 1) == Bytes{0});

    RawClient stuck(server);
    stuck.send(open("big"));
    const Bytes reads = repeated(read_bytes(0, 1 << 20), 1000);
    const std::size_t taken = stuck.send_all_that_fits(reads);
    CHECK(taken < 4 << 20);  // sockets hold some hundred KiB, and the input buffer
    for (int turn = 0; turn < 100; ++turn) {
      other.send(read_byte((1 << 20) - 1));
      CHECK(answers(other, 2) == Bytes{0, 1});
    }
    // When it reads after all, nothing is missing.
    CHECK(stuck.receive(created_size)[0] == 0);
    for (int i = 0; i < 40; ++i) {
      const Bytes answer = stuck.receive(1 + (1 << 20));
      CHECK(answer.front() == 0);
      CHECK(answer.back() == 1);
    }
  });
}

TEST_CASE("a client that sends a byte at a time is served, and nobody waits for it") {
  with_each_server({}, [](RunningServer& server) {
    const RawClient slow(server);
    Client other = server.connect();
    other.send(create("d"));
    CHECK(answers(other, created_size)[0] == 0);
    Bytes program = open("d");
    program += write_bytes(3, {'s', 'l', 'o', 'w'});
    for (const std::uint8_t byte : program) {
      slow.send({byte});
      other.send({{0x54}});
      CHECK(answers(other, 9)[0] == 0);
    }
    CHECK(slow.receive(created_size + 1).back() == 0);
    other.send(read_bytes(3, 4));
    CHECK(answers(other, 5) == Bytes{0, 's', 'l', 'o', 'w'});
  });
}

TEST_CASE("payloads and results of the largest size pass, beside small ones of another client") {
  with_each_server({}, [](RunningServer& server) {
    constexpr std::uint32_t largest = limits::largest_transfer;
    Bytes payload(largest);
    for (std::size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<std::uint8_t>(i * 7 >> 3);
    Bytes program = create("d");
    program += write_bytes(1, payload);
    program += read_bytes(1, largest);
    const Bytes got = run(server, program);
    REQUIRE(got.size() == created_size + 1 + 1 + largest);
    CHECK(std::equal(payload.begin(), payload.end(), got.end() - largest));

    Bytes too_large = open("d");
    too_large += write_bytes(0, Bytes(largest + 1));
    too_large += read_byte(1);
    const Bytes refused = run(server, too_large);
    CHECK(refused[created_size] == 14);
    CHECK(Bytes(refused.end() - 2, refused.end()) == Bytes{0, payload[0]});
  });
}

TEST_CASE("many connections at once, each with its own registers") {
  with_each_server({}, [](RunningServer& server) {
    constexpr std::size_t count = 300;
    std::vector<Client> clients;
    for (std::size_t i = 0; i < count; ++i) clients.push_back(server.connect());
    for (std::size_t i = 0; i < count; ++i) {
      clients[i].send(create(fmt::format("d{}", i)));
      clients[i].send(write_bytes(i, {static_cast<std::uint8_t>(i)}));
      clients[i].send(read_byte(i));
    }
    for (std::size_t i = 0; i < count; ++i) {
      const Bytes got = answers(clients[i], created_size + 3);
      CHECK(Bytes(got.end() - 3, got.end()) == Bytes{0, 0, static_cast<std::uint8_t>(i)});
    }
  });
}

TEST_CASE("at the limit of connections accepting pauses until one goes") {
  with_each_server({.most_connections = 2}, [](RunningServer& server) {
    std::array<Client, 2> held{server.connect(), server.connect()};
    for (Client& client : held) {
      client.send({{0x48, 0, 0, 0, 0, 1, 0, 0, 0}});
      CHECK(answers(client, 5)[0] == 0);
    }
    const RawClient waiting(server);  // in the kernel's queue
    waiting.send(create("third"));
    for (int turn = 0; turn < 50; ++turn) {
      held[1].send({{0x48, 0, 0, 0, 0, 1, 0, 0, 0}});
      CHECK(answers(held[1], 5) == Bytes{0, 0, 0, 0, 0});  // nobody has run it
      ::usleep(1000);
    }
    held[0].end_input();
    CHECK(held[0].receive(1)->empty());
    CHECK(waiting.receive(created_size)[0] == 0);
  });
}

#ifdef __SANITIZE_ADDRESS__
// The sanitizer's own checks need descriptors of this process.
constexpr bool needs_descriptors = true;
#else
constexpr bool needs_descriptors = false;
#endif

TEST_CASE("with all descriptors used up accepting pauses, the others are served, and it goes on when some are free" *
          doctest::skip(needs_descriptors)) {
  with_each_server({}, [](RunningServer& server) {
    Client before = server.connect();
    before.send(create("d"));
    CHECK(answers(before, created_size)[0] == 0);
    // The descriptors of this process are the server's too. One client connects, then all the rest are taken.
    rlimit old_limit{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &old_limit) == 0);
    const int highest = ::dup(0);
    ::close(highest);
    rlimit tight = old_limit;
    tight.rlim_cur = static_cast<rlim_t>(highest) + 4;
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &tight) == 0);
    const RawClient waiting(server);
    std::vector<int> hoard;
    for (int fd = ::dup(0); fd >= 0; fd = ::dup(0)) hoard.push_back(fd);
    waiting.send(open("d"));
    ::usleep(50'000);
    before.send({{0x54}});
    CHECK(answers(before, 9)[0] == 0);
    for (const int fd : hoard) ::close(fd);
    ::setrlimit(RLIMIT_NOFILE, &old_limit);
    CHECK(waiting.receive(created_size)[0] == 0);
  });
}
