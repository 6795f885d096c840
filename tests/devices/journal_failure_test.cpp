// The journal cannot be written.

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <vector>

#include "tests/devices/journal_rig.h"

namespace chimera::devices::testing {
namespace {

using Kind = io::DiskRequest::Kind;

struct Failure {
  const char* what;
  std::function<bool(const io::DiskRequest&, const Superblock&)> hits;
};

bool in_ring(const io::DiskRequest& request, const Superblock& superblock) {
  return request.first_block >= superblock.journal_first_block &&
         request.first_block - superblock.journal_first_block < superblock.journal_blocks;
}

const Failure failures[] = {
    {"a record",
     [](const auto& request, const auto& at) { return request.kind == Kind::write && in_ring(request, at); }},
    {"a block that a record names",
     [](const auto& request, const auto& at) { return request.kind == Kind::write && !in_ring(request, at); }},
    {"a flush", [](const auto& request, const auto&) { return request.kind == Kind::flush; }},
};

TEST_CASE("the journal cannot be written: flushes say so, nothing more is taken, and nothing acknowledged is lost") {
  for (const Failure& failure : failures) {
    CAPTURE(failure.what);
    JournalRig journal;
    PoolRig& rig = journal.rig;
    const Uuid device = rig.create("d");
    rig.run_well(Program().write_bytes(device, 0, pattern(1, 30'000)).sync());
    std::vector<Content> allowed{journal.content()};
    const Superblock superblock = journal.superblock();
    journal.disk.fails_at = [&](const io::DiskRequest& request) { return failure.hits(request, superblock); };
    rig.run_well(Program().write_bytes(device, 100, pattern(2, 50)));
    allowed.push_back(journal.content());
    // Of so many blocks that the record names them.
    rig.run_well(Program().write_bytes(device, 4000, pattern(3, 40'000)));
    allowed.push_back(journal.content());

    // Two who wait for the same record.
    std::unique_ptr<vm::Session> other = rig.machine->connect();
    other->feed(Program().flush_device(device).bytes());
    const Reply failed = rig.run(Program().sync()).front();
    CHECK_EQ(failed.status, Status::io_error);
    CHECK_NE(failed.message, "");
    rig.wait_for(*other);
    CHECK_EQ(replies_of(Program().flush_device(device), other->answers()).front().status, Status::io_error);
    other.reset();
    CHECK(rig.pool().failed());
    const std::uint64_t writes = rig.disk.started(Kind::write);
    const std::uint64_t flushes = rig.disk.started(Kind::flush);
    const Program changes =
        Program().write_byte(device, 0, 1).append_bytes(device, pattern(4, 9000)).create_device("e").sync();
    for (const Reply& reply : rig.run(changes)) CHECK_EQ(reply.status, Status::io_error);
    rig.settle();
    CHECK_EQ(difference(allowed.back(), journal.content()), "");
    CHECK_EQ(rig.machine->sync(), Status::io_error);
    CHECK_EQ(rig.disk.started(Kind::write), writes);
    CHECK_EQ(rig.disk.started(Kind::flush), flushes);

    const io::CrashImages images = rig.disk.crash_images({.enumerate_up_to = 0, .most_singles = 8, .samples = 16});
    for (std::size_t index = 0; index < images.size(); ++index) {
      CAPTURE(images.describe(index));
      Recovered recovered(images.at(index));
      REQUIRE_EQ(recovered.error, "");
      CHECK(std::ranges::find(allowed, recovered.content()) != allowed.end());
    }
    // The same disk, whose cache may know more than the medium.
    journal.close();
    rig.disk.clear_faults();
    journal.open();
    CHECK(std::ranges::find(allowed, journal.content()) != allowed.end());
    rig.run_well(Program().write_bytes(device, 0, pattern(5, 40'000)).sync());
    Recovered after(journal.crash());
    REQUIRE_EQ(after.error, "");
    CHECK_EQ(difference(journal.content(), after.content()), "");
    CHECK_EQ(first_problem(rig.check()), "");
  }
}

}  // namespace
}  // namespace chimera::devices::testing
