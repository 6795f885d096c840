// A bitmap of the free-space map that cannot be read, or is damaged: what still goes on, and what is told to whom.

#include <doctest/doctest.h>

#include <array>
#include <memory>
#include <vector>

#include "tests/devices/bad_block.h"
#include "tests/devices/pool_rig.h"

namespace chimera::devices::testing {
namespace {

constexpr std::uint64_t two_groups = 2 * group_blocks;

Program two_devices() {
  return Program()
      .create_device("d", {}, {}, table)
      .write_bytes(table, 0, pattern(1, 2 * mebi))
      .create_device("other", {}, {}, log)
      .write_bytes(log, 0, pattern(2, mebi));
}

/// The current home of a group's bitmap.
std::uint64_t bitmap_of(PoolRig& rig, std::uint32_t group) {
  return SpaceMap::home(0, group, rig.space().group_entry(group).home());
}

/// The group that most blocks are used of.
std::uint32_t fullest(PoolRig& rig) {
  return rig.space().group_entry(0).free() < rig.space().group_entry(1).free() ? 0 : 1;
}

Status status_of(PoolRig& rig, const Program& program) { return rig.run(program).back().status; }

TEST_CASE("a bitmap that cannot be read: who needs it is told, and it is tried again for the next") {
  BadBlockRig bad_rig(two_devices());
  PoolRig& rig = bad_rig.rig;
  bad_rig.spoil(bitmap_of(rig, 0));

  // Two at a time, and then another one.
  const Program write = Program().write_bytes(table, 0, pattern(3, 9000));
  std::array<std::unique_ptr<vm::Session>, 2> sessions{rig.machine->connect(), rig.machine->connect()};
  for (const auto& session : sessions) session->feed(write.bytes());
  for (const auto& session : sessions) {
    rig.wait_for(*session);
    const Reply reply = replies_of(write, session->answers()).front();
    CHECK_EQ(reply.status, Status::io_error);
    CHECK_NE(reply.message.find("free space"), std::string::npos);
  }
  for (auto& session : sessions) session.reset();
  const std::uint64_t reads = rig.disk.started(io::DiskRequest::Kind::read);
  CHECK_EQ(status_of(rig, write), Status::io_error);
  CHECK_GT(rig.disk.started(io::DiskRequest::Kind::read), reads);
  rig.run_well(Program().check_bytes(table, 0, pattern(1, 2 * mebi)).sync());

  // What needs no block goes well, but cannot be made durable.
  rig.run_well(Program().rename_device(log, "another"));
  for (int n = 0; n < 2; ++n) CHECK_EQ(status_of(rig, Program().sync()), Status::io_error);
  CHECK_EQ(status_of(rig, Program().delete_device(log)), Status::io_error);
  rig.settle();
  CHECK_FALSE(rig.pool().failed());

  bad_rig.heal();
  rig.run_well(Program().append(instructions_of(write.bytes()).front()).sync());
  bad_rig.open();
  rig.run_well(Program().open_device("another").check_bytes(table, 0, pattern(3, 9000)));
  CHECK_EQ(first_problem(rig.check()), "");
}

/// A store of two groups, one of which has all the blocks; its bitmap cannot be had.
class TwoGroups {
 public:
  TwoGroups() : image_(two_groups) {
    PoolRig rig(two_groups, 1, {.journal_bytes = 0});
    rig.run_well(two_devices().sync());
    group = fullest(rig);
    home = bitmap_of(rig, group);
    rig.settle();
    rig.close();
    image_ = rig.disk.content();
  }
  [[nodiscard]] const io::DiskImage& image() const { return image_; }

  std::uint32_t group = 0;
  std::uint64_t home = 0;

