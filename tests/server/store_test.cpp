// A server on a store in a file: sessions wait for blocks while more of their stream arrives.

#include <doctest/doctest.h>
#include <unistd.h>

#include <random>

#include "tests/server/running.h"

using namespace chimera;
using namespace chimera::server;
using namespace chimera::server::testing;

namespace {

constexpr std::uint64_t block_count = 4096;

std::uint8_t content(std::uint64_t block) { return static_cast<std::uint8_t>(block * 31 >> 2); }

}  // namespace

TEST_CASE("what was answered is there after a stop, and cold reads arrive in order whatever pieces they come in") {
  const io::testing::ScratchDirectory scratch(io::testing::scratch_parents()[0]);
  for (const io::LoopKind kind : {io::LoopKind::uring, io::LoopKind::posix}) {
    const std::string path = scratch.file(kind == io::LoopKind::uring ? "uring" : "posix");
    format_store(path);
    {
      RunningServer server({.kind = kind, .store_file = path});
      if (!server.is_running()) continue;
      Bytes program = create("d");
      for (std::uint64_t block = 0; block < block_count; ++block) {
        program += write_bytes(block * 4096, Bytes(4096, content(block)));
      }
      const Bytes got = run(server, program);
      REQUIRE(got.size() == created_size + block_count);
      server.ask_to_stop();
      CHECK(server.wait() == Status::ok);
    }
    RunningServer server({.kind = kind, .store_file = path});
    REQUIRE(server.is_running());
    std::mt19937 random(3);
    Client client = server.connect();
    Client other = server.connect();
    client.send(open("d"));
    CHECK(answers(client, created_size)[0] == 0);
    other.send(open("d"));
    CHECK(answers(other, created_size)[0] == 0);
    std::vector<std::uint64_t> asked;
    for (int round = 0; round < 60; ++round) {
      Bytes reads;
      for (int i = 0; i < 40; ++i) {
        asked.push_back(random() % block_count);
        reads += read_bytes(asked.back() * 4096 + 100, 5);
      }
      // In two pieces, the first of which ends inside an instruction, while the session waits for its blocks.
      const std::size_t cut = random() % reads.size();
      client.send(std::span(reads).first(cut));
      other.send(read_byte(7 * 4096));
      CHECK(answers(other, 2) == Bytes{0, content(7)});
      client.send(std::span(reads).subspan(cut));
    }
    for (const std::uint64_t block : asked) {
      const std::uint8_t value = content(block);
      REQUIRE(answers(client, 6) == Bytes{0, value, value, value, value, value});
    }
  }
}
