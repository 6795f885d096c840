// The stream of a session: pieces, ends, caps, too large and illegal instructions, parking, shutting down.

#include <array>

#include "isa/bytes.h"
#include "isa/encoder.h"
#include "isa/limits.h"
#include "tests/vm/conversation.h"
#include "tests/vm/reluctant.h"

namespace chimera::vm::testing {
namespace {

std::vector<std::uint8_t> run_all(Machine& machine, Session& session) {
  while (!session.idle()) machine.turn(io::Loop::forever);
  std::vector<std::uint8_t> answers(session.answers().begin(), session.answers().end());
  session.take_answers(answers.size());
  return answers;
}

/// Opcode, count and nothing of the payload.
std::vector<std::uint8_t> write_bytes_header(std::uint32_t count) {
  std::vector<std::uint8_t> stream{0x94};
  for (int i = 0; i < 4; ++i) stream.push_back(static_cast<std::uint8_t>(count >> (8 * i)));
  return stream;
}

TEST_CASE("a stream may arrive byte by byte") {
  Desk desk;
  const Uuid a = desk.create("a");
  const Program program = Program().write_bytes(a, 0, bytes("hello")).read_bytes(a, 1, 3).read_byte().read_columns();
  std::vector<std::uint8_t> answers;
  for (const std::uint8_t byte : program.bytes()) {
    desk.one.session().feed({&byte, 1});
    const auto more = run_all(desk.machine, desk.one.session());
    answers.insert(answers.end(), more.begin(), more.end());
  }
  const auto replies = replies_to(program.bytes(), answers);
  REQUIRE_EQ(replies.size(), 4);
  CHECK_EQ(replies[1].text(), "ell");
  CHECK_EQ(replies[2].text(), "o");
}

TEST_CASE("half an instruction at the end is dropped") {
  Desk desk;
  const Uuid a = desk.create("a");
  Program program;
  program.write_byte(a, 0, 'x').write_bytes(a, 0, bytes("never written"));
  Session& session = desk.one.session();
  session.feed(program.bytes().first(program.bytes().size() - 1));
  session.end_input();
  CHECK_EQ(run_all(desk.machine, session), std::vector<std::uint8_t>{0});
  CHECK(session.ended());
  CHECK(session.idle());
  CHECK_EQ(desk.two.ask(Program().read_length(a)).number(), 1);

  std::vector<std::uint8_t> answers;
  CHECK(desk.two.session().run(std::array<std::uint8_t, 3>{0x50, 1, 2}, answers));
  CHECK(answers.empty());
  CHECK_EQ(desk.two.ask(Program().read_length(a)).number(), 1);
}

TEST_CASE("an illegal instruction is answered and ends the stream") {
  Desk desk;
  desk.create("a");
  std::vector<std::uint8_t> answers;
  CHECK_FALSE(desk.one.session().run(std::array<std::uint8_t, 3>{0x54, 0x04, 0x54}, answers));
  REQUIRE_GT(answers.size(), 9 + 3);
  CHECK_EQ(answers[9], 1);
  CHECK_EQ(answers.size(), 9u + 3 + answers[10] + 256u * answers[11]);
  CHECK(desk.one.session().ended());
  desk.one.session().feed(std::array<std::uint8_t, 1>{0x54});
  CHECK(run_all(desk.machine, desk.one.session()).empty());
}

TEST_CASE("a payload that is too large is passed over, and answered when it has passed") {
  Desk desk;
  const Uuid a = desk.create("a");
  Session& session = desk.one.session();
  constexpr std::uint32_t count = limits::largest_transfer + 10;
  session.feed(write_bytes_header(count));
  const std::vector<std::uint8_t> piece(1 << 20, 0x54);
  std::uint32_t left = count;
  while (left > 10) {
    const auto size = std::min<std::uint32_t>(left - 10, 1 << 20);
    session.feed(std::span(piece).first(size));
    CHECK(run_all(desk.machine, session).empty());
    CHECK_LE(session.unread_input(), piece.size());
    left -= size;
  }
  session.feed(std::span(piece).first(11));  // its end, and a read length
  const auto answers = run_all(desk.machine, session);
  REQUIRE(!answers.empty());
  CHECK_EQ(answers[0], 14);
  CHECK_EQ(answers[answers.size() - 9], 0);
  CHECK_EQ(desk.two.ask(Program().read_length(a)).number(), 0);
  CHECK_EQ(desk.one.status(Program().read_byte()), Status::no_cursor);
}

TEST_CASE("behind columns that are too large the options are passed over as well") {
  Desk desk;
  desk.create("a");
  Session& session = desk.one.session();
  constexpr std::uint32_t count = limits::largest_transfer + 1;
  std::vector<std::uint8_t> create{0x72, 1, 0, 'b'};
  append_integer(create, count);
  create.resize(create.size() + count, 'c');
  session.feed(create);
  CHECK(run_all(desk.machine, session).empty());
  // The options' length, and options that would be instructions, byte by byte.
  for (const std::uint8_t byte : std::array<std::uint8_t, 4>{3, 0, 0x54, 0x54}) {
    session.feed(std::array{byte});
    CHECK(run_all(desk.machine, session).empty());
  }
  session.feed(std::array<std::uint8_t, 2>{0x54, 0x54});
  const auto answers = run_all(desk.machine, session);
  REQUIRE_GT(answers.size(), 3);
  CHECK_EQ(answers[0], 14);
  const std::size_t refusal = 3u + answers[1] + 256u * answers[2];
  // The create has left no current device, so the one read length behind it says 2.
  REQUIRE_GT(answers.size(), refusal);
  CHECK_EQ(answers[refusal], 2);
  CHECK_EQ(answers.size(), refusal + 3u + answers[refusal + 1]);
}

TEST_CASE("a payload of 1 GiB ends the stream at once") {
  Desk desk;
  desk.create("a");
  std::vector<std::uint8_t> answers;
  CHECK_FALSE(desk.one.session().run(write_bytes_header(1u << 30), answers));
  CHECK_EQ(answers.at(0), 14);
}

TEST_CASE("nothing runs while too many answers wait") {
  Desk desk;
  const Uuid a = desk.create("a");
  desk.one.ask(Program().write_length(a, 1 << 20));
  Session& session = desk.one.session();
  session.cap_answers(10'000);
  Program program;
  for (int i = 0; i < 100; ++i) program.read_block(a, 0);
  session.feed(program.bytes());
  std::size_t taken = 0;
  while (!session.idle()) desk.machine.turn(0);
  CHECK_GT(session.unread_input(), 90u * 25);
  while (!session.answers().empty()) {
    CHECK_LE(session.answers().size(), 10'000 + 4097);
    taken += session.answers().size();
    session.take_answers(session.answers().size());
    while (!session.idle()) desk.machine.turn(0);
  }
  CHECK_EQ(taken, 100u * 4097);
}

TEST_CASE("sessions take turns") {
  Desk desk;
  const Uuid a = desk.create("a");
  desk.one.ask(Program().write_length(a, 1 << 20));
  desk.two.ask(Program().open_device("a"));
  Program long_program;
  for (int i = 0; i < 100'000; ++i) long_program.read_byte(a, 0);
  desk.one.session().feed(long_program.bytes());
  desk.two.session().feed(Program().read_length().bytes());
  CHECK(desk.machine.run_ready());
  CHECK_FALSE(desk.one.session().idle());
  CHECK(desk.two.session().idle());
  CHECK_EQ(desk.two.session().answers().size(), 9);
}

TEST_CASE("the listener hears of answers and of the end") {
  struct Ear final : Session::Listener {
    void session_changed(Session& session) override {
      ++calls;
      taken += session.answers().size();
      session.take_answers(session.answers().size());
      if (session.ended()) gone->reset();  // as a server does
    }
    int calls = 0;
    std::size_t taken = 0;
    std::unique_ptr<Session>* gone = nullptr;
  };
  Desk desk;
  std::unique_ptr<Session> session = desk.machine.connect();
  Ear ear;
  ear.gone = &session;
  session->listen(&ear);
  session->feed(Program().hello().bytes());
  desk.machine.turn(0);
  CHECK_EQ(ear.calls, 1);
  CHECK_EQ(ear.taken, 32);
  session->feed(Program().hello().bytes());
  session->end_input();
  while (desk.machine.run_ready()) continue;
  CHECK_EQ(ear.taken, 64);
  CHECK_EQ(session, nullptr);
}

TEST_CASE("a machine that shuts down answers 19, but ends what it has begun") {
  auto owned = std::make_unique<ReluctantLoop>(5);
  ReluctantLoop& loop = *owned;
  devices::MemoryOptions options;
  options.make = [&loop](const Uuid& uuid, std::string name, devices::MemoryBudget& budget) {
    return std::make_unique<ReluctantDevice>(uuid, std::move(name), budget, loop);
  };
  Machine machine(loop, std::make_unique<devices::Store>(std::move(options)));
  Conversation one(machine);
  const Uuid a = one.ask(Program().create_device("a").append_bytes(implied, bytes("abc")).open_device("a")).uuid();
  const std::size_t before = loop.waits();
  const Program program = Program().check_byte(a, 0, 'a').read_length(a).flush_device(a);
  // Until it has been begun and waits.
  while (loop.waits() == before) {
    run_all(machine, one.session());
    one.session().feed(program.bytes());
    machine.run_ready();
  }
  machine.shut_down();
  const auto replies = replies_to(program.bytes(), run_all(machine, one.session()));
  REQUIRE_EQ(replies.size(), 3);
  CHECK_EQ(replies[0].status, Status::ok);
  CHECK_EQ(replies[1].status, Status::shutting_down);
  CHECK_EQ(replies[2].status, Status::ok);
}

TEST_CASE("deleting by force reaches a session that waits, and a session may go while it waits") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    ReluctantLoop loop(seed);
    devices::MemoryOptions options;
    options.make = [&loop](const Uuid& uuid, std::string name, devices::MemoryBudget& budget) {
      return std::make_unique<ReluctantDevice>(uuid, std::move(name), budget, loop);
    };
    Machine machine(loop, std::make_unique<devices::Store>(std::move(options)));
    Conversation one(machine);
    Conversation two(machine);
    const Uuid a = one.ask(Program().create_device("a").write_length(implied, 64 << 20).open_device("a")).uuid();
    // A digest keeps its progress from one run to the next.
    const Program digest = Program().read_digest(a, 0, 64 << 20).read_length(a);
    two.session().feed(digest.bytes());
    for (std::uint64_t turns = seed % 7; turns > 0; --turns) machine.turn(0);
    CHECK_EQ(one.status(Program().delete_device_by_force(a)), Status::ok);
    const auto replies = replies_to(digest.bytes(), run_all(machine, two.session()));
    REQUIRE_EQ(replies.size(), 2);
    CHECK_EQ(replies[1].status, Status::not_found);
    while (loop.step(0) > 0) continue;
  }
}

}  // namespace
}  // namespace chimera::vm::testing
