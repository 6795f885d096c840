#include "isa/builder.h"

#include <doctest/doctest.h>

#include <fmt/format.h>
#include <functional>
#include <numeric>
#include <set>
#include <string>

#include "isa/decoder.h"
#include "isa/encoder.h"

namespace chimera::test {
namespace {

const Uuid d{{0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf}};
const Uuid e{{0xe0, 0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xeb, 0xec, 0xed, 0xee, 0xef}};
constexpr std::uint64_t o = 0x0102030405060708;
const std::array<std::uint8_t, 3> abc{'a', 'b', 'c'};

/// Hexadecimal, with D, E and O standing for the device, the other one and the offset; B for a block of zeros.
std::string hexadecimal(std::string_view text) {
  std::string shown;
  for (char c : text) {
    switch (c) {
      case ' ': break;
      case 'D': shown += "d0d1d2d3d4d5d6d7d8d9dadbdcdddedf"; break;
      case 'E': shown += "e0e1e2e3e4e5e6e7e8e9eaebecedeeef"; break;
      case 'O': shown += "0807060504030201"; break;
      case 'B': shown.append(2 * 4096, '0'); break;
      default: shown += c;
    }
  }
  return shown;
}

std::string hexadecimal(Program::Bytes bytes) {
  std::string shown;
  for (std::uint8_t byte : bytes) shown += fmt::format("{:02x}", byte);
  return shown;
}

}  // namespace

TEST_CASE("each function of the builder gives the contract's bytes") {
  const std::array<std::uint8_t, 4096> zeros{};
  const Program::Block block{zeros};
  const std::array<Program::DeviceName, 2> pair{{{d, "a"}, {e, "bc"}}};
  const Program::Token token{d.data[0], 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  struct Case {
    std::string expected;
    std::function<void(Program&)> build;
  };
  const std::vector<Case> cases{
      {"03 D O", [](Program& p) { p.read_byte(d, o); }},
      {"01 D", [](Program& p) { p.read_byte(d); }},
      {"02 O", [](Program& p) { p.read_byte(implied, o); }},
      {"00", [](Program& p) { p.read_byte(); }},
      {"0b D O 2a", [](Program& p) { p.check_byte(d, o, 42); }},
      {"12 O 04030201", [](Program& p) { p.read_bytes(implied, o, 0x01020304); }},
      {"18 03000000 616263", [](Program& p) { p.check_bytes(implied, implied, abc); }},
      {"20 D O", [](Program& p) { p.read_block(d, o); }},
      {"24", [](Program& p) { p.read_block(); }},
      {"2a O B", [&](Program& p) { p.check_block(implied, o, block); }},
      {"30 D", [](Program& p) { p.read_columns(d); }},
      {"34", [](Program& p) { p.read_columns(); }},
      {"38 D O O", [](Program& p) { p.read_extents(d, o, o); }},
      {"40 0300 616263", [](Program& p) { p.open_device("abc"); }},
      {"48 0100 61 0200 6262 05000000", [](Program& p) { p.list_devices("a", "bb", 5); }},
      {"54", [](Program& p) { p.read_length(); }},
      {"58 D", [](Program& p) { p.describe_device(d); }},
      {"60 D O", [](Program& p) { p.read_metadata(d, o); }},
      {"62 O", [](Program& p) { p.read_metadata(implied, o); }},
      {"6a O 07000000", [](Program& p) { p.read_metadata_bytes(implied, o, 7); }},
      {"70 0100 61 00000000", [](Program& p) { p.create_device("a"); }},
      {"71 D 0100 61 01000000 62", [](Program& p) { p.create_device("a", "b", {}, d); }},
      {"72 0100 61 00000000 0600 73697a653d31", [](Program& p) { p.create_device("a", {}, "size=1"); }},
      {"73 D 0100 61 00000000 0600 73697a653d31", [](Program& p) { p.create_device("a", {}, "size=1", d); }},
      {"78 D 0100 61", [](Program& p) { p.clone_device(d, "a"); }},
      {"7c 0100 61", [](Program& p) { p.clone_device(implied, "a"); }},
      {"84 2a", [](Program& p) { p.write_byte(implied, implied, 42); }},
      {"89 D 2a", [](Program& p) { p.swap_byte(d, implied, 42); }},
      {"90 D O 03000000 616263", [](Program& p) { p.write_bytes(d, o, abc); }},
      {"9c 03000000 616263", [](Program& p) { p.swap_bytes(implied, implied, abc); }},
      {"a0 D O B", [&](Program& p) { p.write_block(d, o, block); }},
      {"a9 D B", [&](Program& p) { p.swap_block(d, implied, block); }},
      {"b4 01000000 78", [](Program& p) { p.write_columns(implied, "x"); }},
      {"ba O O", [](Program& p) { p.clear_extents(implied, o, o); }},
      {"c0 D", [](Program& p) { p.close_device(d); }},
      {"cc", [](Program& p) { p.flush_device(); }},
      {"d2 O", [](Program& p) { p.write_length(implied, o); }},
      {"d8 D 03000000 616263", [](Program& p) { p.append_bytes(d, abc); }},
      {"e2 O 2a", [](Program& p) { p.write_metadata(implied, o, 42); }},
      {"e8 D O 03000000 616263", [](Program& p) { p.write_metadata_bytes(d, o, abc); }},
      {"f4", [](Program& p) { p.delete_device(); }},
      {"f8", [](Program& p) { p.begin(); }},
      {"f9", [](Program& p) { p.commit(); }},
      {"fa", [](Program& p) { p.abort(); }},
      {"fb", [](Program& p) { p.sync(); }},
      {"fc D O E 0500000000000000 0600000000000000", [](Program& p) { p.copy_bytes(d, o, e, 5, 6); }},
      {"fd 0000", [](Program& p) { p.hello(); }},
      {"fd 0300 616263", [](Program& p) { p.hello(abc); }},
      {"fe D", [](Program& p) { p.select_device(d); }},
      {"ff O", [](Program& p) { p.select_offset(o); }},
      {"7f 10 20000000 D O O", [](Program& p) { p.read_digest(d, o, o); }},
      {"7f 11 30000000 D E O O", [](Program& p) { p.compare_devices(d, e, o, o); }},
      {"7f 20 20000000 D O O", [](Program& p) { p.read_metadata_extents(d, o, o); }},
      {"7f 21 20000000 D O O", [](Program& p) { p.clear_metadata(d, o, o); }},
      {"7f 22 1f000000 D O 03000000 616263", [](Program& p) { p.check_metadata_bytes(d, o, abc); }},
      {"7f 40 13000000 D 0100 61", [](Program& p) { p.rename_device(d, "a"); }},
      {"7f 41 11000000 D 01", [](Program& p) { p.protect_device(d, true); }},
      {"7f 42 20000000 D E", [](Program& p) { p.roll_back_device(d, e); }},
      {"7f 43 10000000 D", [](Program& p) { p.delete_device_by_force(d); }},
      {"7f 44 2b000000 02000000 D 0100 61 E 0200 6263", [&](Program& p) { p.snapshot(pair); }},
      {"7f 50 00000000", [](Program& p) { p.describe_store(); }},
      {"7f 60 10000000 d00102030405060708090a0b0c0d0e0f", [&](Program& p) { p.commit_with_token(token); }},
      {"7f 61 10000000 d00102030405060708090a0b0c0d0e0f", [&](Program& p) { p.outcome_of_token(token); }},
      {"7f 7e 03000000 616263", [](Program& p) { p.extension(0x7e, abc); }},
      {"7f 80 00000000", [](Program& p) { p.extension(0x80, {}); }},
  };
  std::set<Operation> seen;
  for (const Case& c : cases) {
    Program program;
    c.build(program);
    CHECK(hexadecimal(program.bytes()) == hexadecimal(c.expected));
    Instruction instruction;
    const Decoded decoded = decode(program.bytes(), instruction);
    CHECK(decoded.kind == Decoded::Kind::complete);
    CHECK(decoded.size == program.bytes().size());
    seen.insert(instruction.operation);
  }
  CHECK(seen.size() == operation_count);  // a new row needs its function and its line here
}

TEST_CASE("what a row always carries cannot be left out") {
  Instruction instruction;
  instruction.operation = Operation::read_metadata;
  CHECK_FALSE(has_form(instruction));
  instruction.has_offset = true;
  CHECK(has_form(instruction));
  instruction.operation = Operation::read_columns;
  CHECK_FALSE(has_form(instruction));
}

TEST_CASE("programs grow, and give their bytes away") {
  Program program;
  CHECK(program.empty());
  program.begin().write_byte(implied, 0, 7).commit();
  CHECK(hexadecimal(program.bytes()) == "f882000000000000000007f9");
  CHECK(program.take().size() == 12);
  CHECK(program.empty());
}

}  // namespace chimera::test
