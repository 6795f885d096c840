// Transactions, one promise after another. Random programs against the model are in model_test.cpp.

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "devices/open.h"
#include "io/simulated_disk.h"
#include "isa/bytes.h"
#include "isa/limits.h"
#include "tests/vm/conversation.h"
#include "vm/recovery.h"

namespace chimera::vm::testing {
namespace {

std::vector<Status> statuses(const std::vector<Reply>& replies) {
  std::vector<Status> all;
  for (const Reply& reply : replies) all.push_back(reply.status);
  return all;
}

constexpr Status ok = Status::ok;
constexpr Program::Token token = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

/// A store on a simulated disk that can be closed and opened again, or lose its power.
class PoolDesk {
 public:
  explicit PoolDesk(std::uint64_t seed = 1) : loop(seed), disk(loop, 512ull << 20 >> 12) {
    REQUIRE(devices::format(loop, disk));
    open();
  }
  void open() {
    auto store = vm::open_store(loop, disk, {.cache_bytes = limits::smallest_cache});
    REQUIRE(store);
    machine = std::make_unique<Machine>(loop, std::move(*store));
  }
  void reopen() {
    machine.reset();
    open();
  }

  io::SimulatedLoop loop;
  io::SimulatedDisk disk;
  std::unique_ptr<Machine> machine;
};

TEST_CASE("nobody sees what a transaction does before its commit") {
  Desk desk;
  const Uuid a = desk.create("a");
  desk.one.ask(Program().write_bytes(a, 0, bytes("before")));
  desk.one.ask(Program().begin().write_bytes(a, 0, bytes("within")).write_metadata(a, 9, 7).write_columns(a, "x"));
  CHECK_EQ(desk.one.ask(Program().read_bytes(a, 0, 6)).text(), "within");
  CHECK_EQ(desk.two.ask(Program().read_bytes(a, 0, 6)).text(), "before");
  CHECK_EQ(desk.two.ask(Program().read_metadata(a, 9)).result[0], 0);
  CHECK_EQ(desk.one.status(Program().commit()), ok);
  CHECK_EQ(desk.two.ask(Program().read_bytes(a, 0, 6)).text(), "within");
  CHECK_EQ(desk.two.ask(Program().read_metadata(a, 9)).result[0], 7);
  CHECK_EQ(desk.two.ask(Program().read_columns(a)).text().substr(4), "x");
}

TEST_CASE("an error dooms a transaction, and the registers are as at its begin") {
  Desk desk;
  const Uuid a = desk.create("a");
  const Uuid b = desk.create("b");
  desk.one.ask(Program().write_bytes(a, 0, bytes("abc")));
  const auto replies = desk.one.ask_all(Program()
                                            .begin()
                                            .write_bytes(b, 0, bytes("xyz"))
                                            .check_bytes(a, 0, bytes("abd"))
                                            .write_bytes(b, 0, bytes("uvw"))
                                            .begin()
                                            .sync()
                                            .flush_device(a)
                                            .commit()
                                            .write_bytes(implied, implied, bytes("d")));
  CHECK_EQ(statuses(replies),
           std::vector<Status>{ok, ok, Status::mismatch, Status::aborted, Status::out_of_sequence,
                               Status::out_of_sequence, Status::out_of_sequence, Status::aborted, ok});
  CHECK_EQ(desk.one.ask(Program().read_bytes(a, 0, 4)).text(), "abcd");
  CHECK_EQ(desk.one.ask(Program().read_length(b)).number(), 0);
  CHECK_EQ(desk.one.status(Program().commit()), Status::out_of_sequence);
  CHECK_EQ(desk.one.status(Program().abort()), Status::out_of_sequence);
}

TEST_CASE("who has read what another has changed answers conflict at once") {
  Desk desk;
  const Uuid a = desk.create("a");
  desk.one.ask(Program().write_bytes(a, 0, bytes("0123456789")));
  const auto conflicts = [&](const Program& reads, const Program& changes) {
    desk.one.ask(Program().begin());
    REQUIRE_EQ(desk.one.ask(reads).status, ok);
    REQUIRE_EQ(desk.two.ask(changes).status, ok);
    const Status next = desk.one.status(Program().read_metadata(a, 1u << 20));
    const Status end = desk.one.status(Program().commit());
    CHECK_EQ(end, next == ok ? ok : Status::aborted);
    return next == Status::conflict;
  };
  CHECK(conflicts(Program().read_bytes(a, 2, 3), Program().write_byte(a, 4, 1)));
  CHECK(!conflicts(Program().read_bytes(a, 2, 3), Program().write_byte(a, 5, 1)));
  CHECK(!conflicts(Program().write_bytes(a, 2, bytes("abc")), Program().write_byte(a, 4, 1)));
  CHECK(!conflicts(Program().write_bytes(a, 2, bytes("abc")).read_bytes(a, 2, 3), Program().write_byte(a, 4, 1)));
  CHECK(conflicts(Program().read_length(a), Program().append_bytes(a, bytes("x"))));
  CHECK(!conflicts(Program().read_byte(a, 0), Program().append_bytes(a, bytes("x"))));
  CHECK(conflicts(Program().append_bytes(a, bytes("y")), Program().append_bytes(a, bytes("x"))));
  CHECK(conflicts(Program().read_byte(a, 8), Program().write_length(a, 8)));
  CHECK(conflicts(Program().read_metadata(a, 5), Program().clear_metadata(a, 0, 100)));
  CHECK(conflicts(Program().read_columns(a), Program().write_columns(a, "c")));
  CHECK(conflicts(Program().read_digest(a, 0, 8), Program().swap_byte(a, 7, 2)));
  CHECK(conflicts(Program().read_extents(a, 0, 8), Program().clear_extents(a, 0, 4096)));
  CHECK(conflicts(Program().list_devices("", "", 10), Program().create_device("b")));
  CHECK(!conflicts(Program().open_device("a"), Program().create_device("c")));
  CHECK(conflicts(Program().open_device("a"), Program().rename_device(a, "z")));
  CHECK(conflicts(Program().clone_device(a, "clone"), Program().write_byte(a, 0, 9)));
}

TEST_CASE("so does who has asked what became of a token of which something else is told now") {
  Desk desk;
  const Uuid a = desk.create("a");
  const Program::Token other = {9};
  const auto conflicts = [&](const Program& asks, const Program& commits, Status expected) {
    REQUIRE_EQ(desk.one.status(asks), ok);
    REQUIRE_EQ(desk.two.ask_all(commits).back().status, expected);
    const Status next = desk.one.status(Program().write_byte(a, 5, 1));
    const Status end = desk.one.status(Program().commit());
    CHECK_EQ(end, next == ok ? ok : Status::aborted);
    return next == Status::conflict;
  };
  const Program asks = Program().begin().outcome_of_token(token);
  CHECK(!conflicts(asks, Program().begin().write_byte(a, 0, 1).commit_with_token(other), ok));
  // A commit that fails is an outcome too; one that fails again is none that is new.
  const Program fails = Program().begin().read_byte(a, 99).commit_with_token(token);
  CHECK(conflicts(asks, fails, Status::aborted));
  CHECK(!conflicts(asks, fails, Status::aborted));
  CHECK(conflicts(asks, Program().begin().write_byte(a, 0, 1).commit_with_token(token), ok));
  CHECK(!conflicts(asks, Program().begin().write_byte(a, 0, 2).commit_with_token(token), ok));
  // More than are noted one by one.
  Program much = Program().begin();
  for (std::uint16_t n = 0; n < 5000; ++n) {
    much.outcome_of_token({7, static_cast<std::uint8_t>(n), static_cast<std::uint8_t>(n >> 8)});
  }
  CHECK(conflicts(much, Program().begin().write_byte(a, 0, 1).commit_with_token({7, 0x87, 0x13}), ok));
  // One's own commit is nobody else's.
  const Program own = Program().begin().outcome_of_token({8}).write_byte(a, 0, 3).commit_with_token({8});
  CHECK_EQ(desk.one.status(own), ok);
}

TEST_CASE("devices are made, changed and ended within a transaction") {
  Desk desk;
  const Uuid a = desk.create("a");
  const Uuid b = desk.create("b");
  desk.two.ask(Program().write_bytes(a, 0, bytes("content of a")).close_device(a));
  const Uuid made = desk.one
                        .ask(Program()
                                 .begin()
                                 .clone_device(a, "clone")
                                 .write_bytes(a, 0, bytes("CONTENT"))
                                 .rename_device(a, "x")
                                 .rename_device(b, "a")
                                 .rename_device(a, "b")
                                 .create_device("new"))
                        .uuid();
  CHECK_EQ(desk.one.ask(Program().append_bytes(made, bytes("new")).open_device("a")).uuid(), b);
  CHECK_EQ(desk.two.status(Program().open_device("new")), Status::not_found);
  CHECK_EQ(desk.one.status(Program().commit()), ok);
  CHECK_EQ(desk.two.ask(Program().open_device("b")).uuid(), a);
  CHECK_EQ(desk.two.ask(Program().read_bytes(a, 0, 12)).text(), "CONTENT of a");
  CHECK_EQ(desk.two.ask(Program().open_device("clone").read_bytes(implied, 0, 12)).text(), "content of a");
  CHECK_EQ(desk.two.ask(Program().open_device("new").read_bytes(implied, 0, 3)).text(), "new");
  // The session's own handle is that of the device now.
  CHECK_EQ(desk.one.ask(Program().select_device(made).read_bytes(implied, 0, 3)).text(), "new");

  desk.two.ask(Program().close_device(a).close_device(made));
  const Uuid clone = desk.one.ask(Program().open_device("clone")).uuid();
  desk.two.ask(Program().open_device("clone").close_device());
  CHECK_EQ(desk.one.status(
               Program().begin().roll_back_device(a, clone).delete_device(clone).create_device("clone", {}, {}, clone)),
           ok);
  CHECK_EQ(desk.one.ask(Program().read_bytes(a, 0, 12)).text(), "content of a");
  CHECK_EQ(desk.one.status(Program().commit()), ok);
  CHECK_EQ(desk.one.ask(Program().read_bytes(a, 0, 12)).text(), "content of a");
  CHECK_EQ(desk.one.ask(Program().read_length(clone)).number(), 0);
}

TEST_CASE("a session that ends within a transaction aborts it") {
  Desk desk;
  const Uuid a = desk.create("a");
  {
    Conversation three(desk.machine);
    three.ask(Program().begin().write_bytes(a, 0, bytes("gone")).create_device("gone"));
  }
  CHECK_EQ(desk.one.ask(Program().read_length(a)).number(), 0);
  CHECK_EQ(desk.one.status(Program().open_device("gone")), Status::not_found);
}

TEST_CASE("a transaction that is too large says so, and nothing of it happens") {
  Desk desk;
  const Uuid a = desk.create("a");
  const std::vector<std::uint8_t> much(limits::largest_transfer, 1);
  const auto replies = desk.one.ask_all(Program().begin().write_bytes(a, 0, much).write_bytes(a, much.size(), much));
  CHECK_EQ(statuses(replies), std::vector<Status>{ok, ok, Status::too_large});
  CHECK_EQ(desk.one.status(Program().commit()), Status::aborted);
  CHECK_EQ(desk.one.ask(Program().read_length(a)).number(), 0);
}

TEST_CASE("blocks that a transaction writes whole are not in the journal, and do not make it too large") {
  PoolDesk desk;
  Conversation one(*desk.machine);
  const std::vector<std::uint8_t> block(limits::block_size, 1);
  const auto commit_at = [&](std::uint64_t first) {
    const Uuid device = one.ask(Program().create_device(std::to_string(first))).uuid();
    Program program;
    program.begin();
    for (std::uint64_t n = 0; n < 1080; ++n) program.write_bytes(device, first + n * 2 * limits::block_size, block);
    return statuses(one.ask_all(program.commit())).back();
  };
  CHECK_EQ(commit_at(0), ok);
  CHECK_EQ(commit_at(1), Status::too_large);
}

TEST_CASE("a transaction that loses before any of its answers has left is run again, unseen") {
  PoolDesk desk(7);
  std::vector<std::unique_ptr<Session>> sessions;
  Conversation(*desk.machine).ask(Program().create_device("log"));
  Program program;
  for (int n = 0; n < 20; ++n) {
    program.begin().open_device("log").append_bytes(implied, bytes("ab")).append_bytes(implied, bytes("cd")).commit();
  }
  for (int n = 0; n < 8; ++n) {
    sessions.push_back(desk.machine->connect());
    sessions.back()->feed(program.bytes());
  }
  for (auto& session : sessions) {
    while (!session->idle()) desk.machine->turn(io::Loop::forever);
    for (const Reply& reply : replies_to(program.bytes(), session->answers())) CHECK_EQ(reply.status, ok);
  }
  Conversation reader(*desk.machine);
  const std::string all = reader.ask(Program().open_device("log").read_bytes(implied, 0, 8 * 20 * 4)).text();
  for (std::size_t at = 0; at < all.size(); at += 4) CHECK_EQ(all.substr(at, 4), "abcd");
}

TEST_CASE("the outcome of a token is known across a restart, and its program does not run twice") {
  PoolDesk desk;
  {
    Conversation one(*desk.machine);
    const Uuid a = one.ask(Program().create_device("a")).uuid();
    CHECK_EQ(one.ask(Program().outcome_of_token(token)).result[0], 0);
    CHECK_EQ(one.status(Program().begin().append_bytes(a, bytes("once")).commit_with_token(token)), ok);
    CHECK_EQ(one.ask(Program().outcome_of_token(token)).result[0], 1);
    CHECK_EQ(one.status(Program().begin().append_bytes(a, bytes("once")).commit_with_token(token)), ok);
    CHECK_EQ(one.ask(Program().read_length(a)).number(), 4);
    Program::Token other = token;
    other[0] = 99;
    one.ask_all(Program().begin().read_byte(a, 99).commit_with_token(other));
    CHECK_EQ(one.ask(Program().outcome_of_token(other)).result[0], 2);
  }
  for (int restarts = 0; restarts < 3; ++restarts) {
    if (restarts == 2) CHECK_EQ(desk.machine->sync(), ok);
    desk.reopen();
    Conversation two(*desk.machine);
    CHECK_EQ(two.ask(Program().outcome_of_token(token)).result[0], 1);
    const Uuid a = two.ask(Program().open_device("a")).uuid();
    CHECK_EQ(two.status(Program().begin().append_bytes(a, bytes("once")).commit_with_token(token)), ok);
    CHECK_EQ(two.ask(Program().read_length(a)).number(), 4);
    CHECK_EQ(two.ask(Program().list_devices("", "", 10)).result[0], 1);
  }
}

TEST_CASE("a journal repeats what a transaction has done to protected devices") {
  PoolDesk desk;
  Uuid a{};
  Uuid b{};
  {
    Conversation one(*desk.machine);
    a = one.ask(Program().create_device("a")).uuid();
    one.ask(Program().write_bytes(a, 0, bytes("old")));
    b = one.ask(Program().clone_device(a, "b")).uuid();
    const Uuid gone = one.ask(Program().create_device("gone")).uuid();
    one.ask(Program().write_bytes(a, 0, bytes("new")).protect_device(a, true).protect_device(gone, true).sync());
    CHECK_EQ(one.status(Program().begin().protect_device(gone, false).delete_device(gone).commit()), ok);
    CHECK_EQ(one.status(Program().begin().protect_device(a, false).roll_back_device(a, b).protect_device(a, true)), ok);
    CHECK_EQ(one.status(Program().append_bytes(b, bytes("er")).commit()), ok);
  }
  desk.reopen();
  Conversation two(*desk.machine);
  CHECK_EQ(two.ask(Program().read_bytes(a, 0, 3)).text(), "old");
  CHECK_EQ(two.ask(Program().read_bytes(b, 0, 5)).text(), "older");
  CHECK_EQ(two.status(Program().write_byte(a, 0, 1)), Status::read_only);
  CHECK_EQ(two.status(Program().open_device("gone")), Status::not_found);
}

TEST_CASE("a transaction that needs more than the cache can give fails alone") {
  PoolDesk desk;
  Conversation one(*desk.machine);
  const Uuid a = one.ask(Program().create_device("a")).uuid();
  Program program;
  program.begin();
  for (std::uint64_t n = 0; n < 4000; ++n) program.write_metadata(a, (std::uint64_t{1} << 60) + (n << 20), 1);
  const auto replies = one.ask_all(program);
  CHECK_EQ(replies.back().status, Status::aborted);
  CHECK_EQ(one.status(Program().commit()), Status::aborted);
  CHECK_EQ(one.status(Program().write_metadata(a, 0, 1)), ok);
}

TEST_CASE("a commit whose flush fails is not run again") {
  PoolDesk desk;
  Conversation one(*desk.machine);
  const Uuid a = one.ask(Program().create_device("a")).uuid();
  CHECK_EQ(one.status(Program().sync()), ok);
  desk.disk.inject({.kind = io::DiskRequest::Kind::write, .nth = 1, .from_then_on = true});
  CHECK_EQ(one.status(Program().begin().append_bytes(a, bytes("x")).commit_with_token(token)), Status::io_error);
  CHECK_EQ(one.status(Program().outcome_of_token(token)), Status::io_error);
  CHECK_EQ(one.ask(Program().read_length(a)).number(), 1);
}

/// One of many sessions that move sums between accounts, each account in a block of its own, and now and then add all
/// of them up. It reads first and writes what follows from that, so others come between.
class Teller {
 public:
  static constexpr std::uint64_t accounts = 6;
  static constexpr std::uint64_t sum = accounts * 100;

