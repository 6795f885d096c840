// Conversations about a device on a disk: what is read comes from there, what shall be durable is, and a disk that
// fails is told.

#include <map>
#include <set>

#include "tests/nbd/disk_rig.h"

namespace chimera::nbd::testing {
namespace {

std::uint64_t version_in(std::span<const std::uint8_t> bytes) {
  std::uint64_t version = 0;
  std::memcpy(&version, bytes.data() + sizeof version, sizeof version);
  return version;
}

Bytes write_of(std::uint64_t block, std::uint64_t version, std::uint64_t number, bool is_durable) {
  const std::uint16_t flags = is_durable ? command_flags::fua : std::uint16_t{0};
  return request(Command::write, block * block_size, block_size, number, flags) + block_bytes(block, version);
}

/// The maps come into memory, of the device and of free space, so that writes are done at once.
void bring_maps(DiskRig& rig) {
  for (std::uint64_t block = 0; block < blocks; block += 10) rig.say(write_of(block, 2, block, true));
  rig.settle();
  CHECK_EQ(rig.take_replies().size(), blocks / 10);
}

/// A client that has up to some forty requests under way, none of which touches what another one writes, and what it
/// has been told.
class Model {
 public:
  Model(std::uint64_t seed, std::uint64_t cache_bytes)
      : random_(seed), rig_(seed, cache_bytes), longest_(std::min<std::uint64_t>(60, cache_bytes / block_size / 4)) {
    for (std::uint64_t block = 0; block < blocks; ++block) durable_[block] = written_[block] = 1;
  }

  void run() {
    for (unsigned round = 0; round < 400; ++round) {
      for (std::uint64_t n = random_.below(12); n > 0 && asked_.size() < 40; --n) ask();
      for (std::uint64_t n = random_.below(4); n > 0; --n) rig_.turn();
      take();
      if (round % 50 == 49) check_crashes();
    }
    rig_.settle();
    take();
    CHECK(asked_.empty());
    CHECK_GT(durable_writes_, 100);
  }
  [[nodiscard]] std::size_t left_whole() const { return rig_.left_whole; }

 private:
  struct Asked {
    Command command;
    std::uint64_t block = 0;
    std::uint64_t count = 1;  ///< blocks
    std::uint64_t offset = 0;
    std::uint64_t version = 0;
    bool is_durable = false;
    std::map<std::uint64_t, std::uint64_t> covered;  ///< of what shall be durable: what had been answered before
  };

  void ask() {
    Asked one{.command = Command::flush};
    const std::uint64_t number = next_++;
    const std::uint64_t block = random_.below(blocks);
    const std::uint64_t kind = random_.below(100);
    if (kind < 45) {
      one = {.command = Command::read, .block = block};
      const bool is_long = random_.chance(20);
      one.count = std::min(is_long ? 3 + random_.below(longest_) : std::uint64_t{3}, blocks - block);
      one.offset = block * block_size + random_.below(block_size);
      const std::uint64_t most = (block + one.count) * block_size - one.offset;
      for (std::uint64_t at = block; at < block + one.count; ++at) {
        if (writing_.contains(at)) return;
      }
      for (std::uint64_t at = block; at < block + one.count; ++at) ++reading_[at];
      const std::uint64_t varied = random_.below(std::min<std::uint64_t>(most, is_long ? block_size : 2 * block_size));
      rig_.say(read_of(one.offset, is_long ? most - varied : 1 + varied, number));
    } else if (kind < 95) {
      if (writing_.contains(block) || reading_[block] > 0) return;
      one = {.command = Command::write, .block = block, .version = ++last_version_, .is_durable = kind < 75};
      if (one.is_durable) one.covered = written_;
      writing_.insert(block);
      rig_.say(write_of(block, one.version, number, one.is_durable));
    } else {
      one.covered = written_;
      rig_.say(request(Command::flush, 0, 0, number));
    }
    asked_[number] = std::move(one);
  }

