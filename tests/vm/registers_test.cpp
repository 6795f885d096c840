// The rules of "Registers": the current device, the cursors, and what failures do to them.

#include "tests/vm/conversation.h"

#include <array>

#include <fmt/format.h>

#include "isa/limits.h"

namespace chimera::vm::testing {
namespace {

const Uuid nobody{{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

TEST_CASE("without a current device what implies one answers 2") {
  Desk desk;
  CHECK_EQ(desk.one.status(Program().read_byte()), Status::no_current_device);
  CHECK_EQ(desk.one.status(Program().select_offset(0)), Status::no_current_device);
  CHECK_EQ(desk.one.status(Program().read_length()), Status::no_current_device);
}

TEST_CASE("an explicit device becomes current, opened with its cursor at 0; an open one keeps its cursor") {
  Desk desk;
  const Uuid a = desk.create("a");
  const Uuid b = desk.create("b");
  CHECK_EQ(desk.one.ask(Program().write_bytes(a, 0, bytes("abc")).write_bytes(b, 0, bytes("xyz"))).status, Status::ok);
  CHECK_EQ(desk.two.ask(Program().read_byte(a)).text(), "a");
  CHECK_EQ(desk.two.ask(Program().read_byte()).text(), "b");
  CHECK_EQ(desk.two.ask(Program().read_byte(b)).text(), "x");
  CHECK_EQ(desk.two.ask(Program().open_device("a").read_byte()).text(), "c");
  CHECK_EQ(desk.two.ask(Program().select_device(b).read_byte()).text(), "y");
}

TEST_CASE("a successful access moves the cursor behind it, also one of no bytes") {
  Desk desk;
  desk.create("a");
  desk.one.ask(Program().append_bytes(implied, bytes("0123456789")));
  CHECK_EQ(desk.one.ask(Program().read_bytes(implied, 2, 3).read_byte()).text(), "5");
  CHECK_EQ(desk.one.ask(Program().read_bytes(implied, 7, 0).read_byte()).text(), "7");
  CHECK_EQ(desk.one.ask(Program().check_bytes(implied, 1, bytes("12")).read_byte()).text(), "3");
  CHECK_EQ(desk.one.ask(Program().read_extents(implied, 4, 2).read_byte()).text(), "6");
  CHECK_EQ(desk.one.ask(Program().swap_byte(implied, 0, 'z').read_byte()).text(), "1");
  CHECK_EQ(desk.one.ask(Program().clear_extents(implied, 8, 1).read_byte()).text(), "9");
  CHECK_EQ(desk.one.ask(Program().append_bytes(implied, bytes("ab")).write_byte(implied, implied, 'c').read_length())
               .number(),
           13);
}

TEST_CASE("metadata moves no cursor") {
  Desk desk;
  desk.create("a");
  Program program;
  program.append_bytes(implied, bytes("012")).select_offset(1);
  program.write_metadata(implied, 77, 5).read_metadata(implied, 77).read_byte();
  CHECK_EQ(desk.one.ask(program).text(), "1");
}

TEST_CASE("failing to reach a device leaves none current") {
  const auto failing = std::to_array<Program>({
      Program().read_byte(nobody, 0),
      Program().write_byte(nobody, 0, 1),
      Program().select_device(nobody),
      Program().open_device("nobody"),
      Program().create_device("a"),
      Program().create_device("b", "", "size=none"),
      Program().read_metadata(nobody, 0),
      Program().copy_bytes(nobody, 0, nobody, 0, 1),
      Program().read_digest(nobody, 0, 0),
      Program().read_bytes(nobody, 0, limits::largest_transfer + 1),
  });
  for (const Program& program : failing) {
    Desk desk;
    desk.create("a");
    CHECK_NE(desk.one.status(program), Status::ok);
    CHECK_EQ(desk.one.status(Program().read_length()), Status::no_current_device);
  }
}

TEST_CASE("a failure behind the device leaves it current") {
  Desk desk;
  const Uuid a = desk.create("a");
  desk.create("b");
  CHECK_EQ(desk.one.status(Program().read_byte(a, 5)), Status::out_of_range);
  CHECK_EQ(desk.one.status(Program().rename_device(a, "b")), Status::exists);
  CHECK_EQ(desk.one.status(Program().write_byte(implied, 0, 1)), Status::ok);
  CHECK_EQ(desk.two.ask(Program().read_length(a)).number(), 1);
}

TEST_CASE("a failed write, swap or append leaves the device without a cursor until an offset is given") {
  const std::vector<std::uint8_t> block(4096);
  const std::span<const std::uint8_t, 4096> whole(block.data(), 4096);
  const auto failing = std::to_array<Program>({
      Program().write_byte(implied, 10000, 1),
      Program().write_bytes(implied, 9999, bytes("ab")),
      Program().write_block(implied, 1, whole),
      Program().swap_byte(implied, 10000, 1),
      Program().swap_bytes(implied, 9999, bytes("ab")),
      Program().swap_block(implied, 1, whole),
      Program().append_bytes(implied, bytes("a")),
      Program().clear_extents(implied, limits::greatest_length, 1),
  });
  for (const Program& program : failing) {
    Desk desk;
    desk.create("a", "size=10000");
    CHECK_NE(desk.one.status(program), Status::ok);
    CHECK_EQ(desk.one.status(Program().read_byte()), Status::no_cursor);
    CHECK_EQ(desk.one.status(Program().write_byte(implied, implied, 1)), Status::no_cursor);
    CHECK_EQ(desk.one.status(Program().open_device("a").read_byte()), Status::no_cursor);
    CHECK_EQ(desk.one.status(Program().read_byte(implied, 3).read_byte()), Status::ok);
  }
}

TEST_CASE("a failed read or check leaves the cursor where it was") {
  Desk desk;
  desk.create("a");
  desk.one.ask(Program().append_bytes(implied, bytes("0123")).select_offset(2));
  CHECK_EQ(desk.one.status(Program().read_bytes(implied, 3, 9)), Status::out_of_range);
  CHECK_EQ(desk.one.status(Program().check_byte(implied, 0, 'x')), Status::mismatch);
  CHECK_EQ(desk.one.status(Program().read_bytes(implied, implied, limits::largest_transfer + 1)), Status::too_large);
  CHECK_EQ(desk.one.ask(Program().read_byte()).text(), "2");
}

TEST_CASE("a copy makes the target current, its cursor at the end") {
  Desk desk;
  const Uuid a = desk.create("a");
  const Uuid b = desk.create("b");
  desk.one.ask(Program().write_bytes(a, 0, bytes("0123456789")).write_bytes(b, 0, bytes("abcdefghij")));
  CHECK_EQ(desk.one.ask(Program().copy_bytes(a, 1, b, 2, 3).read_byte()).text(), "f");
  CHECK_EQ(desk.one.ask(Program().read_bytes(b, 0, 6)).text(), "ab123f");
  CHECK_EQ(desk.one.status(Program().copy_bytes(a, 8, b, 0, 3)), Status::out_of_range);
  CHECK_EQ(desk.one.status(Program().read_byte()), Status::no_cursor);
}

TEST_CASE("closing or deleting leaves no current device; opened again the cursor is at 0") {
  Desk desk;
  const Uuid a = desk.create("a");
  desk.one.ask(Program().append_bytes(implied, bytes("01")).close_device());
  CHECK_EQ(desk.one.status(Program().read_byte()), Status::no_current_device);
  CHECK_EQ(desk.one.ask(Program().read_byte(a)).text(), "0");
  CHECK_EQ(desk.one.status(Program().delete_device()), Status::ok);
  CHECK_EQ(desk.one.status(Program().read_byte()), Status::no_current_device);
  CHECK_EQ(desk.one.status(Program().read_byte(a)), Status::not_found);
}

TEST_CASE("a device that another session has open is busy; by force it goes, and handles answer 3") {
  Desk desk;
  const Uuid a = desk.create("a");
  desk.two.ask(Program().open_device("a"));
  CHECK_EQ(desk.one.status(Program().delete_device()), Status::busy);
  CHECK_EQ(desk.one.status(Program().delete_device_by_force(a)), Status::ok);
  for (int i = 0; i < 2; ++i) {
    CHECK_EQ(desk.two.status(Program().read_length()), Status::not_found);
    CHECK_EQ(desk.two.status(Program().write_byte(implied, 0, 1)), Status::not_found);
    CHECK_EQ(desk.two.status(Program().close_device()), Status::not_found);
  }
  // A new device of the same UUID is another one.
  CHECK_EQ(desk.one.ask(Program().create_device("a", "", "", a).append_bytes(implied, bytes("n"))).status, Status::ok);
  CHECK_EQ(desk.two.status(Program().read_length()), Status::not_found);
  CHECK_EQ(desk.two.ask(Program().read_byte(a)).text(), "n");
  // Closed by the other session, it is not busy any more.
  CHECK_EQ(desk.two.status(Program().close_device()), Status::ok);
  CHECK_EQ(desk.one.status(Program().delete_device(a)), Status::ok);
}

TEST_CASE("a session that goes closes its devices") {
  Desk desk;
  const Uuid a = desk.create("a");
  {
    Conversation three(desk.machine);
    three.ask(Program().open_device("a"));
    CHECK_EQ(desk.one.status(Program().delete_device(a)), Status::busy);
  }
  CHECK_EQ(desk.one.status(Program().delete_device(a)), Status::ok);
}

TEST_CASE("a session opens so many devices and no more") {
  Desk desk;
  std::vector<Uuid> uuids;
  Program program;
  for (std::uint32_t i = 0; i < limits::most_open_devices; ++i) program.create_device(fmt::format("d{}", i));
  for (const Reply& reply : desk.one.ask_all(program)) uuids.push_back(reply.uuid());
  const Uuid other =
      desk.two.ask(Program().create_device("other").append_bytes(implied, bytes("o"))).status == Status::ok
          ? desk.two.ask(Program().open_device("other")).uuid()
          : Uuid{};
  CHECK_EQ(desk.one.status(Program().create_device("one more")), Status::too_many_open);
  CHECK_EQ(desk.one.status(Program().open_device("other")), Status::too_many_open);
  CHECK_EQ(desk.one.status(Program().select_device(other)), Status::too_many_open);
  CHECK_EQ(desk.one.status(Program().read_length()), Status::no_current_device);
  // Those that are open work, and closing one makes room.
  CHECK_EQ(desk.one.status(Program().open_device("d7")), Status::ok);
  CHECK_EQ(desk.one.status(Program().close_device(uuids[123])), Status::ok);
  CHECK_EQ(desk.one.ask(Program().read_byte(other)).text(), "o");
  for (const Uuid& uuid : {uuids[0], uuids[122], uuids[124], uuids.back()}) {
    CHECK_EQ(desk.one.status(Program().read_length(uuid)), Status::ok);
  }
}

TEST_CASE("an offset that is selected is looked at only when it is used") {
  Desk desk;
  desk.create("a");
  for (const std::uint64_t offset : {~std::uint64_t{0}, limits::greatest_length + 1}) {
    CHECK_EQ(desk.one.status(Program().select_offset(offset)), Status::ok);
    CHECK_EQ(desk.one.status(Program().read_byte()), Status::out_of_range);
    CHECK_EQ(desk.one.status(Program().select_offset(offset).read_block()), Status::misaligned);
  }
  CHECK_EQ(desk.one.status(Program().select_offset(std::uint64_t{0} - 4096).read_block()), Status::out_of_range);
}

}  // namespace
}  // namespace chimera::vm::testing