  Teller(Machine& machine, const Uuid& device, std::uint64_t seed)
      : random_(seed), device_(device), session_(machine.connect()) {}

  void go_on() {
    if (!session_->idle()) return;
    if (program_.bytes().empty()) return read();
    const std::vector<Reply> replies = replies_to(program_.bytes(), session_->answers());
    session_->take_answers(session_->answers().size());
    const bool reading = std::exchange(reading_, false);
    const Status last = replies.back().status;
    if (last != Status::ok) {
      // Whoever has lost ends it and begins again.
      const bool may_be = last == Status::conflict || last == Status::aborted;
      CHECK(may_be);
      ++losses;
      return reading ? ask(Program().abort()) : read();
    }
    if (!reading) return ++ended, read();
    std::uint64_t found = 0;
    for (std::size_t n = 1; n < replies.size(); ++n) found += replies[n].number();
    // Even before the commit: no transaction ever sees a mixture.
    CHECK_EQ(found, sum);
    const std::uint64_t from = random_.below(accounts);
    const std::uint64_t to = (from + 1 + random_.below(accounts - 1)) % accounts;
    const std::uint64_t held = replies[1 + from].number();
    const std::uint64_t moved = held == 0 ? 0 : 1 + random_.below(held);
    ask(Program()
            .write_bytes(device_, from * 4096, in_bytes(held - moved))
            .write_bytes(device_, to * 4096, in_bytes(replies[1 + to].number() + moved))
            .commit());
  }

