#include "isa/answer.h"

#include <doctest/doctest.h>

#include <cstring>
#include <memory>
#include <random>

#include "isa/bytes.h"

namespace chimera::test {
namespace {

using Kind = ParsedAnswer::Kind;
using Bytes = std::vector<std::uint8_t>;

Instruction make(Operation operation, std::uint64_t count = 0) {
  Instruction instruction;
  instruction.operation = operation;
  instruction.count = count;
  return instruction;
}

Bytes repeat(std::uint8_t byte, std::size_t size) { return Bytes(size, byte); }

Bytes joined(std::initializer_list<Bytes> parts) {
  Bytes all;
  for (const Bytes& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

template <typename Integer>
Bytes number(Integer value) {
  Bytes bytes;
  append_integer(bytes, value);
  return bytes;
}

Bytes text(std::string_view text) { return {text.begin(), text.end()}; }

/// From a heap block of just that size, so that a sanitizer sees any read past the end.
ParsedAnswer parse_exactly(const Instruction& instruction, std::span<const std::uint8_t> bytes, Answer& answer) {
  const auto block = std::make_unique_for_overwrite<std::uint8_t[]>(bytes.size());
  if (!bytes.empty()) std::memcpy(block.get(), bytes.data(), bytes.size());
  const ParsedAnswer parsed = parse_answer(instruction, {block.get(), bytes.size()}, answer);
  (void)parse_answer(instruction, bytes, answer);  // views of bytes that live on
  return parsed;
}

struct Case {
  Instruction instruction;
  Bytes result;
  std::string shown;
};

std::vector<Case> cases() {
  const std::string uuid(16, '\x11');
  const std::string shown_uuid = "11111111-1111-1111-1111-111111111111";
  return {
      {make(Operation::write_byte), {}, "ok"},
      {make(Operation::read_byte, 1), {0x41}, "ok 0x41"},
      {make(Operation::read_metadata, 1), {0x00}, "ok 0x00"},
      {make(Operation::swap_byte, 1), {0xFF}, "ok 0xff"},
      {make(Operation::read_bytes, 0), {}, "ok 0 bytes"},
      {make(Operation::read_bytes, 3), text("ab\n"), "ok 3 bytes: 61 62 0a  |ab.|"},
      {make(Operation::swap_bytes, 1), {7}, "ok 1 byte: 07  |.|"},
      {make(Operation::read_block, 4096), repeat(0, 4096), "ok 4096 bytes: 00 00 00 00 …  |....|"},
      {make(Operation::read_columns), joined({number(3u), text("a\tb")}), "ok a\\x09b"},
      {make(Operation::describe_device), joined({number(2u), text("{}")}), "ok {}"},
      {make(Operation::read_extents, 9),
       joined({number(2u), number<std::uint64_t>(5), number(0u), number<std::uint64_t>(7), number(3u)}),
       "ok 2 extents\n  5 bytes\n  7 bytes, a hole, zeros"},
      {make(Operation::compare_devices, 9), joined({number(1u), number<std::uint64_t>(5), number(4u)}),
       "ok 1 extent\n  5 bytes, differs"},
      {make(Operation::open_device), text(uuid), "ok " + shown_uuid},
      {make(Operation::list_devices, 9),
       joined({number(2u), text(uuid), number<std::uint16_t>(1), text("a"), text(uuid), number<std::uint16_t>(0)}),
       "ok 2 devices\n  " + shown_uuid + "  a\n  " + shown_uuid + "  "},
      {make(Operation::read_length), number<std::uint64_t>(1ull << 40), "ok 1099511627776"},
      {make(Operation::append_bytes), number<std::uint64_t>(0), "ok 0"},
      {make(Operation::read_digest, 5), repeat(0xAB, 32),
       "ok abababababababababababababababababababababababababababababababab"},
      {make(Operation::snapshot, 1), text(uuid), "ok 1 UUID\n  " + shown_uuid},
      {make(Operation::outcome_of_token), {1}, "ok 0x01"},
      {make(Operation::hello),
       joined({{1, 2, 3},
               number(4096u),
               number(33554432u),
               number(16384u),
               number<std::uint64_t>(9),
               number<std::uint64_t>(0)}),
       "ok version 1.2.3, block size 4096, largest transfer 33554432, most open devices 16384, session 9, features "
       "0x0"},
  };
}

}  // namespace

TEST_CASE("answers of every kind: whole, cut off anywhere, in words") {
  for (const Case& c : cases()) {
    CAPTURE(row_of(c.instruction.operation).name);
    const Bytes bytes = joined({{0}, c.result});
    Answer answer;
    const ParsedAnswer parsed = parse_exactly(c.instruction, bytes, answer);
    REQUIRE(parsed.kind == Kind::complete);
    CHECK(parsed.size == bytes.size());
    CHECK(std::ranges::equal(answer.result, c.result));
    CHECK(answer_text(c.instruction, answer, 4) == c.shown);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      const ParsedAnswer part = parse_exactly(c.instruction, std::span{bytes}.first(size), answer);
      REQUIRE(part.kind == Kind::incomplete);
      REQUIRE(part.size > size);
      REQUIRE(part.size <= bytes.size());
    }
  }
}

TEST_CASE("failures of any instruction carry a message") {
  for (const Row& row : rows) {
    const Bytes bytes = joined({{5}, number<std::uint16_t>(4), text("past"), {0xEE}});
    Answer answer;
    const ParsedAnswer parsed = parse_exactly(make(row.operation, 3), bytes, answer);
    CHECK(parsed.kind == Kind::complete);
    CHECK(parsed.size == 7);
    CHECK(answer.status == Status::out_of_range);
    CHECK(answer_text(make(row.operation), answer) == "out of range: past");
    for (std::size_t size = 0; size < 7; ++size) {
      CHECK(parse_exactly(make(row.operation), std::span{bytes}.first(size), answer).kind == Kind::incomplete);
    }
  }
}

TEST_CASE("lists and texts over their limits are no answers") {
  Answer answer;
  CHECK(parse_exactly(make(Operation::read_columns), joined({{0}, number((32u << 20) + 1)}), answer).kind ==
        Kind::malformed);
  CHECK(parse_exactly(make(Operation::read_extents), joined({{0}, number(65537u)}), answer).kind == Kind::malformed);
  CHECK(parse_exactly(make(Operation::list_devices), joined({{0}, number(65537u)}), answer).kind == Kind::malformed);
  CHECK(parse_exactly(make(Operation::list_devices), joined({{0}, number(65536u)}), answer).kind == Kind::incomplete);
}

TEST_CASE("any bytes parse without reading past the end") {
  std::mt19937_64 random{1};
  for (int turn = 0; turn < 20'000; ++turn) {
    Bytes bytes(random() % 64);
    for (std::uint8_t& byte : bytes) byte = random() % 2 == 0 ? 0 : static_cast<std::uint8_t>(random());
    const Instruction instruction = make(rows[random() % rows.size()].operation, random() % 64);
    Answer answer;
    const ParsedAnswer parsed = parse_exactly(instruction, bytes, answer);
    REQUIRE((parsed.kind == Kind::incomplete) == (parsed.size > bytes.size()));
    if (parsed.kind == Kind::complete) CHECK_FALSE(answer_text(instruction, answer).empty());
  }
}

}  // namespace chimera::test
