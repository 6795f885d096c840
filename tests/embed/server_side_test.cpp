// Behind a connection: servers that are slow, that speak nonsense, or that go.

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <memory>

#include "tests/embed/places.h"
#include "tests/embed/store_server.h"

using namespace chimera_testing;

namespace {

/// The other end of a connection, in the hands of the test.
class HandServer {
 public:
  HandServer() {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    path_.copy(name.sun_path, sizeof name.sun_path - 1);
    listening_ = ::socket(AF_UNIX, SOCK_STREAM, 0);
    REQUIRE(::bind(listening_, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0);
    REQUIRE(::listen(listening_, 5) == 0);
  }
  ~HandServer() {
    hang_up();
    ::close(listening_);
  }
  HandServer(const HandServer&) = delete;
  HandServer& operator=(const HandServer&) = delete;

  [[nodiscard]] std::string address() const { return "unix:" + path_; }
  void accept() { connection_ = ::accept(listening_, nullptr, nullptr); }
  void say(const std::string& bytes) const {
    REQUIRE(::send(connection_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
  }
  [[nodiscard]] std::string hear(std::size_t size) const {
    std::string bytes(size, '\0');
    REQUIRE(::recv(connection_, bytes.data(), size, MSG_WAITALL) == static_cast<ssize_t>(size));
    return bytes;
  }
  void hang_up() {
    if (connection_ >= 0) ::close(connection_);
    connection_ = -1;
  }

 private:
  Scratch scratch_;
  std::string path_ = scratch_.file("socket");
  int listening_ = -1;
  int connection_ = -1;
};

bool is_ready(int descriptor, int timeout_ms = 0) {
  pollfd waiting{descriptor, POLLIN, 0};
  return ::poll(&waiting, 1, timeout_ms) == 1;
}

/// A store, a session and the other end.
struct Call {
  Call() {
    REQUIRE(store.connect(server.address().c_str()) == CHIMERA_OK);
    server.accept();
    session = std::make_unique<chimera::Session>(store);
    REQUIRE(session->is_open());
    program.assemble("read byte\nread bytes #4");
  }
  /// Reaps until there is peace; all results so far.
  int settle() {
    int count = 0;
    for (int turns = 0; is_ready(store.descriptor()); ++turns) {
      REQUIRE(turns < 20);
      std::vector<chimera::Result> some;
      const int told = store.reap(some, 0);
      REQUIRE(told >= 0);
      count += told;
      for (const chimera::Result& result : some) {
        status = result.status;
        message = result.message;
        answers = result.all().size();
      }
    }
    return count;
  }

  HandServer server;
  chimera::Store store;
  std::unique_ptr<chimera::Session> session;
  chimera::Program program;
  int status = 77;
  std::string message;
  std::size_t answers = 0;
};

}  // namespace

TEST_CASE("answers that come a byte at a time wake whoever polls, and are told when they are whole") {
  Call call;
  REQUIRE(call.session->submit(call.program) == CHIMERA_OK);
  REQUIRE(call.session->submit(call.program) == CHIMERA_OK);
  CHECK(call.server.hear(12) == std::string("\x00\x10\x04\x00\x00\x00\x00\x10\x04\x00\x00\x00", 12));
  CHECK(call.settle() == 0);
  const std::string answer("\x00!\x00WORD", 7);
  for (int n = 0; n < 2; ++n) {
    for (std::size_t at = 0; at < answer.size(); ++at) {
      call.server.say(answer.substr(at, 1));
      REQUIRE(is_ready(call.store.descriptor(), 60'000));
      CHECK(call.settle() == (at + 1 == answer.size() ? 1 : 0));
    }
    CHECK(call.status == CHIMERA_OK);
    CHECK(call.answers == 2);
  }
}

TEST_CASE("a server that goes loses what was under way, and the descriptor is at peace afterwards") {
  for (const char* const said : {"", "\x01", "\x07\x02"}) {
    Call call;
    REQUIRE(call.session->submit(call.program) == CHIMERA_OK);
    REQUIRE(call.session->submit(call.program) == CHIMERA_OK);
    call.server.say(said);
    if (*said != '\0') static_cast<void>(call.server.hear(12));
    call.server.hang_up();
    CHECK(is_ready(call.store.descriptor(), 60'000));
    CHECK(call.settle() == 2);
    CHECK(call.status == CHIMERA_E_LOST);
    CHECK(call.message != "");
    CHECK(!is_ready(call.store.descriptor()));
    CHECK(call.session->run(call.program) == CHIMERA_E_LOST);
    CHECK(call.session->submit(call.program) == CHIMERA_E_LOST);
    CHECK(call.store.close() == CHIMERA_OK);
  }
}

TEST_CASE("a wait ends when the server goes, also one for a single program") {
  Call call;
  REQUIRE(call.session->submit(call.program) == CHIMERA_OK);
  call.server.hang_up();
  CHECK(call.session->run(call.program) == CHIMERA_E_LOST);
  std::vector<chimera::Result> results;
  REQUIRE(call.store.reap(results, -1) == 1);
  CHECK(results[0].status == CHIMERA_E_LOST);
}

TEST_CASE("what is no answer, and what nobody asked for, ends the session") {
  {
    Call call;
    call.program.clear();
    call.program.assemble("describe store");
    REQUIRE(call.session->submit(call.program) == CHIMERA_OK);
    call.server.say(std::string("\x00\xFF\xFF\xFF\xFF", 5));
    CHECK(is_ready(call.store.descriptor(), 60'000));
    CHECK(call.settle() == 1);
    CHECK(call.status == CHIMERA_E_LOST);
  }
  Call call;
  call.program.clear();
  call.program.assemble("begin");
  REQUIRE(call.session->submit(call.program) == CHIMERA_OK);
  call.server.say(std::string("\x00\x00", 2));
  CHECK(is_ready(call.store.descriptor(), 60'000));
  CHECK(call.settle() == 1);
  CHECK(call.status == CHIMERA_OK);
  CHECK(call.session->run(call.program) == CHIMERA_E_LOST);
}

TEST_CASE("a session freed, and a store freed, while a server does not answer") {
  Call call;
  REQUIRE(call.session->submit(call.program) == CHIMERA_OK);
  std::vector<chimera::Result> results;
  CHECK(call.store.reap(results, 5) == 0);
  call.session.reset();
  CHECK(call.settle() == 0);
  CHECK(call.store.reap(results, -1) == 0);
}

TEST_CASE("more is submitted than a socket holds, on both sides") {
  const StoreServer server;
  chimera::Store store;
  REQUIRE(store.connect(server.address().c_str()) == CHIMERA_OK);
  chimera::Session session(store);
  run(store, session, "create device \"d\" \"\"\nwrite length @1M");
  chimera::Program program;
  const std::string payload(1 << 20, 'p');
  program.add({.operation = CHIMERA_OP_SWAP_BYTES, CHIMERA_AT(0), .payload = payload.data(), .payload_size = 1 << 20});
  for (int n = 0; n < 60; ++n) REQUIRE(session.submit(program) == CHIMERA_OK);
  const int descriptor = store.descriptor();
  std::vector<chimera::Result> results;
  for (std::size_t told = 0; told < 60; told += results.size()) {
    REQUIRE(is_ready(descriptor, 60'000));
    REQUIRE(store.reap(results, 0) >= 0);
    for (const chimera::Result& result : results) {
      CHECK(result.status == CHIMERA_OK);
      CHECK(result.all().at(0).size == payload.size());
    }
  }
  CHECK(!is_ready(descriptor));
  CHECK(store.close() == CHIMERA_OK);
}