  void take() {
    for (const DiskRig::Reply& reply : rig_.take_replies()) {
      REQUIRE_EQ(reply.error, Error::none);
      const auto found = asked_.find(reply.cookie & 0xFFFF'FFFF);
      REQUIRE(found != asked_.end());
      answered(found->second, reply.data);
      asked_.erase(found);
    }
  }

  void answered(const Asked& one, const Bytes& data) {
    switch (one.command) {
      case Command::read: {
        Bytes expected;
        for (std::uint64_t at = one.block; at < one.block + one.count; ++at) {
          expected = std::move(expected) + block_bytes(at, written_[at]);
          --reading_[at];
        }
        const auto from = expected.begin() + static_cast<std::ptrdiff_t>(one.offset - one.block * block_size);
        REQUIRE(std::equal(data.begin(), data.end(), from));
        break;
      }
      case Command::write:
        writing_.erase(one.block);
        written_[one.block] = one.version;
        if (one.is_durable) durable_[one.block] = one.version;
        durable_writes_ += one.is_durable ? 1 : 0;
        break;
      default: break;
    }
    for (const auto& [block, version] : one.covered) durable_[block] = std::max(durable_[block], version);
  }

  /// Whatever a crash leaves at this moment, what was answered as durable is in it, or something later.
  void check_crashes() {
    const io::CrashImages images = rig_.rig.disk.crash_images();
    for (const std::size_t which : {std::size_t{0}, images.size() / 2, images.size() - 1}) {
      PoolRig after(images.at(which));
      after.run_well(Program().open_device("disk"));
      for (const auto& [block, version] : durable_) {
        const auto bytes = after.run_well(Program().read_bytes(implied, block * block_size, block_size)).result;
        REQUIRE_GE(version_in(bytes), version);
        REQUIRE(bytes == block_bytes(block, version_in(bytes)));
      }
    }
  }

  io::SeededRandom random_;
  DiskRig rig_;
  const std::uint64_t longest_;  ///< blocks of a read, about: a part of the cache, which others use, too
  std::map<std::uint64_t, Asked> asked_;
  std::set<std::uint64_t> writing_;
  std::map<std::uint64_t, unsigned> reading_;
  std::map<std::uint64_t, std::uint64_t> written_, durable_;
  std::uint64_t next_ = 0, last_version_ = 1, durable_writes_ = 0;
};

TEST_CASE("reads are of what has been answered as written, and what is answered as durable outlives every crash") {
  // With the smaller cache blocks are pushed out while they are waited for, and there is not memory for all who wait.
  for (const std::uint64_t cache_bytes : {limits::smallest_cache, std::uint64_t{64} * block_size}) {
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
      CAPTURE(cache_bytes);
      CAPTURE(seed);
      Model model(seed, cache_bytes);
      model.run();
      // In the smaller cache there is seldom room for a long read.
      if (cache_bytes == limits::smallest_cache) CHECK_GT(model.left_whole(), 10);
    }
  }
}

TEST_CASE("short reads that miss and durable writes that come together take no session each") {
  DiskRig rig(1);
  std::uint64_t before = rig.measured("sessions");
  std::uint64_t flushes = rig.measured("instructions_total", "flush device");
  Bytes requests;
  for (std::uint64_t n = 0; n < 60; ++n) requests = std::move(requests) + read_of(n * 10 * block_size, block_size, n);
  std::uint64_t shared = 0;
  SUBCASE("reads") {}
  SUBCASE("writes") {
    requests.clear();
    for (std::uint64_t n = 0; n < 60; ++n) requests = std::move(requests) + write_of(n * 10, 2, n, true);
    bring_maps(rig);
    before = rig.measured("sessions");
    flushes = rig.measured("instructions_total", "flush device");
    shared = 1;
  }
  rig.say(requests);
  CHECK_FALSE(rig.conversation->is_waiting_for_client());
  CHECK(rig.conversation->output().empty());
  CHECK_LE(rig.measured("sessions"), before + 1);
  rig.settle();
  CHECK_EQ(rig.take_replies().size(), 60);
  CHECK_EQ(rig.measured("instructions_total", "flush device"), flushes + shared);
}

TEST_CASE("what has come for a client that takes no replies holds no memory of the cache") {
  DiskRig rig(1);
  // The map first, whose nodes lead to 256 blocks each.
  for (std::uint64_t block = 1; block < blocks; block += 256) rig.say(read_of(block * block_size, 1, block));
  rig.settle();
  rig.take_replies();
  const auto evictable = [&] { return rig.rig.pool().blocks().cache().evictable_count(); };
  const std::size_t before = evictable();
  for (std::uint64_t n = 0; n < 40; ++n) rig.say(read_of(n * 15 * block_size, block_size, n));
  CHECK_LT(evictable(), before);
  while (rig.rig.loop.pending() > 0) rig.rig.loop.step(0);
  rig.conversation->proceed();
  CHECK_FALSE(rig.conversation->output().empty());
  CHECK_EQ(evictable(), before);
  rig.settle();
  CHECK_EQ(rig.take_replies().size(), 40);
}

TEST_CASE("a block that cannot be read fails those who read it, and nobody else") {
  DiskRig rig(1);
  rig.rig.disk.inject({.kind = io::DiskRequest::Kind::read, .nth = 3, .from_then_on = true});
  for (std::uint64_t n = 0; n < 40; ++n) rig.say(read_of(n * 15 * block_size, 100, n));
  rig.settle();
  std::size_t failed = 0;
  for (const DiskRig::Reply& reply : rig.take_replies()) {
    if (reply.error == Error::io) {
      ++failed;
      continue;
    }
    REQUIRE_EQ(reply.error, Error::none);
    const std::uint64_t block = (reply.cookie & 0xFFFF'FFFF) * 15;
    CHECK(std::equal(reply.data.begin(), reply.data.end(), block_bytes(block, 1).begin()));
  }
  CHECK_GT(failed, 0);
  CHECK(rig.conversation->is_idle());
  // Each is asked for twice at most: for the read, and for what the error says.
  CHECK_LE(rig.rig.disk.started(io::DiskRequest::Kind::read), 2 * 40 + 20);
  rig.rig.disk.clear_faults();
  for (std::uint64_t n = 0; n < 40; ++n) rig.say(read_of(n * 15 * block_size, 100, n));
  rig.settle();
  const auto replies = rig.take_replies();
  CHECK_EQ(replies.size(), 40);
  for (const DiskRig::Reply& reply : replies) CHECK_EQ(reply.error, Error::none);
}

TEST_CASE("a flush is replied to although reads end faster than their replies leave") {
  DiskRig rig(1);
  Bytes requests;
  for (std::uint64_t block = 0; block < 590; ++block) {
    if (block == 200) requests = std::move(requests) + request(Command::flush, 0, 0, 1);
    requests = std::move(requests) + read_of(block * block_size, block_size, 2);
  }
  rig.say(requests);
  std::size_t before = 0, behind = 0;
  while (before + behind < 591) {
    rig.turn();
    while (rig.rig.loop.pending() > 0) rig.rig.loop.step(0);
    for (const DiskRig::Reply& reply : rig.take_replies()) {
      REQUIRE_EQ(reply.error, Error::none);
      if (reply.cookie == 1) before = std::exchange(behind, 0);
      ++behind;
    }
  }
  // As many as may be under way beside it, and some that the client had to wait for.
  CHECK_GT(before, 0);
  CHECK_GT(behind, 591 - 200 - 2 * Transmission::most_requests);
}

TEST_CASE("durable writes whose flush fails are all told so") {
  DiskRig rig(1);
  bring_maps(rig);
  rig.rig.disk.inject({.kind = io::DiskRequest::Kind::flush, .from_then_on = true});
  rig.rig.disk.inject({.kind = io::DiskRequest::Kind::write, .from_then_on = true});
  Bytes requests;
  for (std::uint64_t n = 0; n < 30; ++n) requests = std::move(requests) + write_of(n, 2, n, true);
  const std::uint64_t before = rig.measured("sessions");
  rig.say(requests);
  CHECK_LE(rig.measured("sessions"), before + 1);
  rig.settle();
  const auto replies = rig.take_replies();
  CHECK_EQ(replies.size(), 30);
  for (const DiskRig::Reply& reply : replies) CHECK_EQ(reply.error, Error::io);
}

TEST_CASE("a device may be deleted by force, and the client go, while reads wait for the disk") {
  for (const bool client_goes : {false, true}) {
    for (unsigned turns = 0; turns < 6; ++turns) {
      DiskRig rig(turns + 1);
      for (std::uint64_t n = 0; n < 40; ++n) rig.say(read_of(n * 15 * block_size, block_size, n));
      for (unsigned n = 0; n < turns; ++n) rig.turn();
      const auto uuid = devices::testing::uuid_in(rig.rig.run_well(Program().open_device("disk")));
      if (client_goes) rig.conversation.reset();
      const auto deleted = rig.rig.run(Program().delete_device_by_force(uuid));
      CHECK(deleted.front().ok());
      if (client_goes) {
        rig.rig.settle();
        const auto& cache = rig.rig.pool().blocks().cache();
        CHECK_EQ(cache.evictable_count(), cache.frame_count() - cache.dirty_count());
        continue;
      }
      rig.settle();
      const auto replies = rig.take_replies();
      CHECK_EQ(replies.size(), 40);
      for (const DiskRig::Reply& reply : replies) {
        if (reply.error == Error::io) continue;
        REQUIRE_EQ(reply.error, Error::none);
        CHECK(reply.data == block_bytes((reply.cookie & 0xFFFF'FFFF) * 15, 1));
      }
    }
  }
}

}  // namespace
}  // namespace chimera::nbd::testing
