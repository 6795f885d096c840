// What all sessions of a machine share, and what happens to the one that finds nothing left of it.

#include <fmt/format.h>

#include "isa/limits.h"
#include "tests/vm/conversation.h"

namespace chimera::vm::testing {
namespace {

using Conversations = std::vector<std::unique_ptr<Conversation>>;

constexpr Status ok = Status::ok;

/// How many of the replies are ok, which are the first ones; the others say that there are too many.
std::size_t opened(const std::vector<Reply>& replies) {
  std::size_t count = 0;
  while (count < replies.size() && replies[count].status == ok) ++count;
  for (std::size_t n = count; n < replies.size(); ++n) CHECK_EQ(replies[n].status, Status::too_many_open);
  return count;
}

TEST_CASE("all sessions together open so many devices beside those that each may, and no more") {
  constexpr std::size_t in_common = limits::most_open_devices - Machine::freely_open_handles;  // of a full session
  constexpr std::size_t full_sessions = Machine::most_open_handles / in_common;
  Desk desk;
  Program opens;
  {
    Conversation maker(desk.machine);
    Program program;
    for (std::size_t n = 0; n < limits::most_open_devices; ++n) program.create_device(fmt::format("d{}", n));
    for (const Reply& reply : maker.ask_all(program)) opens.read_length(reply.uuid());
  }
  Conversations sessions;
  for (std::size_t n = 0; n < full_sessions; ++n) {
    sessions.push_back(std::make_unique<Conversation>(desk.machine));
    REQUIRE_EQ(opened(sessions.back()->ask_all(opens)), limits::most_open_devices);
  }
  // What is left of the common ones, and its own.
  Conversation last(desk.machine);
  const std::size_t left = Machine::most_open_handles - full_sessions * in_common;
  CHECK_EQ(opened(last.ask_all(opens)), left + Machine::freely_open_handles);
  // Nothing is left, and a few devices everybody has.
  Conversation late(desk.machine);
  CHECK_EQ(opened(late.ask_all(opens)), Machine::freely_open_handles);
  // A session that goes gives its part back.
  sessions.pop_back();
  CHECK_EQ(opened(late.ask_all(opens)), limits::most_open_devices);
}

constexpr std::size_t piece = 64 << 10;  // more than this a session does not take at a turn

/// A transaction that comes in one go loses what it has read when six pieces of it have run; how its commit is
/// answered, and what it has read in the end.
std::pair<Status, std::uint8_t> lose_once(Desk& desk, const Uuid& read, const Uuid& written) {
  desk.two.ask(Program().write_byte(read, 0, 1));
  Program program;
  program.begin().read_byte(read, 0);
  for (int n = 0; n < 8; ++n) program.write_bytes(written, 0, std::vector<std::uint8_t>(piece, 7));
  program.commit();
  Conversation loser(desk.machine);
  loser.session().feed(program.bytes());
  for (int turn = 0; turn < 6; ++turn) desk.machine.run_ready();
  REQUIRE(!loser.session().idle());
  desk.two.session().feed(Program().write_byte(read, 0, 2).bytes());
  while (!loser.session().idle()) desk.machine.run_ready();
  desk.two.session().take_answers(desk.two.session().answers().size());
  const std::vector<Reply> replies = replies_to(program.bytes(), loser.session().answers());
  REQUIRE_EQ(replies.size(), 11);
  return {replies.back().status, replies[1].result.at(0)};
}

TEST_CASE("so much input is kept for transactions to be run again, and who finds no room is told the conflict") {
  Desk desk;
  const Uuid read = desk.create("read");
  const Uuid written = desk.create("written");
  const std::pair<Status, std::uint8_t> runs_again{ok, 2};
  CHECK((lose_once(desk, read, written) == runs_again));
  // Each of these keeps what has run, nearly a MiB, the most that one keeps, and waits for memory for what comes next.
  TransferBudget budget(1);
  class Nobody final : public TransferBudget::Waiter {
    void transfer_granted() override {}
  } nobody;
  TransferBudget::Claim all;
  REQUIRE(all.ask(budget, 1, nobody));
  Program keeps;
  keeps.begin();
  for (int n = 0; n < 15; ++n) keeps.write_bytes(written, 1 << 20, std::vector<std::uint8_t>(piece, 8));
  keeps.write_bytes(written, 1 << 20, std::vector<std::uint8_t>(TransferBudget::free_bytes + 1));
  Conversations keepers;
  for (std::size_t n = 0; n < Machine::most_kept_bytes / (15 * piece); ++n) {
    keepers.push_back(std::make_unique<Conversation>(desk.machine));
    keepers.back()->session().ask_before_transfers(budget);
    keepers.back()->session().feed(keeps.bytes());
    while (desk.machine.has_ready()) desk.machine.run_ready();
  }
  CHECK_EQ(lose_once(desk, read, written).first, Status::aborted);
  // One that goes gives its room back.
  keepers.pop_back();
  CHECK((lose_once(desk, read, written) == runs_again));
  keepers.clear();
}

}  // namespace
}  // namespace chimera::vm::testing
