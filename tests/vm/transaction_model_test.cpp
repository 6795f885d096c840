// The model of transactions, told answers as a machine would give them.

#include "tests/vm/transaction_model.h"

#include <doctest/doctest.h>

#include <array>

#include "isa/builder.h"
#include "isa/decoder.h"

namespace chimera::vm::testing {
namespace {

constexpr Uuid device{{1, 2, 3}};

Model tolerant() {
  Model model(false);
  model.tolerate(Status::no_space);
  return model;
}

class Talk {
 public:
  /// Whether the model takes this answer to the program's one instruction for right.
  bool agrees(const Program& program, Status status, std::span<const std::uint8_t> result = {}) {
    return agrees_with(0, program, status, result);
  }
  /// The same for any session, whose turn it may be.
  bool agrees_with(std::size_t session, const Program& program, Status status,
                   std::span<const std::uint8_t> result = {}) {
    Instruction instruction;
    REQUIRE(decode(program.bytes(), instruction).kind == Decoded::Kind::complete);
    return model.judge(session, instruction, {status, result, status == Status::ok ? "" : "why"}).empty();
  }
  [[nodiscard]] std::uint64_t length() { return model.model().find(device)->length; }

  TransactionModel model{tolerant()};
};

Talk with_device() {
  Talk talk;
  REQUIRE(talk.agrees(Program().create_device("d", {}, {}, device), Status::ok, device));
  return talk;
}

TEST_CASE("what a transaction does counts at its commit") {
  Talk talk = with_device();
  CHECK(talk.agrees(Program().begin(), Status::ok));
  CHECK(talk.agrees(Program().write_byte(device, 9, 1), Status::ok));
  CHECK(talk.model.in_transaction(0));
  CHECK_EQ(talk.length(), 0);
  SUBCASE("commit") {
    CHECK(talk.agrees(Program().commit(), Status::ok));
    CHECK_EQ(talk.length(), 10);
  }
  SUBCASE("a commit that finds no space") {
    CHECK(talk.agrees(Program().commit(), Status::no_space));
    CHECK_EQ(talk.length(), 0);
  }
  SUBCASE("a commit that answers something else") {
    CHECK_FALSE(talk.agrees(Program().commit(), Status::aborted));
    talk.model.disconnect(0);
  }
  SUBCASE("abort") {
    CHECK(talk.agrees(Program().abort(), Status::ok));
    CHECK_EQ(talk.length(), 0);
  }
  SUBCASE("the session ends") {
    talk.model.disconnect(0);
    CHECK_EQ(talk.length(), 0);
  }
  CHECK_EQ(talk.model.in_transaction(0), false);
}

TEST_CASE("an error inside dooms a transaction") {
  struct Error {
    Program program;
    Status status;
  };
  const Error errors[] = {{Program().check_byte(device, 9, 2), Status::mismatch},
                          {Program().flush_device(device), Status::out_of_sequence},
                          {Program().begin(), Status::out_of_sequence}};
  for (const auto& [program, status] : errors) {
    for (const bool commits : {false, true}) {
      Talk talk = with_device();
      CHECK(talk.agrees(Program().begin(), Status::ok));
      CHECK(talk.agrees(Program().write_byte(device, 9, 1), Status::ok));
      CHECK(talk.agrees(program, status));
      CHECK_FALSE(talk.agrees(Program().write_byte(device, 20, 1), Status::ok));
      CHECK(talk.agrees(Program().write_byte(device, 20, 1), Status::aborted));
      CHECK(talk.agrees(commits ? Program().commit() : Program().abort(), commits ? Status::aborted : Status::ok));
      CHECK_EQ(talk.length(), 0);
      CHECK(talk.agrees(Program().commit(), Status::out_of_sequence));
    }
  }
}

TEST_CASE("transactions overlap, and who was told what is not so any more has to lose") {
  Talk talk = with_device();
  const std::array<std::uint8_t, 1> nothing{};
  CHECK(talk.agrees(Program().write_byte(device, 9, 0), Status::ok));
  talk.model.turn(1);
  CHECK(talk.agrees_with(1, Program().begin(), Status::ok));
  CHECK(talk.agrees_with(1, Program().read_byte(device, 5), Status::ok, nothing));
  CHECK(talk.agrees_with(1, Program().write_byte(device, 6, 1), Status::ok));
  CHECK_FALSE(talk.agrees_with(1, Program().commit(), Status::conflict));  // with nobody
  bool must_lose = false;
  talk.model.turn(0);
  CHECK(talk.agrees(Program().begin(), Status::ok));
  SUBCASE("another place is changed") { CHECK(talk.agrees(Program().write_byte(device, 6, 2), Status::ok)); }
  SUBCASE("the place is changed") {
    must_lose = true;
    CHECK(talk.agrees(Program().write_byte(device, 5, 2), Status::ok));
  }
  CHECK(talk.agrees(Program().commit(), Status::ok));
  talk.model.turn(1);
  CHECK_EQ(talk.agrees_with(1, Program().commit(), Status::ok), !must_lose);
  if (must_lose) CHECK(talk.agrees_with(1, Program().commit(), Status::conflict));
  CHECK_EQ(talk.length(), 10);
}

TEST_CASE("a copy of a model goes its own way") {
  Talk talk = with_device();
  Model copy = talk.model.model().copy();
  CHECK(talk.agrees(Program().write_byte(device, 9, 1), Status::ok));
  CHECK_EQ(talk.length(), 10);
  CHECK_EQ(copy.find(device)->length, 0);
  CHECK_EQ(copy.session(0).open.at(device).device.get(), copy.find(device));
}

}  // namespace
}  // namespace chimera::vm::testing
