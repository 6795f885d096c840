#include "isa/decoder.h"

#include <doctest/doctest.h>

#include <array>
#include <cstring>
#include <memory>
#include <set>
#include <string>

#include "isa/encoder.h"
#include "tests/isa/sample.h"

namespace chimera::test {
namespace {

using Kind = Decoded::Kind;
using Bytes = std::vector<std::uint8_t>;

/// Decodes from a heap block of exactly that size, so that a sanitizer sees any read past the end.
Decoded decode_exactly(std::span<const std::uint8_t> bytes, Instruction& instruction) {
  const auto block = std::make_unique_for_overwrite<std::uint8_t[]>(bytes.size());
  if (!bytes.empty()) std::memcpy(block.get(), bytes.data(), bytes.size());
  const Decoded decoded = decode({block.get(), bytes.size()}, instruction);
  if (decoded.kind == Kind::complete) (void)decode(bytes, instruction);  // views of bytes that live on
  return decoded;
}

Decoded decode_exactly(std::span<const std::uint8_t> bytes) {
  Instruction instruction;
  return decode_exactly(bytes, instruction);
}

void append(Bytes& to, std::uint64_t value, int size) {
  for (int i = 0; i < size; ++i) to.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

/// An opcode, `zeros` zero bytes of operands, then a u32.
Bytes with_count(std::uint8_t opcode, std::size_t zeros, std::uint32_t count) {
  Bytes bytes{opcode};
  bytes.resize(1 + zeros);
  append(bytes, count, 4);
  return bytes;
}

/// 7F, a second opcode, a length, `zeros` zero bytes.
Bytes extension(std::uint8_t second, std::uint32_t length, std::size_t zeros = 0) {
  Bytes bytes{0x7F, second};
  append(bytes, length, 4);
  bytes.resize(bytes.size() + zeros);
  return bytes;
}

constexpr std::uint32_t limit = 32u << 20;

}  // namespace

TEST_CASE("the legal opcodes are those of the contract, and no others") {
  std::set<int> legal{0x7F};
  for (const ContractForm& form : contract_forms()) legal.insert(form.opcode);
  CHECK(legal.size() == 99);
  for (int opcode = 0; opcode < 256; ++opcode) {
    CAPTURE(opcode);
    Bytes bytes(64 * 1024, 0);
    bytes[0] = static_cast<std::uint8_t>(opcode);
    Instruction instruction;
    CHECK((decode(bytes, instruction).kind == Kind::illegal) == !legal.contains(opcode));
    CHECK((decode(std::span{bytes}.first(1), instruction).kind == Kind::illegal) == !legal.contains(opcode));
  }
}

TEST_CASE("every form of the contract decodes to its fields, and encodes back") {
  Random random{1};
  for (const ContractForm& form : contract_forms()) {
    for (int turn = 0; turn < 20; ++turn) {
      const Sample sample = make_sample(form, random);
      CAPTURE(form.name);
      CAPTURE(int{form.opcode});
      CAPTURE(form.second);
      Instruction instruction;
      const Decoded decoded = decode_exactly(sample.bytes, instruction);
      REQUIRE(decoded.kind == Kind::complete);
      CHECK(decoded.size == sample.bytes.size());
      CHECK(row_of(instruction.operation).name == form.name);
      if (form.second >= 0) CHECK(instruction.extension == form.second);
      CHECK(matches(instruction, sample));
      Bytes encoded;
      REQUIRE(has_form(instruction));
      encode(instruction, encoded);
      CHECK(encoded == sample.bytes);
      // Bytes behind it are left alone.
      Bytes longer = sample.bytes;
      longer.resize(longer.size() + 3, 0xFF);
      CHECK(decode_exactly(longer).size == sample.bytes.size());
    }
  }
}

TEST_CASE("cut off anywhere, an instruction is incomplete, and says truly how many bytes it needs at least") {
  Random random{2};
  for (const ContractForm& form : contract_forms()) {
    for (int turn = 0; turn < 3; ++turn) {
      const Sample sample = make_sample(form, random);
      CAPTURE(form.name);
      std::uint64_t known = 0;
      std::set<std::uint64_t> steps;
      for (std::size_t size = 0; size < sample.bytes.size(); ++size) {
        const Decoded decoded = decode_exactly(std::span{sample.bytes}.first(size));
        REQUIRE(decoded.kind == Kind::incomplete);
        REQUIRE(decoded.size > size);
        REQUIRE(decoded.size <= sample.bytes.size());
        REQUIRE(decoded.size >= known);
        known = decoded.size;
        steps.insert(known);
      }
      // Waiting for what each answer asks for takes few turns: one for each length field.
      CHECK(steps.size() <= 5);
    }
  }
}

TEST_CASE("any bytes: no read past the end, and the same outcome however they arrive") {
  Random random{3};
  for (int turn = 0; turn < 20'000; ++turn) {
    Bytes bytes(random() % 96);
    for (std::uint8_t& byte : bytes) byte = random() % 3 == 0 ? 0 : static_cast<std::uint8_t>(random());
    if (!bytes.empty() && random() % 2 == 0) bytes[0] = 0x7F;
    if (bytes.size() > 6 && random() % 2 == 0) bytes[3] = bytes[4] = bytes[5] = 0;
    const Decoded whole = decode_exactly(bytes);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      const Decoded part = decode_exactly(std::span{bytes}.first(size));
      if (part.kind == Kind::incomplete) {
        REQUIRE(part.size > size);
        // The whole either needs as much as that, or has got it.
        REQUIRE((whole.kind != Kind::incomplete || whole.size >= part.size));
        REQUIRE((whole.kind == Kind::incomplete || bytes.size() >= part.size));
      } else {
        REQUIRE(part.kind == whole.kind);
        REQUIRE(part.size == whole.size);
      }
    }
  }
}

TEST_CASE("damaged instructions decode without reading past the end") {
  Random random{4};
  for (int turn = 0; turn < 20'000; ++turn) {
    Bytes program = random_program(random, 1);
    for (std::uint64_t flips = random() % 4; flips > 0; --flips) {
      program[random() % std::min<std::size_t>(program.size(), 32)] = static_cast<std::uint8_t>(random());
    }
    Instruction instruction;
    const Decoded decoded = decode_exactly(program, instruction);
    if (decoded.kind == Kind::complete) {
      Bytes encoded;
      encode(instruction, encoded);
      REQUIRE(encoded.size() == decoded.size);
      REQUIRE(std::equal(encoded.begin(), encoded.end(), program.begin()));
    }
  }
}

TEST_CASE("payloads over the largest transfer are too large, to be passed over, as soon as their count is there") {
  struct Case {
    std::uint8_t opcode;
    std::size_t operands;  ///< bytes in front of the count
  };
  for (const Case& c : {Case{0x1B, 24}, Case{0x18, 0}, Case{0x90, 24}, Case{0x9C, 0}, Case{0xD8, 16}, Case{0xEA, 8},
                        Case{0xB0, 16}, Case{0xB4, 0}}) {
    CAPTURE(int{c.opcode});
    Instruction instruction;
    const Decoded over = decode_exactly(with_count(c.opcode, c.operands, limit + 1), instruction);
    CHECK(over.kind == Kind::too_large);
    CHECK(over.size == 1 + c.operands + 4 + limit + 1);
    CHECK(instruction.opcode == c.opcode);
    CHECK(instruction.operation == form_of(c.opcode).operation);
    const Decoded greatest = decode_exactly(with_count(c.opcode, c.operands, limit));
    CHECK(greatest.kind == Kind::incomplete);
    CHECK(greatest.size == 1 + c.operands + 4 + limit);
    CHECK(decode_exactly(with_count(c.opcode, c.operands, 0xFFFFFFFF)).size == 1 + c.operands + 4 + 0xFFFFFFFFull);
  }
}

TEST_CASE("results over the largest transfer are too large, and only those") {
  for (const auto& [opcode, operands] :
       {std::pair{0x13, 24}, {0x11, 16}, {0x12, 8}, {0x10, 0}, {0x68, 24}, {0x6A, 8}}) {
    CAPTURE(opcode);
    const auto at_limit = with_count(static_cast<std::uint8_t>(opcode), static_cast<std::size_t>(operands), limit);
    const auto over = with_count(static_cast<std::uint8_t>(opcode), static_cast<std::size_t>(operands), limit + 1);
    CHECK(decode_exactly(at_limit).kind == Kind::complete);
    CHECK(decode_exactly(over).kind == Kind::too_large);
    CHECK(decode_exactly(over).size == over.size());
  }
  // How many devices to list and how far to look for extents are no transfers.
  Bytes list{0x48, 0, 0, 0, 0};
  append(list, 0xFFFFFFFF, 4);
  CHECK(decode_exactly(list).kind == Kind::complete);
  Bytes extents{0x3C};
  append(extents, ~std::uint64_t{0}, 8);
  CHECK(decode_exactly(extents).kind == Kind::complete);
}

TEST_CASE("a create whose columns are too large says whether options follow them") {
  for (const bool with_options : {false, true}) {
    Bytes create{static_cast<std::uint8_t>(with_options ? 0x72 : 0x70), 1, 0, 'x'};
    append(create, limit + 5, 4);
    create.resize(create.size() + 2);
    const Decoded decoded = decode_exactly(create);
    CHECK(decoded.kind == Kind::too_large);
    CHECK(decoded.size == 8 + limit + 5);
    CHECK(decoded.options_follow == with_options);
  }
}

TEST_CASE("an extension's length must agree with its operands") {
  for (const ContractForm& form : contract_forms()) {
    if (form.second < 0 || form.operands == "*") continue;
    CAPTURE(form.name);
    Random random{5};
    const Sample sample = make_sample(form, random);
    const auto length = static_cast<std::uint32_t>(sample.bytes.size() - 6);
    for (const std::uint32_t said : {length + 1, length - 1, 0u, 1u, limit, limit + 100, 0xFFFFFFFFu}) {
      if (said == length) continue;
      Bytes bytes = sample.bytes;
      std::memcpy(bytes.data() + 2, &said, 4);
      bytes.resize(6 + std::min<std::size_t>(std::max(said, length), limit + 100));
      const Decoded decoded = decode_exactly(bytes);
      // Of a snapshot over the limit nothing but its length is looked at.
      const bool measured = form.name == "snapshot" && said > limit + 4;
      CHECK(decoded.kind == (measured ? Kind::too_large : Kind::illegal));
    }
  }
}

TEST_CASE("extensions over the limit") {
  // Nobody knows what an unknown one holds: its length alone counts.
  CHECK(decode_exactly(extension(0x01, limit)).kind == Kind::incomplete);
  CHECK(decode_exactly(extension(0x01, limit + 1)).kind == Kind::too_large);
  CHECK(decode_exactly(extension(0x01, limit + 1)).size == 6 + std::uint64_t{limit} + 1);
  CHECK(decode_exactly(extension(0x80, 0xFFFFFFFF)).size == 6 + std::uint64_t{0xFFFFFFFF});

  // A payload may have the limit itself, beside the operands in front of it.
  Bytes check = extension(0x22, 28 + limit, 24);
  append(check, limit, 4);
  CHECK(decode_exactly(check).kind == Kind::incomplete);
  CHECK(decode_exactly(check).size == 6 + 28 + limit);
  check.resize(6 + 28 + std::size_t{limit});
  CHECK(decode_exactly(check).kind == Kind::complete);

  check = extension(0x22, 28 + limit + 1, 24);
  append(check, limit + 1, 4);
  CHECK(decode_exactly(check).kind == Kind::too_large);
  check[6 + 24] = 7;  // the count disagrees: illegal comes first
  CHECK(decode_exactly(check).kind == Kind::illegal);
}

TEST_CASE("a snapshot's list has to fill its operands") {
  Bytes list = extension(0x44, 4 + 18 + 18);
  append(list, 2, 4);
  list.resize(list.size() + 36);
  CHECK(decode_exactly(list).kind == Kind::complete);
  list[6] = 1;  // one entry, and bytes behind it
  CHECK(decode_exactly(list).kind == Kind::illegal);
  list[6] = 3;  // an entry that is not there
  CHECK(decode_exactly(list).kind == Kind::illegal);
  list[6] = 2;
  list[6 + 4 + 16] = 1;  // a name that takes a byte of the next entry
  CHECK(decode_exactly(list).kind == Kind::illegal);
  list[6 + 3] = 0xFF;  // four thousand million entries
  CHECK(decode_exactly(list).kind == Kind::illegal);
}

TEST_CASE("names over 255 bytes decode: their answer is the machine's") {
  Bytes open{0x40};
  append(open, 65535, 2);
  open.resize(open.size() + 65535, 'x');
  Instruction instruction;
  CHECK(decode(open, instruction).kind == Kind::complete);
  CHECK(instruction.name.size() == 65535);
}

}  // namespace chimera::test
