// What a link tells of transactions whose connection has broken, and what it leaves; and when one counts as broken.

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "isa/limits.h"
#include "links/remote_link.h"
#include "tables/create.h"
#include "tests/tables/broken_line.h"
#include "tests/tables/table_rig.h"

namespace chimera::tables::testing {
namespace {

using Cut = CuttingProxy::Cut;
using server::testing::RunningServer;

/// A transaction.
Script writing(const Uuid& device) {
  Script script;
  script.begin();
  script.write_bytes(device, 0, bytes_of("abc"));
  script.commit();
  return script;
}

}  // namespace

TEST_CASE("a server that stays away leaves a transaction in doubt, and what comes behind it undone") {
  Line line;
  const auto link = line.connect(1);
  Table log = make_table(*link, log_schema);
  line.proxy->cut({.side = Cut::Side::answers, .after = 0, .meanwhile = [&line] { line.proxy->stay_away(); }});
  std::uint64_t inserted = 1;
  const auto done = log.insert({{i64(1)}}, &inserted);
  REQUIRE_FALSE(done.has_value());
  CHECK(done.error().is_in_doubt);
  CHECK_EQ(done.error().status, Status::io_error);
  CHECK(done.error().words.find("outcome of token hex\"") != std::string::npos);
  CHECK_EQ(inserted, 0);
  const auto behind = log.insert({{i64(2)}});
  REQUIRE_FALSE(behind.has_value());
  CHECK_FALSE(behind.error().is_in_doubt);
  CHECK_EQ(behind.error().status, Status::io_error);
}

TEST_CASE("a store that knows nothing of what was committed before tells nothing of what came then") {
  Line line;
  const auto link = line.connect();
  Table log = make_table(*link, log_schema);
  line.proxy->cut({.side = Cut::Side::answers, .after = 0, .meanwhile = [&line] { line.restart(); }});
  const auto done = log.insert({{i64(1)}});
  REQUIRE_FALSE(done.has_value());
  CHECK(done.error().is_in_doubt);
  CHECK(done.error().words.find("another store") != std::string::npos);
}

TEST_CASE("where the token of a lost transaction cannot be taken away it is in doubt") {
  Line line;
  const auto link = line.connect();
  const Uuid device = create_device(*link, "d");
  Script script;
  Answers answers;
  // A store that is full of devices has no room for the one that tells whose commit has won.
  for (unsigned n = 1; n < limits::most_devices; ++n) {
    const Uuid other = make_uuid();
    script.add(Program().create_device("full/" + std::to_string(n), {}, {}, other).close_device(other));
  }
  REQUIRE_OK(link->run(script, answers));
  script = writing(device);
  REQUIRE_OK(link->run(script, answers));
  line.proxy->cut({});
  const auto done = link->run(script, answers);
  REQUIRE_FALSE(done.has_value());
  CHECK(done.error().is_in_doubt);
  CHECK(done.error().words.find("65536 devices") != std::string::npos);
}

TEST_CASE("what has taken a token away goes, also where the server has not heard that a connection is none any more") {
  Line line;
  const auto link = line.connect();
  const Uuid device = create_device(*link, "d");
  Script script = writing(device);
  Answers answers;
  REQUIRE_OK(link->run(script, answers));
  const auto undone = [&](Link& on) {
    Script question;
    Answers listed;
    question.add(Program().list_devices(":undone/", {}, 10));
    REQUIRE_OK(on.run(question, listed));
    return devices_of(listed[0]).size();
  };
  // The question, and the refusal behind it, whose answer does not come.
  const Program::Token token{};
  const std::string name = ":undone/" + std::string(2 * token.size(), '0');
  const Program both = Program().outcome_of_token(token).outcome_of_token(token).read_length(device);
  const Program refusal = Program().begin().create_device(name, {}, {}, device).commit_with_token(token);
  const auto is_refused = [&] {
    const auto other = line.connect_past_proxy();
    for (unsigned tries = 0; undone(*other) == 0 && tries < 100'000; ++tries) continue;
  };
  const Cut second{.after = both.bytes().size() + refusal.bytes().size(),
                   .rest = Cut::Rest::is_lost_unheard,
                   .meanwhile = is_refused};
  line.proxy->cut({.meanwhile = [&] { line.proxy->cut(second); }});
  const auto done = link->run(script, answers);
  REQUIRE_FALSE(done.has_value());
  CHECK_EQ(done.error().status, Status::conflict);
  CHECK_EQ(line.proxy->cuts(), 2);
  CHECK_EQ(undone(*link), 0);
}

TEST_CASE("what a committed transaction has read is not made up") {
  Line line;
  const auto link = line.connect();
  const Uuid device = create_device(*link, "d");
  for (const bool reads : {false, true}) {
    Script script;
    Answers answers;
    script.begin();
    script.write_bytes(device, 0, bytes_of("abc"));
    if (reads) script.read_bytes(device, 0, 3);
    script.commit();
    // So that there is a witness, whose answers would be cut else.
    REQUIRE_OK(link->run(script, answers));
    line.proxy->cut({.side = Cut::Side::answers, .after = 0});
    const auto done = link->run(script, answers);
    CHECK_EQ(done.has_value(), !reads);
    if (!done) CHECK(done.error().words.find("has been committed") != std::string::npos);
  }
}

TEST_CASE("a server that is shutting down is as one that has gone") {
  Line line;
  const auto link = line.connect();
  const Uuid device = create_device(*link, "d");
  const auto answers_of = [](std::size_t instructions) {
    std::vector<std::uint8_t> bytes;
    for (std::size_t i = 0; i < instructions; ++i) {
      for (const std::uint8_t byte :
           {static_cast<std::uint8_t>(Status::shutting_down), std::uint8_t{0}, std::uint8_t{0}}) {
        bytes.push_back(byte);
      }
    }
    return bytes;
  };
  Script script = writing(device);
  Answers answers;
  REQUIRE_OK(link->run(script, answers));
  line.proxy->cut({.last_words = answers_of(3)});
  const auto done = link->run(script, answers);
  REQUIRE_FALSE(done.has_value());
  CHECK_EQ(done.error().status, Status::conflict);
  CHECK_EQ(done.error().instruction, Failure::nowhere);
  script.clear();
  script.read_bytes(device, 0, 3);
  line.proxy->cut({.last_words = answers_of(1)});
  REQUIRE_OK(link->run(script, answers));
  CHECK_EQ(text_of(answers.bytes(0)), "abc");
  CHECK_EQ(line.proxy->cuts(), 2);
}

TEST_CASE("a server whose computer has gone is not waited for for hours, whichever connection it is") {
  const RunningServer server({.kind = io::LoopKind::posix, .listen = "tcp:127.0.0.1:0"});
  REQUIRE(server.is_running());
  auto link = links::RemoteLink::connect(to_string(server.address()));
  REQUIRE(link);
  // The only descriptor of ours whose other end is where the server listens.
  const auto connection = [&] {
    constexpr int most = 4096;
    for (int descriptor = 0; descriptor < most; ++descriptor) {
      sockaddr_in name{};
      socklen_t size = sizeof name;
      if (::getpeername(descriptor, reinterpret_cast<sockaddr*>(&name), &size) != 0) continue;
      if (name.sin_family == AF_INET && ntohs(name.sin_port) == server.address().port) return descriptor;
    }
    return -1;
  };
  Script script;
  Answers answers;
  script.add(Program().hello());
  for (int connections = 1; connections <= 2; ++connections) {
    CAPTURE(connections);
    REQUIRE_OK((*link)->run(script, answers));
    const int descriptor = connection();
    for (const auto& [option, wanted] : {std::pair{TCP_USER_TIMEOUT, 60'000}, std::pair{TCP_KEEPIDLE, 30}}) {
      int value = 0;
      socklen_t size = sizeof value;
      REQUIRE(::getsockopt(descriptor, IPPROTO_TCP, option, &value, &size) == 0);
      CHECK_EQ(value, wanted);
    }
    REQUIRE(::shutdown(descriptor, SHUT_RDWR) == 0);
  }
}

}  // namespace chimera::tables::testing