  static std::vector<std::uint8_t> in_bytes(std::uint64_t number) {
    std::vector<std::uint8_t> bytes;
    append_integer(bytes, number);
    return bytes;
  }

  std::size_t ended = 0;
  std::size_t losses = 0;

 private:
  void read() {
    Program program;
    program.begin();
    for (std::uint64_t n = 0; n < accounts; ++n) program.read_bytes(device_, n * 4096, 8);
    ask(std::move(program));
    reading_ = true;
  }
  void ask(Program program) {
    program_ = std::move(program);
    session_->feed(program_.bytes());
  }

  io::SeededRandom random_;
  Uuid device_;
  std::unique_ptr<Session> session_;
  Program program_;
  bool reading_ = false;
};

TEST_CASE("sums that many move at the same time stay the same") {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    PoolDesk desk(seed);
    Uuid device{};
    {
      Conversation one(*desk.machine);
      device = one.ask(Program().create_device("accounts")).uuid();
      for (std::uint64_t n = 0; n < Teller::accounts; ++n) {
        one.ask(Program().write_bytes(device, n * 4096, Teller::in_bytes(100)));
      }
      one.ask(Program().sync());
    }
    desk.reopen();  // with nothing in the cache
    std::vector<Teller> tellers;
    for (std::uint64_t n = 0; n < 8; ++n) tellers.emplace_back(*desk.machine, device, seed * 100 + n);
    io::SeededRandom random(seed);
    for (int turn = 0; turn < 4000; ++turn) {
      tellers[random.below(tellers.size())].go_on();
      if (random.chance(50)) desk.machine->turn(0);
    }
    std::size_t ended = 0;
    std::size_t losses = 0;
    for (const Teller& teller : tellers) {
      ended += teller.ended;
      losses += teller.losses;
    }
    CHECK_GT(ended, 50);
    CHECK_GT(losses, 50);
  }
}

}  // namespace
}  // namespace chimera::vm::testing