 private:
  io::DiskImage image_;
};

/// Overwrites what lies in the group, deletes the rest of it, and makes that durable, again and again.
void work_beside(PoolRig& rig) {
  for (std::uint64_t n = 0; n < 4; ++n) {
    rig.run_well(Program().write_bytes(table, n * 100'000, pattern(10 + n, 300'000)).sync());
  }
  rig.run_well(Program().delete_device(log).sync());
  rig.settle();
  rig.sync();
  CHECK_EQ(rig.pool().grave_count(), 0);
  CHECK_FALSE(rig.pool().failed());
}

TEST_CASE("beside a group whose bitmap cannot be read, all goes on; what is freed there is remembered") {
  const TwoGroups store;
  BadBlockRig bad_rig(store.image());
  PoolRig& rig = bad_rig.rig;
  bad_rig.spoil(store.home);
  work_beside(rig);
  const std::uint64_t free = rig.space().free_count();
  SUBCASE("and booked when it can be read again") {
    bad_rig.heal();
    rig.run_well(Program().write_byte(table, 0, 1).sync());
    CHECK_GT(rig.space().free_count(), free + 256);
    CHECK_EQ(first_problem(rig.check()), "");
    bad_rig.open();
    CHECK_EQ(first_problem(rig.check()), "");
  }
  SUBCASE("and given up where it turns out to be damaged") {
    bad_rig.heal();
    rig.disk.flip_bit(store.home, 20'000);
    (void)rig.run(Program().write_bytes(table, 0, pattern(20, 9000)).sync());
    rig.settle();
    CHECK_FALSE(rig.pool().failed());
    rig.run_well(Program().write_bytes(table, 0, pattern(21, 9000)).sync().check_bytes(table, 0, pattern(21, 9000)));
    CHECK_GT(rig.space().lost_count(), 0);
    const std::uint64_t problems = rig.check().problem_count;
    CHECK_GT(problems, 0);
  }
  SUBCASE("for as long as the store is open: then it belongs to nobody") {
    bad_rig.open();
    bad_rig.heal();
    const CheckReport report = rig.check();
    CHECK_GT(report.leaked_blocks, 256);
    CHECK_EQ(report.problem_count, report.leaked_blocks);
  }
}

TEST_CASE("a group whose bitmap is damaged is left out, and all goes on beside it") {
  const TwoGroups store;
  io::DiskImage image = store.image();
  image.flip_bit(store.home, 20'000);
  PoolRig rig(std::move(image));
  work_beside(rig);
  // Nothing of it is given out: there is room for what one group holds, and then no more.
  CHECK_LE(rig.space().free_count(), group_blocks);
  rig.run_well(Program().create_device("large", {}, {}, numbered(3)));
  Reply last;
  std::uint64_t written = 0;
  for (; written < 40; ++written) {
    last = rig.run(Program().write_bytes(numbered(3), written * 4 * mebi, pattern(100 + written, 4 * mebi))).front();
    if (!last.ok()) break;
  }
  CHECK_EQ(last.status, Status::corrupt);
  CHECK_GT(written, 25);
  CHECK_LT(written, 32);
  rig.run_well(Program().delete_device(numbered(3)).sync());
  rig.settle();
  rig.reopen();
  const CheckReport report = rig.check();
  CHECK_EQ(report.bad_checksums, 1);
  CHECK_EQ(report.problem_count, 1);
  for (std::uint64_t n = 0; n < 4; ++n) {
    const std::vector<std::uint8_t> bytes = pattern(10 + n, n < 3 ? 100'000 : 300'000);
    rig.run_well(Program().check_bytes(table, n * 100'000, bytes));
  }
}

TEST_CASE("where the only bitmap is damaged the store is read, and refuses what takes space") {
  PoolRig rig(smallest_store_blocks, 1, {.journal_bytes = 0});
  rig.run_well(two_devices().sync());
  const std::uint64_t home = bitmap_of(rig, 0);
  rig.close();
  rig.disk.flip_bit(home, 100);
  rig.open();
  for (const Program& program :
       {Program().write_byte(table, 0, 1), Program().create_device("new"), Program().delete_device(log),
        Program().clone_device(table, "clone"), Program().clear_extents(table, 0, mebi)}) {
    const Reply reply = rig.run(program).front();
    CHECK_EQ(reply.status, Status::corrupt);
    CHECK_NE(reply.message.find("free space"), std::string::npos);
  }
  rig.run_well(Program().check_bytes(table, 0, pattern(1, 2 * mebi)).sync().rename_device(log, "another"));
  CHECK_EQ(status_of(rig, Program().sync()), Status::io_error);
  rig.settle();
  rig.reopen();
  rig.run_well(Program().open_device("other").check_bytes(log, 0, pattern(2, mebi)));
}

}  // namespace
}  // namespace chimera::devices::testing
