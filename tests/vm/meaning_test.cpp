// The rules of "Meaning" and the order of the statuses.

#include "tests/vm/conversation.h"

#include <openssl/sha.h>

#include <array>
#include <boost/uuid/uuid_io.hpp>

#include "isa/limits.h"

namespace chimera::vm::testing {
namespace {

constexpr std::uint64_t greatest = limits::greatest_length;
const Uuid nobody{{9, 9, 9}};

std::vector<std::uint8_t> filled(std::size_t size, std::uint8_t value) {
  return std::vector<std::uint8_t>(size, value);
}

std::span<const std::uint8_t, 4096> block_of(const std::vector<std::uint8_t>& bytes) {
  return std::span<const std::uint8_t, 4096>(bytes.data(), 4096);
}

TEST_CASE("reads, checks and swaps past the length move nothing; writes grow the device and the gap is zeros") {
  Desk desk;
  desk.create("a");
  desk.one.ask(Program().write_bytes(implied, 0, bytes("abc")));
  CHECK_EQ(desk.one.status(Program().read_bytes(implied, 2, 2)), Status::out_of_range);
  CHECK_EQ(desk.one.status(Program().check_bytes(implied, 2, bytes("cd"))), Status::out_of_range);
  CHECK_EQ(desk.one.status(Program().swap_bytes(implied, 2, bytes("xy"))), Status::out_of_range);
  CHECK_EQ(desk.one.ask(Program().read_length()).number(), 3);
  CHECK_EQ(desk.one.status(Program().write_byte(implied, 5, 'f')), Status::ok);
  CHECK_EQ(desk.one.ask(Program().read_bytes(implied, 0, 6)).text(), std::string("abc\0\0f", 6));
}

TEST_CASE("what a shorter device lost does not come back") {
  Desk desk;
  desk.create("a");
  desk.one.ask(
      Program().write_bytes(implied, 0, filled(10000, 7)).write_length(implied, 5000).write_length(implied, 9000));
  std::vector<std::uint8_t> expected = filled(5000, 7);
  expected.resize(9000);
  CHECK_EQ(desk.one.ask(Program().read_bytes(implied, 0, 9000)).result, expected);
}

TEST_CASE("a count of 0 succeeds up to the length") {
  Desk desk;
  desk.create("a");
  desk.one.ask(Program().write_bytes(implied, 0, bytes("abc")));
  CHECK_EQ(desk.one.status(Program().read_bytes(implied, 3, 0)), Status::ok);
  CHECK_EQ(desk.one.status(Program().swap_bytes(implied, 3, {})), Status::ok);
  CHECK_EQ(desk.one.status(Program().write_bytes(implied, 3, {})), Status::ok);
  CHECK_EQ(desk.one.status(Program().read_bytes(implied, 4, 0)), Status::out_of_range);
  CHECK_EQ(desk.one.ask(Program().read_length()).number(), 3);
}

TEST_CASE("offset and count reach the greatest length and do not pass it") {
  Desk desk;
  const Uuid a = desk.create("a");
  CHECK_EQ(desk.one.status(Program().write_byte(implied, greatest - 1, 'z')), Status::ok);
  CHECK_EQ(desk.one.ask(Program().read_length()).number(), greatest);
  CHECK_EQ(desk.one.ask(Program().read_byte(implied, greatest - 1)).text(), "z");
  CHECK_EQ(desk.one.status(Program().write_byte(implied, greatest, 'z')), Status::out_of_range);
  CHECK_EQ(desk.one.status(Program().append_bytes(implied, bytes("z"))), Status::out_of_range);
  CHECK_EQ(desk.one.status(Program().append_bytes(implied, {})), Status::ok);
  CHECK_EQ(desk.one.status(Program().read_bytes(implied, ~std::uint64_t{0}, 2)), Status::out_of_range);
  CHECK_EQ(desk.one.status(Program().write_bytes(implied, ~std::uint64_t{0}, bytes("ab"))), Status::out_of_range);
  CHECK_EQ(desk.one.status(Program().clear_extents(implied, 1, ~std::uint64_t{0})), Status::out_of_range);
  CHECK_EQ(desk.one.status(Program().write_length(implied, greatest)), Status::ok);
  CHECK_EQ(desk.one.status(Program().write_length(implied, greatest + 1)), Status::out_of_range);
  CHECK_EQ(desk.one.status(Program().read_block(implied, greatest - 4096)), Status::ok);
  CHECK_EQ(desk.one.status(Program().read_block(implied, greatest)), Status::out_of_range);
  CHECK_EQ(desk.one.status(Program().copy_bytes(a, 0, a, 4096, greatest)), Status::out_of_range);
  CHECK_EQ(desk.one.status(Program().read_digest(a, 1, ~std::uint64_t{0})), Status::out_of_range);
}

TEST_CASE("block instructions see zeros past the length; a write there grows the device to the block's end") {
  Desk desk;
  desk.create("a");
  desk.one.ask(Program().write_bytes(implied, 0, bytes("abc")));
  std::vector<std::uint8_t> first(4096);
  first[0] = 'a', first[1] = 'b', first[2] = 'c';
  const std::vector<std::uint8_t> zeros(4096);
  const std::vector<std::uint8_t> sevens = filled(4096, 7);
  CHECK_EQ(desk.one.ask(Program().read_block(implied, 0)).result, first);
  CHECK_EQ(desk.one.ask(Program().read_block(implied, 1 << 20)).result, zeros);
  CHECK_EQ(desk.one.status(Program().check_block(implied, 1 << 20, block_of(zeros))), Status::ok);
  CHECK_EQ(desk.one.ask(Program().read_length()).number(), 3);
  CHECK_EQ(desk.one.ask(Program().swap_block(implied, 8192, block_of(sevens))).result, zeros);
  CHECK_EQ(desk.one.ask(Program().read_length()).number(), 12288);
  CHECK_EQ(desk.one.status(Program().read_block(implied, 1)), Status::misaligned);
}

TEST_CASE("a fixed length: bytes past it are refused, blocks past it ignored") {
  Desk desk;
  const Uuid a = desk.create("a", "size=5000");
  const std::vector<std::uint8_t> sevens = filled(4096, 7);
  CHECK_EQ(desk.one.ask(Program().read_length()).number(), 5000);
  CHECK_EQ(desk.one.status(Program().write_bytes(a, 4999, bytes("ab"))), Status::out_of_range);
  CHECK_EQ(desk.one.status(Program().append_bytes(a, bytes("a"))), Status::out_of_range);
  CHECK_EQ(desk.one.status(Program().write_length(a, 5000)), Status::out_of_range);
  CHECK_EQ(desk.one.status(Program().write_block(a, 4096, block_of(sevens))), Status::ok);
  CHECK_EQ(desk.one.status(Program().write_block(a, 8192, block_of(sevens))), Status::ok);
  CHECK_EQ(desk.one.ask(Program().read_length()).number(), 5000);
  std::vector<std::uint8_t> expected = filled(5000 - 4096, 7);
  expected.resize(4096);
  CHECK_EQ(desk.one.ask(Program().read_block(a, 4096)).result, expected);
  CHECK_EQ(desk.one.ask(Program().swap_block(a, 4096, block_of(sevens))).result, expected);
  CHECK_EQ(desk.one.ask(Program().read_block(a, 8192)).result, filled(4096, 0));
  const Uuid b = desk.create("b");
  desk.one.ask(Program().write_bytes(b, 0, filled(6000, 1)));
  CHECK_EQ(desk.one.status(Program().copy_bytes(b, 0, a, 0, 5001)), Status::out_of_range);
  CHECK_EQ(desk.one.status(Program().copy_bytes(b, 0, a, 0, 5000)), Status::ok);
}

TEST_CASE("a clone with a UUID of one's own: create device with clone=UUID") {
  for (const bool in_transaction : {false, true}) {
    Desk desk;
    const Uuid a = desk.create("a", "size=5000");
    desk.one.ask(Program().write_bytes(a, 100, bytes("text")));
    desk.one.ask(Program().protect_device(a, true));
    Uuid b = a;
    b.data[0] ^= 1;
    const std::string clones = "clone=" + to_string(a);
    if (in_transaction) CHECK_EQ(desk.one.status(Program().begin()), Status::ok);
    CHECK_EQ(desk.one.ask(Program().create_device("b", {}, clones, b)).uuid(), b);
    CHECK_EQ(desk.one.ask(Program().read_bytes(implied, 100, 4)).result,
             (std::vector<std::uint8_t>{'t', 'e', 'x', 't'}));  // it is the current one
    CHECK_EQ(desk.one.status(Program().write_byte(b, 0, 1)), Status::ok);
    if (in_transaction) CHECK_EQ(desk.one.status(Program().commit()), Status::ok);
    CHECK_EQ(desk.one.ask(Program().read_length(b)).number(), 5000);
    CHECK_EQ(desk.one.ask(Program().read_byte(a, 0)).result, filled(1, 0));
    CHECK_EQ(desk.one.status(Program().create_device("c", {}, clones, b)), Status::exists);
    CHECK_EQ(desk.one.status(Program().read_length()), Status::no_current_device);
    CHECK_EQ(desk.one.status(Program().create_device("b", {}, clones)), Status::exists);
    CHECK_EQ(desk.one.status(Program().create_device("c", "columns", clones)), Status::bad_text);
    CHECK_EQ(desk.one.status(Program().create_device("c", {}, "clone=" + to_string(nobody))), Status::not_found);
    CHECK_EQ(desk.one.status(Program().create_device("c", {}, clones)), Status::ok);
    CHECK_EQ(desk.one.status(Program().roll_back_device(b, a)), Status::ok);  // they are of one family
    CHECK_EQ(desk.one.ask(Program().read_byte(b, 0)).result, filled(1, 0));
  }
}

TEST_CASE("metadata covers all 64 bits of offset") {
  Desk desk;
  const Uuid a = desk.create("a");
  const std::uint64_t last = ~std::uint64_t{0};
  CHECK_EQ(desk.one.status(Program().write_metadata(a, last, 42)), Status::ok);
  CHECK_EQ(desk.one.ask(Program().read_metadata_bytes(a, last - 1, 2)).result, std::vector<std::uint8_t>{0, 42});
  CHECK_EQ(desk.one.status(Program().read_metadata_bytes(a, last, 2)), Status::out_of_range);
  CHECK_EQ(desk.one.status(Program().read_metadata_bytes(a, last, 0)), Status::ok);
  CHECK_EQ(desk.one.status(Program().check_metadata_bytes(a, last, filled(1, 42))), Status::ok);
  CHECK_EQ(desk.one.status(Program().check_metadata_bytes(a, 0, filled(1, 42))), Status::mismatch);
  CHECK_EQ(desk.one.status(Program().clear_metadata(a, 1, last)), Status::ok);
  CHECK_EQ(desk.one.status(Program().clear_metadata(a, 2, last)), Status::out_of_range);
  CHECK_EQ(desk.one.ask(Program().read_metadata(a, last)).result, filled(1, 0));
  CHECK_EQ(desk.one.ask(Program().read_length()).number(), 0);
}

TEST_CASE("copies are as if the whole source were read first") {
  for (const std::uint64_t unit : {1u, 4096u}) {
    Desk desk;
    const Uuid a = desk.create("a");
    std::vector<std::uint8_t> expected(20 * unit);
    for (std::size_t i = 0; i < expected.size(); ++i) expected[i] = static_cast<std::uint8_t>(i / unit + i);
    desk.one.ask(Program().write_bytes(a, 0, expected));
    for (const auto& [from, to] : {std::pair<std::uint64_t, std::uint64_t>{0, 3}, {6, 2}}) {
      std::vector<std::uint8_t> moved(expected.begin() + static_cast<std::ptrdiff_t>(from * unit),
                                      expected.begin() + static_cast<std::ptrdiff_t>((from + 12) * unit));
      std::copy(moved.begin(), moved.end(), expected.begin() + static_cast<std::ptrdiff_t>(to * unit));
      CHECK_EQ(desk.one.status(Program().copy_bytes(a, from * unit, a, to * unit, 12 * unit)), Status::ok);
      CHECK_EQ(desk.one.ask(Program().read_bytes(a, 0, static_cast<std::uint32_t>(expected.size()))).result, expected);
    }
  }
}

TEST_CASE("over the largest transfer only whole blocks are copied") {
  Desk desk;
  const Uuid a = desk.create("a");
  const Uuid b = desk.create("b");
  const std::uint64_t large = std::uint64_t{1} << 40;
  desk.one.ask(Program().write_length(a, large).write_byte(a, large - 1, 'z'));
  CHECK_EQ(desk.one.status(Program().copy_bytes(a, 0, b, 4096, large)), Status::ok);
  CHECK_EQ(desk.one.ask(Program().read_byte(b, large + 4095)).text(), "z");
  CHECK_EQ(desk.one.status(Program().copy_bytes(a, 0, b, 1, large)), Status::too_large);
  CHECK_EQ(desk.one.status(Program().copy_bytes(a, 0, b, 0, (32u << 20) + 1)), Status::too_large);
  CHECK_EQ(desk.one.status(Program().copy_bytes(a, 0, b, 1, 32u << 20)), Status::ok);
}

TEST_CASE("clones and snapshots share no fate") {
  Desk desk;
  const Uuid a = desk.create("a");
  desk.one.ask(Program().write_bytes(a, 0, bytes("one")).write_metadata(a, 5, 6).write_columns(a, "x int"));
  const Uuid clone = desk.one.ask(Program().clone_device(a, "clone")).uuid();
  CHECK_EQ(desk.one.ask(Program().read_length()).number(), 3);
  desk.one.ask(Program().write_bytes(a, 0, bytes("two")).write_metadata(a, 5, 7).write_columns(a, "y int"));
  CHECK_EQ(desk.one.ask(Program().read_bytes(clone, 0, 3)).text(), "one");
  CHECK_EQ(desk.one.ask(Program().read_metadata(clone, 5)).result, filled(1, 6));
  CHECK_EQ(desk.one.ask(Program().read_columns(clone)).text().substr(4), "x int");
  CHECK_EQ(desk.one.status(Program().roll_back_device(a, clone)), Status::ok);
  CHECK_EQ(desk.one.ask(Program().read_bytes(a, 0, 3)).text(), "one");
  CHECK_EQ(desk.one.ask(Program().open_device("a")).uuid(), a);
  const Uuid stranger = desk.create("stranger");
  CHECK_EQ(desk.one.status(Program().roll_back_device(a, stranger)), Status::unsupported);

  const auto pairs = std::to_array<Program::DeviceName>({{a, "s1"}, {clone, "s2"}});
  const Reply made = desk.one.ask(Program().snapshot(pairs));
  REQUIRE_EQ(made.result.size(), 32);
  CHECK_EQ(desk.one.ask(Program().open_device("s2")).text(), made.text().substr(16));
  const auto twice = std::to_array<Program::DeviceName>({{a, "t1"}, {clone, "t1"}});
  CHECK_EQ(desk.one.status(Program().snapshot(twice)), Status::exists);
  CHECK_EQ(desk.one.status(Program().open_device("t1")), Status::not_found);
}

TEST_CASE("a protected device is read only") {
  Desk desk;
  const Uuid a = desk.create("a");
  desk.one.ask(Program().write_bytes(a, 0, bytes("abc")).protect_device(a, true));
  const auto refused = std::to_array<Program>({
      Program().write_byte(a, 0, 1),
      Program().swap_byte(a, 0, 1),
      Program().append_bytes(a, bytes("x")),
      Program().clear_extents(a, 0, 1),
      Program().write_length(a, 0),
      Program().write_columns(a, "x"),
      Program().write_metadata(a, 0, 1),
      Program().clear_metadata(a, 0, 1),
      Program().copy_bytes(a, 0, a, 1, 1),
      Program().delete_device(a),
      Program().delete_device_by_force(a),
  });
  for (const Program& program : refused) CHECK_EQ(desk.one.status(program), Status::read_only);
  CHECK_EQ(desk.one.ask(Program().read_bytes(a, 0, 3)).text(), "abc");
  const Uuid clone = desk.one.ask(Program().clone_device(a, "clone")).uuid();
  CHECK_EQ(desk.one.status(Program().write_byte(clone, 0, 1)), Status::ok);
  CHECK_EQ(desk.one.status(Program().protect_device(a, false)), Status::ok);
  CHECK_EQ(desk.one.status(Program().write_byte(a, 0, 1)), Status::ok);
}

TEST_CASE("digests and lists") {
  Desk desk;
  const Uuid a = desk.create("a");
  const std::vector<std::uint8_t> content = filled(20'000'000, 3);
  desk.one.ask(Program().write_bytes(a, 5000, content));
  std::vector<std::uint8_t> expected(32);
  std::vector<std::uint8_t> whole(5000);
  whole.insert(whole.end(), content.begin(), content.end());
  SHA256(whole.data(), whole.size(), expected.data());
  CHECK_EQ(desk.one.ask(Program().read_digest(a, 0, whole.size())).result, expected);

  for (const char* name : {"disk1", "disk2", "disk3", "other"}) desk.create(name);
  const Reply listed = desk.one.ask(Program().list_devices("disk", "disk1", 1));
  CHECK_EQ(listed.result[0], 1);
  CHECK_EQ(listed.text().substr(4 + 16 + 2), "disk2");
  CHECK_EQ(desk.one.ask(Program().list_devices("", "", 0)).result, filled(4, 0));
}

TEST_CASE("where several statuses apply the first of the contract's order is answered") {
  Desk desk;
  const Uuid a = desk.create("a", "size=10");
  desk.create("b");
  const std::string bad = "\n";
  CHECK_EQ(desk.one.status(Program().rename_device(nobody, bad)), Status::not_found);
  CHECK_EQ(desk.one.status(Program().open_device(bad)), Status::not_found);
  CHECK_EQ(desk.one.status(Program().create_device(bad, "", "", a)), Status::bad_text);
  CHECK_EQ(desk.one.status(Program().create_device("b", "", "colour=red")), Status::bad_text);
  CHECK_EQ(desk.one.status(Program().read_block(a, 3 + 4096)), Status::misaligned);
  CHECK_EQ(desk.one.status(Program().check_byte(a, 100, 1)), Status::out_of_range);
  desk.one.ask(Program().protect_device(a, true));
  CHECK_EQ(desk.one.status(Program().write_byte(a, 100, 1)), Status::read_only);
  CHECK_EQ(desk.one.status(Program().write_byte(implied, implied, 1)), Status::no_cursor);
  CHECK_EQ(desk.one.status(Program().copy_bytes(nobody, 0, nobody, 1, 64u << 20)), Status::too_large);
}

TEST_CASE("what is not there yet, and what no session may send") {
  Desk desk;
  CHECK_EQ(desk.one.status(Program().extension(0x77, bytes("abc"))), Status::unsupported);
  CHECK_EQ(desk.one.status(Program().extension(0x80, bytes("abc"))), Status::denied);
  CHECK_EQ(desk.one.status(Program().extension(0xFF, {})), Status::denied);
  const Reply hello = desk.one.ask(Program().hello());
  CHECK_EQ(hello.result.size(), 31);
  CHECK_EQ(desk.one.status(Program().hello(bytes("secret"))), Status::denied);
}

TEST_CASE("messages say what was wrong and where") {
  Desk desk;
  const Uuid a = desk.create("ledger");
  const auto has = [](const Reply& reply, std::string_view text) {
    CAPTURE(reply.message);
    CHECK_NE(reply.message.find(text), std::string::npos);
  };
  const Reply range = desk.one.ask(Program().read_bytes(a, 77, 5));
  has(range, "\"ledger\"");
  has(range, "77");
  desk.one.ask(Program().append_bytes(a, bytes("abc")));
  has(desk.one.ask(Program().check_bytes(a, 0, bytes("abx"))), "offset 2");
  has(desk.one.ask(Program().select_device(nobody)), "09090900-0000");
  has(desk.one.ask(Program().read_bytes(a, 0, ~0u)), "33554432");
}

TEST_CASE("a store without room fails the instruction that needs it and no other") {
  Desk desk({.most_bytes = 4 << 20, .make = {}});
  const Uuid a = desk.create("a");
  const Uuid b = desk.create("b");
  CHECK_EQ(desk.one.status(Program().write_bytes(a, 0, filled(3 << 20, 1))), Status::ok);
  CHECK_EQ(desk.one.status(Program().write_bytes(b, 0, filled(2 << 20, 2))), Status::no_space);
  CHECK_EQ(desk.one.ask(Program().read_length(b)).number(), 0);
  CHECK_EQ(desk.one.status(Program().write_bytes(a, 4096, filled(2 << 20, 3))), Status::ok);
  CHECK_EQ(desk.one.status(Program().delete_device(a)), Status::ok);
  CHECK_EQ(desk.one.status(Program().write_bytes(b, 0, filled(3 << 20, 2))), Status::ok);
}

}  // namespace
}  // namespace chimera::vm::testing
