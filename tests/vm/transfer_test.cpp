// Large transfers take turns: what a session asks for, when it gives it back, and that nobody waits for ever.

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/vm/conversation.h"
#include "vm/byte_queue.h"
#include "vm/transfer_budget.h"

namespace chimera::vm::testing {
namespace {

using Claim = TransferBudget::Claim;
using Bytes = std::span<const std::uint8_t>;

constexpr std::size_t large = 500'000;

struct Ear final : TransferBudget::Waiter {
  void transfer_granted() override { ++told; }
  int told = 0;
};

/// A session that has to ask, on a device of its own.
struct Asking {
  Asking(Machine& machine, TransferBudget& budget, const std::string& name) : session(machine.connect()) {
    session->ask_before_transfers(budget);
    say(Program().create_device(name));
    while (machine.run_ready()) {
    }
    CHECK_EQ(take()[0], 0);
  }
  void say(const Program& program) const { session->feed(program.bytes()); }
  /// The first bytes of a large write, or all of the rest of it.
  void begin() const { session->feed(Bytes(write.bytes()).first(100)); }
  void end() const { session->feed(Bytes(write.bytes()).subspan(100)); }
  std::vector<std::uint8_t> take() const {
    const std::vector<std::uint8_t> answers(session->answers().begin(), session->answers().end());
    session->take_answers(answers.size());
    return answers;
  }

