// A conversation without a socket: what it takes and when, whoever asks it at whatever moment.

#include "nbd/conversation.h"

#include <doctest/doctest.h>

#include <memory>

#include "devices/store.h"
#include "io/simulated_loop.h"
#include "isa/builder.h"
#include "isa/limits.h"
#include "tests/nbd/client_bytes.h"

using namespace chimera;
using namespace chimera::nbd;
using namespace chimera::nbd::testing;

namespace {

constexpr std::size_t greeting_size = 18;
constexpr std::size_t option_reply_size = 20;
constexpr std::size_t info_size = 12;

struct Rig {
  Rig() {
    Program program;
    program.create_device("disk", "", "size=100M");
    std::vector<std::uint8_t> answers;
    machine.connect()->run(program.bytes(), answers);
    REQUIRE(answers.at(0) == 0);
    conversation =
        std::make_unique<Conversation>(machine, options, transfers, statistics, [this] { is_changed = true; });
    say(client_flags());
    drop_output(greeting_size);
  }

  /// How much of it is taken.
  std::size_t say(const Bytes& bytes) { return conversation->take(bytes); }
  void run() {
    while (machine.run_ready()) {
    }
  }
  void drop_output(std::size_t size) {
    REQUIRE(conversation->output().size() == size);
    conversation->sent(size);
  }
  /// Until nothing is under way.
  void settle() {
    do {
      is_changed = false;
      run();
      conversation->proceed();
    } while (is_changed || machine.has_ready());
  }
  void go() {
    say(option_on(Option::go, "disk"));
    settle();
    REQUIRE(!conversation->is_negotiating());
    drop_output(2 * option_reply_size + info_size);
  }

  io::SimulatedLoop loop{1};
  vm::Machine machine{loop, std::make_unique<devices::Store>()};
  Options options;
  vm::TransferBudget transfers{limits::smallest_transfer_memory};
  Statistics statistics;
  bool is_changed = false;
  std::unique_ptr<Conversation> conversation;
};

Bytes many(std::size_t count, const Bytes& each) {
  Bytes bytes;
  for (std::size_t n = 0; n < count; ++n) bytes = std::move(bytes) + each;
  return bytes;
}

}  // namespace

TEST_CASE("asked how it stands before the machine has answered, it waits on") {
  for (const Bytes& question : {option_on(Option::go, "disk"), option_on(Option::info, ""), option(Option::list),
                                option_on(Option::info, "00000000-0000-0000-0000-000000000000")}) {
    Rig rig;
    CHECK(rig.say(question) == question.size());
    for (int n = 0; n < 3; ++n) rig.conversation->proceed();
    CHECK(!rig.conversation->is_waiting_for_client());
    CHECK(rig.conversation->output().empty());
    rig.settle();
    CHECK(rig.conversation->is_waiting_for_client());
    CHECK(rig.conversation->output().size() >= option_reply_size);
  }
}

TEST_CASE("nothing is taken while the machine is asked about an option") {
  Rig rig;
  const Bytes one = option_on(Option::info, "disk");
  CHECK(rig.say(one + one) == one.size());
  CHECK(!rig.conversation->takes_input());
  CHECK(rig.say(one) == 0);
  rig.settle();
  CHECK(rig.say(one) == one.size());
}

TEST_CASE("a handshake that is over takes nothing more, whether its end has been sent or not") {
  Rig rig;
  rig.say(option(Option::abort));
  CHECK(rig.conversation->has_ended());
  CHECK_FALSE(rig.conversation->takes_input());
  CHECK(rig.say(option(Option::list)) == 0);
}

TEST_CASE("so many requests and no more are under way, and then the rest") {
  Rig rig;
  rig.go();
  const Bytes flushes = many(Transmission::most_requests + 72, request(Command::flush, 0, 0));
  const std::size_t taken = rig.say(flushes);
  CHECK(taken == Transmission::most_requests * request_size);
  CHECK(!rig.conversation->takes_input());
  rig.settle();
  CHECK(rig.say(Bytes(flushes.begin() + static_cast<std::ptrdiff_t>(taken), flushes.end())) == 72 * request_size);
  rig.settle();
  CHECK(rig.conversation->output().size() == (Transmission::most_requests + 72) * 16);
  CHECK(rig.conversation->is_idle());
}

