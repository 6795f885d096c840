// What a journal's own instructions say, whatever their operands: a record whose checksum is right may still hold
// anything.

#include "cli/journal_words.h"

#include <doctest/doctest.h>

#include <vector>

#include "devices/journal_format.h"
#include "isa/builder.h"
#include "isa/bytes.h"
#include "isa/decoder.h"

namespace chimera::cli {
namespace {

using devices::JournalOpcode;
using Bytes = std::vector<std::uint8_t>;

const Bytes device{0, 0, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, 1};
constexpr const char* device_text = "00000000-0000-4000-8000-000000000001";
constexpr const char* no_sense = "nothing that can be";

std::string explain(JournalWords& words, const Program& program) {
  Instruction instruction;
  REQUIRE(decode(program.bytes(), instruction).kind == Decoded::Kind::complete);
  return words.explain(instruction);
}

std::string explain(JournalWords& words, JournalOpcode opcode, const Bytes& operands) {
  return explain(words, Program().extension(static_cast<std::uint8_t>(opcode), operands));
}

Bytes placed(std::uint8_t plane, std::initializer_list<std::uint64_t> indexes) {
  Bytes operands = device;
  operands.push_back(plane);
  for (const std::uint64_t index : indexes) {
    append_integer(operands, index);
    operands.resize(operands.size() + sizeof(devices::Slot), 1);
  }
  return operands;
}

TEST_CASE("blocks are counted and their indexes told, as far as there is room") {
  const devices::Store store;
  JournalWords words(store);
  const std::string of = std::string(" of ") + device_text;
  CHECK_EQ(explain(words, JournalOpcode::place_blocks, placed(0, {7})), "1 block of data" + of + ": 7");
  CHECK_EQ(explain(words, JournalOpcode::place_blocks, placed(1, {0, 1, 2, 7, 9, 10})),
           "6 blocks of metadata" + of + ": 0-2, 7, 9-10");
  CHECK_EQ(explain(words, JournalOpcode::place_blocks, placed(2, {0, 2, 4, 6, 8, 10, 12})),
           "7 blocks of columns" + of + ": 0, 2, 4, 6, 8, 10, …");
  CHECK_EQ(explain(words, JournalOpcode::place_blocks, placed(3, {0})), no_sense);
}

TEST_CASE("names are those of the moment") {
  const devices::Store store;
  JournalWords words(store);
  Uuid uuid;
  std::copy(device.begin(), device.end(), uuid.begin());
  CHECK_EQ(explain(words, Program().delete_device_by_force(uuid)), "");
  CHECK_EQ(explain(words, Program().create_device("first", {}, {}, uuid)), "");
  CHECK_EQ(explain(words, Program().rename_device(uuid, "second")), "\"first\"");
  CHECK_EQ(explain(words, Program().copy_bytes(uuid, 0, uuid, 4096, 5)), "\"second\", \"second\"");
  Bytes operands = device;
  append_integer(operands, std::uint64_t{12345});
  append_integer(operands, std::uint64_t{6});
  CHECK_EQ(explain(words, JournalOpcode::set_lengths, operands), "length of \"second\": 12,345, of its columns: 6");
}

TEST_CASE("a copy that goes on between others is told with its number, roll backs of one moment together") {
  const devices::Store store;
  JournalWords words(store);
  Bytes begin = device;
  append_integer(begin, std::uint64_t{7000});
  CHECK_EQ(explain(words, JournalOpcode::hold, begin),
           std::string("copy 7,000 begins: ") + device_text + " as it is now");
  Bytes end = device;
  for (const std::uint64_t number : {4096, 7000, 8192, 12288}) append_integer(end, number);
  CHECK_EQ(explain(words, JournalOpcode::copy_held, end),
           std::string("copy 7,000 ends: 12,288 bytes from its offset 8,192 to ") + device_text + ", offset 4,096");
  Bytes number;
  append_integer(number, std::uint64_t{7000});
  CHECK_EQ(explain(words, JournalOpcode::let_go, number), "copy 7,000 is given up");
  Bytes pair = device;
  pair.insert(pair.end(), device.begin(), device.end());
  CHECK_EQ(explain(words, JournalOpcode::roll_back_all, pair),
           std::string(device_text) + " to " + device_text + ", all at once");
}

TEST_CASE("a file that is to be cut is told with its length") {
  const devices::Store store;
  JournalWords words(store);
  Bytes cut = device;
  append_integer(cut, std::uint64_t{5001});
  CHECK_EQ(explain(words, JournalOpcode::cut_file, cut),
           std::string("the file of ") + device_text + " is to be cut to 5,000 bytes");
  Bytes done = device;
  append_integer(done, std::uint64_t{0});
  CHECK_EQ(explain(words, JournalOpcode::cut_file, done),
           std::string("the file of ") + device_text + " has its length");
}

TEST_CASE("what has been cut off or is unknown makes no sense, and is no trouble") {
  const devices::Store store;
  JournalWords words(store);
  struct Kind {
    JournalOpcode opcode;
    std::size_t least;  ///< bytes of operands
  };
  for (const Kind kind :
       {Kind{JournalOpcode::place_blocks, 17}, Kind{JournalOpcode::clone_as, 34},
        Kind{JournalOpcode::write_columns, 24}, Kind{JournalOpcode::set_lengths, 32},
        Kind{JournalOpcode::roll_back_all, 32}, Kind{JournalOpcode::hold, 24}, Kind{JournalOpcode::copy_held, 48},
        Kind{JournalOpcode::let_go, 8}, Kind{JournalOpcode::cut_file, 24}}) {
    for (std::size_t size = 0; size < kind.least; ++size) {
      CHECK_EQ(explain(words, kind.opcode, Bytes(size)), no_sense);
    }
    CHECK_NE(explain(words, kind.opcode, Bytes(kind.least)), no_sense);
  }
  CHECK_EQ(explain(words, JournalOpcode::place_blocks, Bytes(18)), no_sense);
  CHECK_EQ(explain(words, static_cast<JournalOpcode>(0x90), Bytes(40)), no_sense);
}

}  // namespace
}  // namespace chimera::cli