  Program write = Program().write_bytes(implied, 0, std::vector<std::uint8_t>(large, 7));
  std::unique_ptr<Session> session;
};

struct Rig {
  void run() {
    while (machine.run_ready()) {
    }
  }
  QuietLoop loop;
  Machine machine{loop, std::make_unique<devices::Store>()};
  TransferBudget budget{600'000};  // one large one
};

}  // namespace

TEST_CASE("who comes first is served first, and who asks for more than all gets all") {
  TransferBudget budget(10);
  Ear ear;
  Claim first;
  Claim large_one;
  Claim small_one;
  CHECK(first.ask(budget, 6, ear));
  CHECK(!large_one.ask(budget, 100, ear));
  CHECK(!small_one.ask(budget, 1, ear));  // it would fit, and would let the large one starve
  CHECK_EQ(budget.waiting(), 2);
  first.give_back();
  CHECK(large_one.is_held());
  CHECK(small_one.is_waiting());
  CHECK_EQ(budget.held_bytes(), 10);
  large_one.give_back();
  CHECK(small_one.is_held());
  CHECK_EQ(ear.told, 2);
  small_one.give_back();
  {
    Claim gone;
    CHECK(first.ask(budget, 10, ear));
    CHECK(!gone.ask(budget, 10, ear));
  }
  CHECK_EQ(budget.waiting(), 0);
  CHECK(!small_one.ask(budget, 10, ear));
  first.add(std::move(large_one));  // which is nothing
  budget.lift();
  CHECK(small_one.is_held());
}

TEST_CASE("a queue gives back what it does not need") {
  ByteQueue queue;
  queue.append(std::vector<std::uint8_t>(1 << 20, 1));
  queue.drop((1 << 20) - 3);
  queue.append(std::vector<std::uint8_t>{2});
  queue.fit();
  CHECK_EQ(queue.size(), 4);
  CHECK_EQ(queue.bytes()[3], 2);
  CHECK_LE(queue.room_size(), 64 << 10);
  queue.append(std::vector<std::uint8_t>(1 << 20, 1));
  queue.clear();
  CHECK_EQ(queue.room_size(), 0);
}

TEST_CASE("a large payload is asked for before it is received, and what is small is not asked for") {
  Rig rig;
  const Asking one(rig.machine, rig.budget, "one");
  const Asking two(rig.machine, rig.budget, "two");
  one.say(Program().read_length());
  one.begin();
  two.begin();
  rig.run();
  CHECK(one.session->idle());  // its client's turn
  CHECK_EQ(one.take().size(), 1 + sizeof(std::uint64_t));
  CHECK(one.session->holds_transfer());  // although what was answered before has been taken
  CHECK(!two.session->holds_transfer());
  CHECK(!two.session->idle());  // ours
  CHECK_EQ(rig.budget.waiting(), 1);
  const Asking three(rig.machine, rig.budget, "three");
  three.say(Program().write_bytes(implied, 0, std::vector<std::uint8_t>(200'000)).read_bytes(implied, 0, 200'000));
  rig.run();
  CHECK_EQ(three.take().size(), 1 + 1 + 200'000);
  one.end();
  rig.run();
  CHECK_EQ(one.take(), std::vector<std::uint8_t>{0});
  CHECK(!one.session->holds_transfer());
  CHECK(two.session->holds_transfer());
  two.end();
  rig.run();
  CHECK_EQ(two.take(), std::vector<std::uint8_t>{0});
  CHECK_EQ(rig.budget.held_bytes(), 0);
}

TEST_CASE("a large answer is asked for, and given back when it has been taken") {
  Rig rig;
  const Asking one(rig.machine, rig.budget, "one");
  const Asking two(rig.machine, rig.budget, "two");
  one.session->cap_answers(256 << 10);
  for (const Asking* asking : {&one, &two}) {
    asking->begin();
    asking->end();
    rig.run();
    CHECK_EQ(asking->take(), std::vector<std::uint8_t>{0});
  }
  one.say(Program().read_bytes(implied, 0, large));
  two.say(Program().read_bytes(implied, 0, large));
  rig.run();
  CHECK_EQ(one.session->answers().size(), 1 + large);
  CHECK(two.session->answers().empty());
  one.session->take_answers(1);
  rig.run();
  CHECK(two.session->answers().empty());
  one.session->take_answers(large - 1000);
  rig.run();
  CHECK_EQ(two.session->answers().size(), 1 + large);
  CHECK_EQ(one.take().size(), 1000);
}

TEST_CASE("who goes while it holds or waits leaves its place to others") {
  Rig rig;
  Asking one(rig.machine, rig.budget, "one");
  Asking two(rig.machine, rig.budget, "two");
  const Asking three(rig.machine, rig.budget, "three");
  for (const Asking* asking : std::initializer_list<const Asking*>{&one, &two, &three}) {
    asking->begin();
    rig.run();
  }
  CHECK_EQ(rig.budget.waiting(), 2);
  two.session.reset();
  one.session.reset();
  rig.run();
  CHECK(three.session->holds_transfer());
}

TEST_CASE("what has not begun when the machine shuts down waits for nobody") {
  Rig rig;
  const Asking one(rig.machine, rig.budget, "one");
  const Asking two(rig.machine, rig.budget, "two");
  one.begin();
  two.begin();
  two.end();
  rig.run();
  CHECK(two.session->answers().empty());
  rig.machine.shut_down();
  rig.budget.lift();
  rig.run();
  CHECK_EQ(two.take().at(0), static_cast<std::uint8_t>(Status::shutting_down));
}

/// The transaction has lost so often that nobody else runs; what it needs next is held by somebody who has to run.
TEST_CASE("a transaction that runs alone lets those run whom it waits for") {
  Rig rig;
  const Asking holder(rig.machine, rig.budget, "holder");
  const Asking writer(rig.machine, rig.budget, "writer");
  const Asking asking(rig.machine, rig.budget, "asking");
  const Asking other(rig.machine, rig.budget, "other");
  const Uuid watched = [&] {
    Conversation conversation(rig.machine);
    return conversation.ask(Program().create_device("watched", {}, "size=1M")).uuid();
  }();
  holder.begin();
  rig.run();
  Program transaction;
  transaction.begin().read_byte(watched, 0);
  asking.say(transaction);
  asking.say(Program().write_bytes(watched, 4096, std::vector<std::uint8_t>(large)).commit());
  for (std::uint8_t loss = 0; loss < 3; ++loss) {
    rig.run();
    REQUIRE(holder.session->holds_transfer());
    REQUIRE_EQ(rig.budget.waiting(), 1);
    writer.say(Program().write_byte(watched, 0, loss));
    if (loss == 2) other.begin();
    rig.run();
    holder.end();
    loss < 2 ? holder.begin() : other.end();
  }
  rig.run();
  CHECK_EQ(other.take(), std::vector<std::uint8_t>{0});
  CHECK_EQ(asking.take(), std::vector<std::uint8_t>{0, 0, 2, 0, 0});
  CHECK_EQ(holder.take(), std::vector<std::uint8_t>{0, 0, 0});
  CHECK_EQ(rig.budget.held_bytes(), 0);
}

}  // namespace chimera::vm::testing
