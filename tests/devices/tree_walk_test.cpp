// What is read off the maps alone, where it is more than one answer holds, and where a map cannot be read.

#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <vector>

#include "devices/reference_counts.h"
#include "tests/devices/bad_block.h"
#include "tests/devices/pool_rig.h"

namespace chimera::devices::testing {
namespace {

constexpr std::uint64_t walked_blocks = (512 * mebi) / block_size;

using Look = std::function<Outcome(Waiter&, std::uint64_t offset, std::uint64_t count, std::vector<Extent>&)>;

/// Everything, in as many answers as it takes; neighbours that are alike are joined.
std::vector<Extent> all_of(PoolRig& rig, std::uint64_t length, const Look& look, unsigned& answers) {
  std::vector<Extent> all;
  for (std::uint64_t offset = 0; offset < length; ++answers) {
    std::vector<Extent> extents;
    const Outcome outcome = finish(rig.loop, rig.store(), [&](Waiter& waiter) {
      extents.clear();
      return look(waiter, offset, length - offset, extents);
    });
    REQUIRE(outcome.is_ready());
    REQUIRE_FALSE(extents.empty());
    REQUIRE_LE(extents.size(), limits::most_extents);
    for (const Extent& extent : extents) {
      offset += extent.length;
      if (!all.empty() && all.back().flags == extent.flags) {
        all.back().length += extent.length;
      } else {
        all.push_back(extent);
      }
    }
  }
  return all;
}

/// One block in so many is there, in a device that was cloned before.
void check_sparse(std::uint64_t count, std::uint64_t stride, unsigned least_answers, unsigned least_comparisons) {
  PoolRig rig(walked_blocks);
  const Uuid uuid = rig.create("d");
  const Uuid clone = rig.clone(uuid, "empty");
  for (std::uint64_t n = 0; n < count;) {
    Program program;
    for (unsigned some = 0; some < 500 && n < count; ++some, ++n) program.write_byte(uuid, n * stride, 1);
    rig.run_well(program);
  }
  rig.run_well(Program().write_length(uuid, count * stride));
  Device& device = *rig.store().find(uuid);
  Device& empty = *rig.store().find(clone);
  unsigned answers = 0;
  const std::vector<Extent> extents = all_of(
      rig, count * stride,
      [&](Waiter& waiter, std::uint64_t offset, std::uint64_t length, std::vector<Extent>& out) {
        return device.extents(waiter, Plane::data, offset, length, out);
      },
      answers);
  CHECK_GE(answers, least_answers);
  REQUIRE_EQ(extents.size(), 2 * count);
  unsigned comparisons = 0;
  const std::vector<Extent> differences = all_of(
      rig, count * stride,
      [&](Waiter& waiter, std::uint64_t offset, std::uint64_t length, std::vector<Extent>& out) {
        return device.differences(waiter, empty, offset, length, out);
      },
      comparisons);
  CHECK_GE(comparisons, least_comparisons);
  REQUIRE_EQ(differences.size(), 2 * count);
  bool as_expected = true;
  for (std::size_t n = 0; n < 2 * count; ++n) {
    const std::uint64_t length = n % 2 == 0 ? block_size : stride - block_size;
    as_expected = as_expected && extents[n].length == length && differences[n].length == length;
    as_expected = as_expected && extents[n].flags == (n % 2 == 0 ? 0 : Extent::hole | Extent::zeros);
    as_expected = as_expected && differences[n].flags == (n % 2 == 0 ? Extent::differ : 0);
  }
  CHECK(as_expected);
}

TEST_CASE("more pieces than an answer has are gone on with, and none is lost") {
  check_sparse(limits::most_extents / 2 + 500, 2 * block_size, 2, 2);
}

TEST_CASE("more leaves than one call looks at are gone on with, and none is lost") { check_sparse(2100, mebi, 2, 2); }

TEST_CASE("a map whose checksums are taken a few at a time may change meanwhile") {
  constexpr std::uint64_t leaves = 1000;
  PoolRig rig(walked_blocks);
  const Uuid uuid = rig.create("d");
  std::vector<std::uint8_t> expected(leaves, 1);
  for (std::uint64_t n = 0; n < leaves;) {
    Program program;
    for (unsigned some = 0; some < 500 && n < leaves; ++some, ++n) program.write_byte(uuid, n * mebi, 1);
    rig.run_well(program);
  }
  rig.store().pool()->want_checkpoint();
  // Each of these lets the checkpoint go on for a turn or two, of which it needs a dozen before it freezes the state:
  // the bytes lie in leaves that it has passed, and in some that it has not.
  for (std::uint64_t n = 0; n < 64; ++n) {
    const std::uint64_t leaf = n * 37 % leaves;
    expected[leaf] = static_cast<std::uint8_t>(n + 2);
    rig.run_well(Program().write_byte(uuid, leaf * mebi, expected[leaf]));
  }
  rig.run_well(Program().sync());
  rig.reopen();
  bool as_expected = true;
  for (std::uint64_t n = 0; n < leaves; ++n) {
    const Reply reply = rig.run_well(Program().read_byte(uuid, n * mebi));
    as_expected = as_expected && reply.result.at(0) == expected[n];
  }
  CHECK(as_expected);
}

TEST_CASE("a map that cannot be read fails what is read off it, and nothing else") {
  const auto numbered = [](std::uint8_t number) {
    Uuid uuid{};
    uuid.data[15] = number;
    return uuid;
  };
  const Uuid wide = numbered(1);
  BadBlockRig bad(Program()
                      .create_device("wide", {}, {}, wide)
                      .write_bytes(wide, 0, pattern(1, 20'000))
                      .write_bytes(wide, 3 * mebi, pattern(2, 20'000))
                      .clone_device(wide, "clone")
                      .write_bytes(wide, 3 * mebi, pattern(3, 20'000)));
  const Uuid other = bad.rig.store().find("clone")->uuid();
  const auto status_of = [&](const Program& program) { return bad.rig.run(program).front().status; };
  for (const bool root : {true, false}) {
    bad.open();
    root ? bad.spoil_root("wide") : bad.spoil_block("wide", 3);
    CHECK_EQ(status_of(Program().read_extents(wide, 0, 3 * mebi + 20'000)), Status::io_error);
    CHECK_EQ(status_of(Program().compare_devices(wide, other, 0, 3 * mebi + 20'000)), Status::io_error);
    CHECK_EQ(status_of(Program().compare_devices(other, wide, 0, 3 * mebi + 20'000)), Status::io_error);
    bad.rig.run_well(Program().read_extents(other, 0, 3 * mebi + 20'000));
    bad.heal();
    bad.rig.run_well(Program().compare_devices(wide, other, 0, 3 * mebi + 20'000));
  }
}

TEST_CASE("counts that cannot be read fail what would change them, and are read when what is shared goes") {
  BadBlockRig bad(
      Program().create_device("d").write_bytes(implied, 0, pattern(1, 100'000)).clone_device(implied, "clone"));
  PoolRig& rig = bad.rig;
  const Uuid device = rig.store().find("d")->uuid();
  const Uuid clone = rig.store().find("clone")->uuid();
  // The clone gets a node of its own, whose blocks are shared.
  rig.run_well(Program().write_bytes(clone, 0, pattern(2, 5000)).sync());
  bad.open();
  bad.spoil(rig.pool().blocks().references().root().slot.address());
  CHECK_EQ(rig.run(Program().write_bytes(device, 5, pattern(3, 100))).front().status, Status::io_error);
  rig.run_well(Program().check_bytes(clone, 0, pattern(2, 5000)));
  bad.heal();
  rig.run_well(Program().write_bytes(device, 5, pattern(3, 100)).sync());
  bad.open();
  rig.run_well(Program().delete_device(clone).sync());
  rig.settle();
  CHECK_EQ(rig.pool().grave_count(), 0);
  CHECK_EQ(first_problem(rig.check()), "");
}

/// As many as would fill more than its part, if each read ahead as far as it may.
TEST_CASE("the reads ahead of many sessions take no more than their part of the cache, and all are answered") {
  constexpr std::uint64_t pieces = 18;
  constexpr std::size_t count = 4;
  PoolRig rig(walked_blocks);
  const Uuid device = rig.create("d");
  const std::vector<std::uint8_t> piece = pattern(1, mebi);
  for (std::uint64_t n = 0; n < count * pieces; ++n) rig.run_well(Program().write_bytes(device, n * mebi, piece));
  rig.checkpoint();
  rig.reopen();
  std::vector<std::unique_ptr<vm::Session>> sessions;
  std::vector<Program> programs(count);
  for (std::size_t session = 0; session < count; ++session) {
    sessions.push_back(rig.machine->connect());
    for (std::uint64_t n = 0; n < pieces; ++n) {
      programs[session].check_bytes(device, (session * pieces + n) * mebi, piece);
    }
    sessions.back()->feed(programs[session].bytes());
  }
  for (std::size_t session = 0; session < count; ++session) {
    rig.wait_for(*sessions[session]);
    for (const Reply& reply : replies_of(programs[session], sessions[session]->answers())) CHECK(reply.ok());
  }
}

}  // namespace
}  // namespace chimera::devices::testing
