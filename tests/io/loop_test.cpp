// What both kernel loops promise, run over each.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <numeric>
#include <random>

#include "tests/io/scratch.h"

using namespace chimera::io;
using namespace chimera::io::testing;

namespace {

constexpr std::array both_kinds{LoopKind::uring, LoopKind::posix};

/// Runs the body with a loop of each kind that this kernel has: one that sleeps, and one that looks first.
template <class Body>
void with_each_loop(const Body& body) {
  for (const LoopKind kind : both_kinds) {
    for (const std::uint64_t looking_ns : {0, 1'000'000}) {
      const auto loop = loop_of(kind);
      if (!loop) continue;
      loop->look_before_sleeping(looking_ns);
      CAPTURE(loop->name());
      CAPTURE(looking_ns);
      body(*loop);
    }
  }
}

struct SocketPair {
  std::array<int, 2> ends{-1, -1};
  SocketPair() { REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0); }
  ~SocketPair() {
    close(0);
    close(1);
  }
  SocketPair(const SocketPair&) = delete;
  SocketPair& operator=(const SocketPair&) = delete;
  void close(std::size_t end) {
    if (ends[end] >= 0) ::close(ends[end]);
    ends[end] = -1;
  }
};

}  // namespace

TEST_CASE("files: what is written in parts is read back, synced, and ends short at the end of the file") {
  for (const std::string& parent : scratch_parents()) {
    CAPTURE(parent);
    with_each_loop([&](KernelLoop& loop) {
      const ScratchDirectory scratch(parent);
      const int fd = ::open(scratch.file("f").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
      REQUIRE(fd >= 0);
      std::string first(5000, 'a');
      std::string second(300, 'b');
      const std::array<iovec, 2> out{iovec{first.data(), first.size()}, iovec{second.data(), second.size()}};
      Noted wrote, synced, read, behind;
      loop.writev(fd, out.data(), 2, 100, Durable::yes, wrote);
      CHECK(wrote.calls == 0);
      CHECK(wait_for(loop, wrote) == 5300);
      loop.sync_data(fd, synced);
      CHECK(wait_for(loop, synced) == 0);
      std::string back(6000, 'x');
      const iovec in{back.data(), back.size()};
      loop.readv(fd, &in, 1, 100, read);
      CHECK(wait_for(loop, read) == 5300);
      CHECK(back.substr(0, 5300) == first + second);
      loop.readv(fd, &in, 1, 1 << 20, behind);
      CHECK(wait_for(loop, behind) == 0);
      ::close(fd);
      Noted closed;
      loop.readv(fd, &in, 1, 0, closed);
      CHECK(wait_for(loop, closed) == -EBADF);
    });
  }
}

TEST_CASE("files: registered memory reads and writes like any other, whole, in part and across its edge") {
  with_each_loop([&](KernelLoop& loop) {
    const ScratchDirectory scratch(scratch_parents()[0]);
    const int fd = ::open(scratch.file("f").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    const Blocks memory(8);
    loop.register_memory(memory.at(1), 2 * 4096);
    loop.register_memory(memory.at(3), 2 * 4096);
    for (unsigned i = 0; i < 8; ++i) memory.fill(i, i + 1);
    const std::array<std::array<std::size_t, 2>, 5> spans{{{0, 2}, {1, 2}, {2, 1}, {2, 2}, {4, 2}}};
    for (const auto& [from, count] : spans) {
      std::vector<iovec> parts;
      for (std::size_t i = from; i < from + count; ++i) parts.push_back({memory.at(i), 4096});
      Noted wrote, read;
      loop.writev(fd, parts.data(), static_cast<unsigned>(count), 0, Durable::no, wrote);
      CHECK(wait_for(loop, wrote) == static_cast<int>(count * 4096));
      for (std::size_t i = from; i < from + count; ++i) memory.fill(i, 0xEE);
      loop.readv(fd, parts.data(), static_cast<unsigned>(count), 0, read);
      CHECK(wait_for(loop, read) == static_cast<int>(count * 4096));
      for (std::size_t i = 0; i < 8; ++i) CHECK(memory.holds(i, static_cast<unsigned>(i + 1)));
    }
    ::close(fd);
  });
}

TEST_CASE("more operations than the ring has slots all end, each once") {
  with_each_loop([&](KernelLoop& loop) {
    const ScratchDirectory scratch(scratch_parents()[0]);
    const int fd = ::open(scratch.file("f").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    constexpr std::size_t count = 40'000;
    std::vector<Noted> noted(count);
    char byte = 'x';
    const iovec part{&byte, 1};
    for (std::size_t i = 0; i < count; ++i) loop.writev(fd, &part, 1, i, Durable::no, noted[i]);
    std::size_t delivered = 0;
    for (int turn = 0; turn < 200'000 && delivered < count; ++turn) delivered += loop.step(5);
    CHECK(delivered == count);
    for (const Noted& one : noted) {
      if (one.calls != 1 || one.result != 1) FAIL("an operation ended wrongly: " << one.calls << " " << one.result);
    }
    CHECK(::lseek(fd, 0, SEEK_END) == static_cast<off_t>(count));
    ::close(fd);
  });
}

TEST_CASE("sockets: a receive waits for its bytes, and ends with 0 when the other side closes") {
  with_each_loop([&](KernelLoop& loop) {
    SocketPair pair;
    std::array<char, 16> buffer{};
    Noted received;
    loop.receive(pair.ends[0], buffer.data(), buffer.size(), received);
    loop.step(0);
    loop.step(1);
    CHECK(received.calls == 0);
    REQUIRE(::write(pair.ends[1], "hello", 5) == 5);
    CHECK(wait_for(loop, received) == 5);
    CHECK(std::string(buffer.data(), 5) == "hello");

    Noted sent, ended;
    loop.send(pair.ends[0], "abc", 3, sent);
    CHECK(wait_for(loop, sent) == 3);
    CHECK(::read(pair.ends[1], buffer.data(), 16) == 3);
    loop.receive(pair.ends[0], buffer.data(), buffer.size(), ended);
    loop.step(0);
    pair.close(1);
    CHECK(wait_for(loop, ended) == 0);

    Noted broken;
    loop.send(pair.ends[0], "abc", 3, broken);  // would raise SIGPIPE
    CHECK(wait_for(loop, broken) == -EPIPE);
  });
}

TEST_CASE("sockets: a send to one who does not read goes as far as there is room and then waits") {
  with_each_loop([&](KernelLoop& loop) {
    SocketPair pair;
    const std::string much(4 << 20, 'm');
    std::size_t moved = 0;
    while (true) {
      Noted sent;
      loop.send(pair.ends[0], much.data(), much.size(), sent);
      for (int turn = 0; turn < 3 && sent.calls == 0; ++turn) loop.step(5);
      if (sent.calls == 0) {
        loop.cancel(sent);
        CHECK(wait_for(loop, sent) == -ECANCELED);
        break;
      }
      REQUIRE(sent.result > 0);
      moved += static_cast<std::size_t>(sent.result);
    }
    CHECK(moved > 0);
    Noted writable;
    loop.wait_writable(pair.ends[0], writable);
    loop.step(1);
    CHECK(writable.calls == 0);
    std::string taken(moved, ' ');
    std::size_t got = 0;
    while (got < moved) got += static_cast<std::size_t>(::read(pair.ends[1], taken.data() + got, moved - got));
    CHECK(wait_for(loop, writable) > 0);
  });
}

TEST_CASE("sockets: connections are accepted one by one, close-on-exec, and descriptors are watched") {
  with_each_loop([&](KernelLoop& loop) {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(listener, reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(listener, 8) == 0);
    REQUIRE(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    for (int turn = 0; turn < 3; ++turn) {
      Noted accepted;
      loop.accept(listener, accepted);
      loop.step(0);
      CHECK(accepted.calls == 0);
      const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      REQUIRE(::connect(client, reinterpret_cast<sockaddr*>(&address), size) == 0);
      const int server = wait_for(loop, accepted);
      REQUIRE(server >= 0);
      CHECK((::fcntl(server, F_GETFD) & FD_CLOEXEC) != 0);

      Noted readable;
      loop.wait_readable(server, readable);
      loop.step(0);
      CHECK(readable.calls == 0);
      REQUIRE(::write(client, "x", 1) == 1);
      CHECK(wait_for(loop, readable) > 0);
      ::close(server);
      ::close(client);
    }
    Noted given_up;
    loop.accept(listener, given_up);
    loop.step(0);
    loop.cancel(given_up);
    CHECK(wait_for(loop, given_up) == -ECANCELED);
    ::close(listener);
  });
}

TEST_CASE("cancel ends whatever is under way, before and after it has reached the kernel, and only that") {
  with_each_loop([&](KernelLoop& loop) {
    SocketPair pair;
    for (const bool has_stepped : {false, true}) {
      CAPTURE(has_stepped);
      std::array<char, 2> bytes{};
      Noted receive, readable, timer, other;
      loop.receive(pair.ends[0], bytes.data(), 1, receive);
      loop.wait_readable(pair.ends[0], readable);
      loop.after(3'600'000, timer);
      loop.receive(pair.ends[1], bytes.data() + 1, 1, other);
      if (has_stepped) loop.step(0);
      loop.cancel(receive);
      loop.cancel(readable);
      loop.cancel(timer);
      CHECK(receive.calls + readable.calls + timer.calls == 0);
      CHECK(wait_for(loop, receive) == -ECANCELED);
      CHECK(wait_for(loop, readable) == -ECANCELED);
      CHECK(wait_for(loop, timer) == -ECANCELED);
      CHECK(other.calls == 0);
      REQUIRE(::write(pair.ends[0], "!", 1) == 1);
      CHECK(wait_for(loop, other) == 1);
      // One that has ended is not there to be cancelled; nothing happens.
      loop.cancel(other);
      loop.step(0);
      loop.step(0);
      CHECK(other.calls == 1);
    }
  });
}

TEST_CASE("timers end in the order of their deadlines, never early, and bound the wait of a step") {
  with_each_loop([&](KernelLoop& loop) {
    struct Ordered final : Completion {
      std::vector<int>* order = nullptr;
      int number = 0;
      void complete(int result) override {
        CHECK(result == 0);
        order->push_back(number);
      }
    };
    std::vector<int> order;
    std::array<Ordered, 4> timers;
    const std::array<std::uint64_t, 4> milliseconds{40, 0, 20, 10};
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < 4; ++i) {
      timers[i].order = &order;
      timers[i].number = i;
      loop.after(milliseconds[i], timers[i]);
    }
    while (order.size() < 4) loop.step(Loop::forever);
    CHECK(order == std::vector<int>{1, 3, 2, 0});
    CHECK(std::chrono::steady_clock::now() - start >= std::chrono::milliseconds(40));
  });
}

TEST_CASE("a step without anything to do ends after its timeout with nothing delivered") {
  with_each_loop([&](KernelLoop& loop) {
    CHECK(loop.step(0) == 0);
    const auto start = std::chrono::steady_clock::now();
    CHECK(loop.step(20) == 0);
    CHECK(std::chrono::steady_clock::now() - start >= std::chrono::milliseconds(19));
  });
}

TEST_CASE("completions may start the next operation of their own") {
  with_each_loop([&](KernelLoop& loop) {
    struct Echo final : Completion {
      KernelLoop* loop = nullptr;
      int fd = -1;
      std::array<char, 1> byte{};
      int turns = 0;
      bool is_sending = false;
      void complete(int result) override {
        REQUIRE(result == 1);
        if (is_sending && ++turns == 1000) return;
        is_sending = !is_sending;
        if (is_sending) {
          loop->send(fd, byte.data(), 1, *this);
        } else {
          loop->receive(fd, byte.data(), 1, *this);
        }
      }
    };
    SocketPair pair;
    std::array<Echo, 2> echoes;
    for (std::size_t i = 0; i < 2; ++i) {
      echoes[i].loop = &loop;
      echoes[i].fd = pair.ends[i];
      loop.receive(pair.ends[i], echoes[i].byte.data(), 1, echoes[i]);
    }
    REQUIRE(::write(pair.ends[0], "b", 1) == 1);
    while (echoes[0].turns < 1000 || echoes[1].turns < 1000) loop.step(100);
  });
}

TEST_CASE("more operations are begun between two steps than completions have room, and each of them ends once") {
  // The ring's own room is 16,384, and as many are kept beside it.
  constexpr std::size_t count = 40'000;
  const auto loop = loop_of(LoopKind::uring);
  if (!loop) return;
  const SocketPair pair;
  REQUIRE(::write(pair.ends[1], "x", 1) == 1);
  struct Counted final : Completion {
    unsigned ended = 0;
    void complete(int result) override {
      CHECK(result > 0);
      ++ended;
    }
  };
  std::vector<Counted> operations(count);
  for (Counted& operation : operations) loop->wait_readable(pair.ends[0], operation);
  for (std::size_t all = 0; all < count;) {
    const std::size_t some = loop->step(1000);
    REQUIRE(some > 0);
    all += some;
  }
  CHECK(std::ranges::all_of(operations, [](const Counted& operation) { return operation.ended == 1; }));
}
