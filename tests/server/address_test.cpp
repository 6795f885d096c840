#include "server/address.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "server/listening_socket.h"
#include "tests/io/scratch.h"

using namespace chimera::server;
using chimera::io::testing::ScratchDirectory;

namespace {

std::string round_trip(const std::string& text) {
  const auto address = parse_address(text);
  return address ? to_string(*address) : "error: " + address.error();
}

}  // namespace

TEST_CASE("addresses are parsed and written back") {
  CHECK(round_trip("unix:/run/chimera.sock") == "unix:/run/chimera.sock");
  CHECK(round_trip("unix:a:b") == "unix:a:b");
  CHECK(round_trip("tcp:example.org:7070") == "tcp:example.org:7070");
  CHECK(round_trip("tcp:127.0.0.1:0") == "tcp:127.0.0.1:0");
  CHECK(round_trip("tcp:[::1]:65535") == "tcp:[::1]:65535");
  CHECK(round_trip("tcp:*:1") == "tcp:*:1");
  CHECK(round_trip("tcp::70") == "tcp:127.0.0.1:70");
  CHECK(round_trip("tcp:70") == "tcp:127.0.0.1:70");
}

TEST_CASE("what is not an address is refused with what would be one") {
  for (const char* text :
       {"", "store", "udp:localhost:1", "unix:", "tcp:", "tcp:localhost", "tcp:localhost:", "tcp:h:65536", "tcp:h:-1",
        "tcp:h:1x", "tcp:::1:70", "tcp:[::1:70", "tcp:[]:70", "tcp:[::1]70"}) {
    CAPTURE(text);
    const auto address = parse_address(text);
    REQUIRE(!address);
    CHECK(address.error().find("write ") != std::string::npos);
  }
  CHECK(!parse_address("unix:" + std::string(108, 'x')));
  CHECK(parse_address("unix:" + std::string(107, 'x')));
  CHECK(!parse_address(std::string("unix:a\0b", 8)));
}

TEST_CASE(
    "a unix socket is its owner's alone; one that is listened on stays, a stale one and no other file is replaced") {
  const ScratchDirectory scratch{chimera::io::testing::temporary_parent()};
  const std::string path = scratch.file("socket");
  const Address address = *parse_address("unix:" + path);
  const mode_t umask_before = ::umask(0);
  auto first = listen_on(address, 0600);
  ::umask(umask_before);
  REQUIRE(first);
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);

  const auto second = listen_on(address, 0600);
  REQUIRE(!second);
  CHECK(second.error() == "Cannot listen on unix:" + path + ": somebody listens there already.");
  first->socket.close();  // as a crash leaves it
  CHECK(!connect_to(address));
  auto third = listen_on(address, 0660);
  REQUIRE(third);
  REQUIRE(::stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0660);
  CHECK(connect_to(address));

  stop_listening(*first);  // it is the third one's by now
  CHECK(::stat(path.c_str(), &status) == 0);
  stop_listening(*third);
  CHECK(::stat(path.c_str(), &status) != 0);

  std::ofstream(path) << "precious";
  CHECK(!listen_on(address, 0600));
  CHECK(::stat(path.c_str(), &status) == 0);
}

TEST_CASE("where a killed server seems to listen, as its ring still holds the socket, that is waited for and said") {
  for (const bool is_reaped : {true, false}) {
    const ScratchDirectory scratch{chimera::io::testing::temporary_parent()};
    const Address address = *parse_address("unix:" + scratch.file("socket"));
    // In place of the ring we hold what a process has listened on that is no more, or that its parent has not asked
    // for.
    Socket held(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    address.path.copy(name.sun_path, sizeof name.sun_path - 1);
    REQUIRE(::bind(held.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0);
    const pid_t child = ::fork();
    if (child == 0) ::_exit(::listen(held.get(), 10));
    siginfo_t ended{};
    REQUIRE(::waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | (is_reaped ? 0 : WNOWAIT)) == 0);
    REQUIRE(ended.si_status == 0);

    int said = 0;
    const auto listening = listen_on(address, 0600, [&] {
      ++said;
      held.close();
    });
    REQUIRE_MESSAGE(listening, listening.error());
    CHECK(said == 1);
    CHECK(connect_to(address));
    if (!is_reaped) REQUIRE(::waitpid(child, nullptr, 0) == child);
  }
}

TEST_CASE("port 0 becomes the one that the kernel chose, on either protocol") {
  for (const char* text : {"tcp:127.0.0.1:0", "tcp:[::1]:0", "tcp:*:0"}) {
    const auto listening = listen_on(*parse_address(text), 0);
    if (!listening) {
      MESSAGE("skipped: " << listening.error());
      continue;
    }
    CHECK(listening->address.port != 0);
    Address to = listening->address;
    if (to.host == "*") to.host = "127.0.0.1";
    CHECK(connect_to(to));
    CHECK(!listen_on(listening->address, 0));
  }
}
