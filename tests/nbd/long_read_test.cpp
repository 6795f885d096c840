// Long reads: without a session, and sent from where their bytes lie.

#include <algorithm>
#include <utility>

#include "tests/nbd/disk_rig.h"

namespace chimera::nbd::testing {
namespace {

TEST_CASE("a long read takes no session either, and its reply leaves from where its bytes lie") {
  DiskRig rig(1);
  rig.takes_part_percent = 0;
  const std::uint64_t sessions = rig.measured("sessions");
  constexpr std::uint64_t size = 100 * block_size;
  const auto check_reply = [&](std::uint64_t number) {
    const auto replies = rig.take_replies();
    REQUIRE_EQ(replies.size(), 1);
    CHECK_EQ(replies.front().cookie, size << 32 | number);
    for (std::uint64_t block = 0; block < 100; ++block) {
      const auto at = replies.front().data.begin() + static_cast<std::ptrdiff_t>(block * block_size);
      CHECK(std::equal(at, at + block_size, block_bytes(block, 1).begin()));
    }
  };
  // From the disk.
  rig.say(read_of(0, size, 1));
  CHECK(rig.received.empty());
  rig.settle();
  CHECK_EQ(rig.left_whole, 1);
  check_reply(1);
  // From memory. Whoever brings the bytes may do something else before the next one.
  const std::uint64_t found = rig.measured("cache_found_total");
  rig.say(read_of(0, size, 2) + read_of(0, size, 3));
  CHECK_EQ(rig.measured("cache_found_total"), found + 100);
  CHECK_EQ(rig.left_whole, 2);
  CHECK_EQ(rig.unread.size(), request_size);
  CHECK(rig.conversation->output().empty());
  CHECK_FALSE(rig.conversation->takes_input());
  check_reply(2);
  rig.take_output();
  rig.say({});
  CHECK_EQ(rig.left_whole, 3);
  check_reply(3);
  CHECK_LE(rig.measured("sessions"), sessions);
}

TEST_CASE("a read that has come from the disk is not replied to behind all that sessions have read") {
  DiskRig rig(1, 8 << 20);
  constexpr std::uint64_t size = 300 * block_size;
  static_assert(size > Transmission::most_at_once);
  // The map first.
  rig.say(read_of(599 * block_size, 1, 0));
  rig.settle();
  rig.take_replies();
  for (std::uint64_t n = 0; n < 6; ++n) rig.say(read_of(0, size, n));
  rig.say(read_of(590 * block_size, block_size, 6));
  for (unsigned turns = 0; turns < 1000; ++turns) {
    rig.rig.machine->run_ready();
    rig.rig.loop.step(0);
  }
  rig.settle();
  const auto replies = rig.take_replies();
  REQUIRE_EQ(replies.size(), 7);
  const auto found = std::ranges::find(replies, 1ull * block_size << 32 | 6, &DiskRig::Reply::cookie);
  CHECK_LE(found - replies.begin(), 2);
}

TEST_CASE("of long reads that have come from the disk together one is replied to before others have their turn") {
  DiskRig rig(1);
  rig.takes_part_percent = 0;
  rig.say(read_of(0, 60 * block_size, 1) + read_of(300 * block_size, 60 * block_size, 2));
  for (unsigned turns = 0; turns < 1000 && rig.left_whole == 0; ++turns) {
    while (rig.rig.loop.pending() > 0) rig.rig.loop.step(0);
    if (std::exchange(rig.is_changed, false)) rig.conversation->proceed();
  }
  CHECK_EQ(rig.left_whole, 1);
  rig.conversation->proceed();
  CHECK_EQ(rig.left_whole, 1);
  rig.take_output();
  CHECK(rig.is_changed);
  rig.conversation->proceed();
  CHECK_EQ(rig.left_whole, 2);
}

}  // namespace
}  // namespace chimera::nbd::testing
