// The model of transactions, told answers as a machine would give them.

#include "tests/vm/transaction_model.h"

#include <doctest/doctest.h>

#include "isa/builder.h"
#include "isa/decoder.h"

namespace chimera::vm::testing {
namespace {

constexpr Uuid device{{1, 2, 3}};

class Talk {
 public:
  /// Whether the model takes this answer to the program's one instruction for right.
  bool agrees(const Program& program, Status status, std::span<const std::uint8_t> result = {}) {
    Instruction instruction;
    REQUIRE(decode(program.bytes(), instruction).kind == Decoded::Kind::complete);
    return model.judge(0, instruction, {status, result, status == Status::ok ? "" : "why"}).empty();
  }
  [[nodiscard]] std::uint64_t length() { return model.model().find(device)->length; }

  TransactionModel model{Model(false), true};
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
  CHECK(talk.model.in_transaction());
  CHECK_EQ(talk.length(), 10);
  SUBCASE("commit") {
    CHECK(talk.agrees(Program().commit(), Status::ok));
    CHECK_EQ(talk.length(), 10);
  }
  SUBCASE("a commit that finds no space") {
    CHECK(talk.agrees(Program().commit(), Status::no_space));
    CHECK_EQ(talk.length(), 0);
  }
  SUBCASE("a commit that answers something else") { CHECK_FALSE(talk.agrees(Program().commit(), Status::aborted)); }
  SUBCASE("abort") {
    CHECK(talk.agrees(Program().abort(), Status::ok));
    CHECK_EQ(talk.length(), 0);
  }
  SUBCASE("the session ends") {
    talk.model.disconnect(0);
    CHECK_EQ(talk.length(), 0);
  }
  CHECK_EQ(talk.model.in_transaction(), false);
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