TEST_CASE("what has to wait for nothing is replied to when it has come, without a turn of the machine") {
  Rig rig;
  rig.go();
  const Bytes bytes = request(Command::write, 100, 3, 7) + Bytes{1, 2, 3} + request(Command::read, 101, 2, 8);
  CHECK(rig.say(bytes) == bytes.size());
  CHECK(rig.conversation->is_idle());
  const auto output = rig.conversation->output();
  REQUIRE(output.size() == simple_reply_size + simple_reply_size + 2);
  CHECK(load_big<std::uint64_t>(output.data() + 8) == 7);
  CHECK(load_big<std::uint64_t>(output.data() + simple_reply_size + 8) == 8);
  CHECK(Bytes(output.begin() + 2 * simple_reply_size, output.end()) == Bytes{2, 3});
}

TEST_CASE("nothing is taken while replies are worth sending") {
  Rig rig;
  rig.go();
  constexpr std::size_t block = 4096;
  const Bytes reads = many(100, request(Command::read, 0, block));
  const std::size_t taken = rig.say(reads);
  CHECK(taken == Transmission::worthwhile / block * request_size);
  CHECK(!rig.conversation->takes_input());
  rig.drop_output(taken / request_size * (simple_reply_size + block));
  CHECK(rig.conversation->takes_input());
  const Bytes writes = many(100, request(Command::write, 0, block) + Bytes(block));
  CHECK(rig.say(writes) == Transmission::worthwhile / block * (request_size + block));
  CHECK(!rig.conversation->takes_input());
  CHECK(rig.conversation->is_worth_sending());
  rig.drop_output(Transmission::worthwhile / block * simple_reply_size);
  CHECK(rig.conversation->takes_input());
}

TEST_CASE("a long answer leaves in any pieces, and what has ended meanwhile behind it") {
  Rig rig;
  rig.go();
  constexpr std::size_t size = 3 << 20;
  Bytes payload(size);
  for (std::size_t n = 0; n < size; ++n) payload[n] = static_cast<std::uint8_t>(n * n >> 7);
  rig.say(request(Command::write, 5, size) + payload);
  rig.settle();
  rig.drop_output(simple_reply_size);
  rig.say(request(Command::read, 5, size, 1) + request(Command::read, 5, size, 2) + request(Command::flush, 0, 0, 3));
  rig.settle();
  Bytes output;
  for (std::size_t piece = 1; !rig.conversation->output().empty(); piece = piece * 3 % 100'003) {
    const auto all = rig.conversation->output();
    const auto part = all.first(std::min(piece, all.size()));
    output.insert(output.end(), part.begin(), part.end());
    rig.conversation->sent(part.size());
  }
  CHECK(rig.conversation->is_idle());
  REQUIRE(output.size() == 3 * simple_reply_size + 2 * size);
  for (const std::size_t at : {std::size_t{0}, simple_reply_size + size}) {
    const auto data = output.begin() + static_cast<std::ptrdiff_t>(at + simple_reply_size);
    CHECK(Bytes(data, data + size) == payload);
  }
  CHECK(load_big<std::uint64_t>(output.data() + output.size() - 8) == 3);
}

TEST_CASE("so many bytes are under way, whatever moves them") {
  struct Case {
    Command command;
    std::uint16_t flags;
    std::uint64_t length;
    std::size_t taken;
  };
  constexpr std::uint64_t most = Transmission::most_bytes;
  for (const auto& [command, flags, length, taken] :
       {Case{Command::read, 0, limits::largest_transfer, most / limits::largest_transfer},
        Case{Command::cache, 0, 100 << 20, most / step_bytes},
        Case{Command::write_zeroes, command_flags::no_hole, 100 << 20, most / step_bytes},
        Case{Command::trim, 0, 100 << 20, 100}}) {
    CAPTURE(static_cast<int>(command));
    Rig rig;
    rig.go();
    CHECK(rig.say(many(100, request(command, 0, length, 0, flags))) == taken * request_size);
  }
}

TEST_CASE("a conversation may go at any moment, with all that is under way") {
  for (int turns = 0; turns < 8; ++turns) {
    Rig rig;
    rig.go();
    Bytes bytes = request(Command::write_zeroes, 0, 8 << 20, 1, command_flags::no_hole | command_flags::fua);
    bytes = bytes + request(Command::read, 0, 2 << 20) + request(Command::flush, 0, 0);
    bytes = bytes + request(Command::write, 0, 2 << 20, 2, command_flags::fua) + Bytes(500);
    CHECK(rig.say(bytes) == bytes.size());
    for (int n = 0; n < turns; ++n) {
      rig.machine.run_ready();
      rig.conversation->proceed();
    }
    rig.conversation.reset();
    rig.run();
    Program program;
    program.open_device("disk").delete_device();
    std::vector<std::uint8_t> answers;
    rig.machine.connect()->run(program.bytes(), answers);
    CHECK(answers.back() == 0);
  }
}

TEST_CASE("a payload may come in any pieces, and the machine run between them") {
  Rig rig;
  rig.go();
  const Bytes payload(5000, 7);
  const Bytes write = request(Command::write, 3, payload.size()) + payload;
  Bytes rest;
  for (const std::uint8_t byte : write) {
    rest.push_back(byte);
    rest.erase(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(rig.say(rest)));
    rig.settle();
  }
  rig.drop_output(16);
  rig.say(request(Command::read, 3, payload.size()));
  rig.settle();
  const auto output = rig.conversation->output();
  CHECK(Bytes(output.begin() + 16, output.end()) == payload);
}

TEST_CASE("a machine that stops is told as such, in the handshake and to requests") {
  Rig asking;
  asking.machine.shut_down();
  std::size_t said = 0;
  for (const Bytes& question : {option_on(Option::info, "disk"), option_on(Option::info, ""), option(Option::list)}) {
    asking.say(question);
    asking.settle();
    const auto output = asking.conversation->output().subspan(said);
    CHECK(load_big<std::uint32_t>(output.data() + 12) == static_cast<std::uint32_t>(OptionReply::shutdown));
    said += output.size();
  }
  Rig attached;
  attached.go();
  attached.machine.shut_down();
  for (const Bytes& bytes : {request(Command::read, 0, 1), request(Command::write, 0, 1) + Bytes(1),
                             request(Command::write, 0, 1, 0, command_flags::fua) + Bytes(1),
                             request(Command::write_zeroes, 0, 9 << 20, 0, command_flags::no_hole)}) {
    attached.say(bytes);
    attached.settle();
    CHECK(load_big<std::uint32_t>(attached.conversation->output().data() + 4) ==
          static_cast<std::uint32_t>(Error::shutdown));
    attached.drop_output(16);
  }
}

TEST_CASE("a durable write that has happened when the machine stops is flushed and answered, never told as not begun") {
  Rig rig;
  rig.go();
  rig.say(request(Command::write, 0, 1, 0, command_flags::fua) + Bytes(1));
  REQUIRE(rig.conversation->output().empty());
  rig.machine.shut_down();
  rig.settle();
  REQUIRE_EQ(rig.conversation->output().size(), 16);
  CHECK_EQ(load_big<std::uint32_t>(rig.conversation->output().data() + 4), 0);
  rig.drop_output(16);
  // Of a long one the first part has happened, and the next does not begin any more.
  Rig half;
  half.go();
  half.say(request(Command::write_zeroes, 0, 9 << 20, 0, command_flags::no_hole));
  half.machine.run_ready();
  half.machine.shut_down();
  half.settle();
  CHECK_EQ(load_big<std::uint32_t>(half.conversation->output().data() + 4), static_cast<std::uint32_t>(Error::io));
}
