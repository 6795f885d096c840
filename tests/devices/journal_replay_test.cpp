// The replay itself: more of it than fits into memory, and crashes in it.

#include <doctest/doctest.h>

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tests/devices/journal_rig.h"

namespace chimera::devices::testing {
namespace {

using Kind = io::DiskRequest::Kind;

constexpr std::uint64_t frames = limits::smallest_cache / block_size;
constexpr std::uint64_t replayed_blocks = (256 * mebi) / block_size;

/// Blocks so far apart have nodes of their own, so each byte that is written takes three frames.
constexpr std::uint64_t own_nodes = 65536;
constexpr std::uint64_t all_of_cache = frames / 3;

/// Ends a replay that waits for nothing.
class PatientLoop final : public io::Loop {
 public:
  explicit PatientLoop(io::SimulatedLoop& below) : below_(below) {}
  std::size_t step(int timeout_ms) override {
    const std::size_t happened = below_.step(timeout_ms);
    idle_ = happened == 0 ? idle_ + 1 : 0;
    if (idle_ > patience) throw std::runtime_error("it waits for nothing");
    return happened;
  }

 private:
  static constexpr unsigned patience = 1000;
  io::SimulatedLoop& below_;
  unsigned idle_ = 0;
};

/// A store whose journal is to be replayed. Each record changes a byte in each of so many blocks, which lie `stride`
/// blocks apart.
io::DiskImage much_to_replay(const std::vector<std::uint64_t>& records, std::uint64_t stride, Content& content) {
  JournalRig journal(replayed_blocks, {.journal_bytes = 8 * mebi}, 8 * limits::smallest_cache);
  PoolRig& rig = journal.rig;
  const Uuid device = rig.create("d");
  rig.checkpoint();
  rig.settle();
  const std::uint64_t checkpoints = rig.pool().checkpoint().count();
  std::uint64_t block = 0;
  for (const std::uint64_t blocks : records) {
    Program program;
    for (const std::uint64_t end = block + blocks; block < end; ++block) {
      const auto value = static_cast<std::uint8_t>(block | 1);
      program.write_byte(device, block * stride * block_size + block % block_size, value);
    }
    rig.run_well(program.sync());
  }
  REQUIRE_EQ(rig.pool().checkpoint().count(), checkpoints);
  content = journal.content();
  io::DiskImage image = journal.crash();
  REQUIRE_EQ(records_of(image).size(), records.size());
  return image;
}

/// What comes to the disk of a recovery.
struct Trace {
  unsigned superblocks = 0;
  unsigned amid_replay = 0;
  unsigned amid_record = 0;  ///< of these, not at the start of one
  std::vector<std::pair<io::DiskImage, std::string>> crashes;
};

void note_superblock(const io::DiskRequest& request, Trace& trace) {
  if (!is_superblock(request)) return;
  const auto& superblock = *reinterpret_cast<const Superblock*>(request.buffers.front());
  ++trace.superblocks;
  if ((superblock.flags & Superblock::amid_replay) == 0) return;
  ++trace.amid_replay;
  if (superblock.journal_done > 0) ++trace.amid_record;
}

/// Opens the store in an image and lets it come to rest, its state being published by then. Crashes at every flush and
/// superblock on the way, and at some of the other writes, leave images behind.
Trace recover_and_crash(const io::DiskImage& image, const Content& expected, std::uint64_t seed) {
  constexpr unsigned percent_of_writes = 4;
  io::SimulatedLoop loop(seed);
  io::SimulatedDisk disk(loop, image);
  io::SeededRandom random(seed);
  Trace trace;
  disk.at_boundaries([&](io::SimulatedDisk::Boundary boundary, const io::DiskRequest& request) {
    if (boundary == io::SimulatedDisk::Boundary::before) note_superblock(request, trace);
    if (request.kind == Kind::write && !is_superblock(request) && !random.chance(percent_of_writes)) return;
    const io::CrashImages images =
        disk.crash_images({.enumerate_up_to = 0, .most_singles = 4, .samples = 4, .seed = random.next()});
    for (const std::size_t index : {std::size_t{0}, random.below(images.size())}) {
      trace.crashes.emplace_back(images.at(index), images.describe(index));
    }
  });
  PatientLoop patient(loop);
  auto opened = vm::open_store(patient, disk, {.cache_bytes = limits::smallest_cache});
  REQUIRE_MESSAGE(opened, error_of(opened));
  CHECK_EQ(difference(expected, content_of(patient, **opened)), "");
  vm::Machine machine(patient, std::move(*opened));
  while (machine.run_ready() || patient.step(0) > 0) continue;
  disk.at_boundaries({});
  CHECK_EQ(records_of(disk.content()).size(), 0);
  return trace;
}

TEST_CASE("a replay of more than a quarter of the cache publishes its state on the way") {
  Content expected;
  const io::DiskImage image = much_to_replay(std::vector<std::uint64_t>(40, frames / 64), 2, expected);
  const Trace trace = recover_and_crash(image, expected, 1);
  CHECK_GE(trace.amid_replay, 1);
  CHECK_EQ(trace.superblocks, trace.amid_replay + 2);  // as it was opened, and behind the replay
  PoolRig rig(image);
  rig.run_well(Program().open_device("d").write_bytes(implied, 5, pattern(1, 50'000)).sync());
  CHECK_EQ(first_problem(rig.check()), "");
}

TEST_CASE("a crash in a recovery, and one in the recovery from that, change nothing") {
#ifdef __SANITIZE_ADDRESS__  // some ten times slower
  constexpr std::size_t looked_at = 2;
  constexpr std::size_t looked_at_again = 1;
#else
  constexpr std::size_t looked_at = 8;
  constexpr std::size_t looked_at_again = 3;
#endif
  std::vector<std::uint64_t> records;
  SUBCASE("of many records") { records.assign(20, frames / 64); }
  SUBCASE("of a record that alone is more than a quarter of the cache") { records = {frames * 17 / 64}; }
  Content expected;
  const io::DiskImage image = much_to_replay(records, 1, expected);
  io::SeededRandom random(1);
  Trace first = recover_and_crash(image, expected, 1);
  CHECK_GE(first.amid_replay, 1);
  if (records.size() == 1) CHECK_GE(first.amid_record, 1);
  CHECK_GT(first.crashes.size(), looked_at);
  unsigned amid_again = 0;
  for (std::size_t n = 0; n < looked_at; ++n) {
    const std::size_t chosen = random.below(first.crashes.size());
    INFO("first crash: ", first.crashes[chosen].second);
    Trace second = recover_and_crash(first.crashes[chosen].first, expected, n + 2);
    amid_again += second.amid_replay;
    for (std::size_t m = 0; m < looked_at_again && !second.crashes.empty(); ++m) {
      const auto& [crashed, description] = second.crashes[random.below(second.crashes.size())];
      INFO("second crash: ", description);
      Recovered recovered(crashed, m % 2 == 0);
      REQUIRE_EQ(recovered.error, "");
      CHECK_EQ(difference(expected, recovered.content()), "");
    }
  }
  if (looked_at > 2) CHECK_GT(amid_again, 0);
}

/// Opens it with a cache that is smaller than that with which it was written. What came of it.
std::string open_with_little(const io::DiskImage& image, bool read_only, const Content& expected) {
  io::SimulatedLoop loop(1);
  io::SimulatedDisk disk(loop, image);
  PatientLoop patient(loop);
  try {
    const auto store = vm::open_store(patient, disk, {.cache_bytes = limits::smallest_cache, .read_only = read_only});
    if (!store) return store.error();
    return difference(expected, content_of(loop, **store));
  } catch (const std::runtime_error& error) {
    return error.what();
  }
}

TEST_CASE("a record that changes much is replayed behind others that do") {
  std::vector<std::uint64_t> records;
  SUBCASE("a tenth of the cache each") { records.assign(7, all_of_cache / 10); }
  SUBCASE("a third of it each") { records.assign(2, all_of_cache / 3); }
  SUBCASE("two thirds of it, then little") { records = {all_of_cache * 2 / 3, all_of_cache / 10}; }
  SUBCASE("a fifth, then two thirds") { records = {all_of_cache / 5, all_of_cache * 2 / 3}; }
  Content expected;
  const io::DiskImage image = much_to_replay(records, own_nodes, expected);
  CHECK_EQ(open_with_little(image, false, expected), "");
}

TEST_CASE("a journal that changes more than the cache holds opens for reading only with more of it, and says so") {
  Content expected;
  const io::DiskImage image =
      much_to_replay({all_of_cache * 4 / 5, all_of_cache * 4 / 5, all_of_cache / 5}, own_nodes, expected);
  const std::string said = open_with_little(image, true, expected);
  CHECK_MESSAGE(said.find("opened for reading only, a journal needs memory: give more of it (--cache), or open the "
                          "store for writing once") != std::string::npos,
                said);
  io::SimulatedLoop loop(1);
  io::SimulatedDisk disk(loop, image);
  const auto store = vm::open_store(loop, disk, {.cache_bytes = 4 * limits::smallest_cache, .read_only = true});
  REQUIRE_MESSAGE(store, error_of(store));
  CHECK_EQ(difference(expected, content_of(loop, **store)), "");
  CHECK_EQ(open_with_little(image, false, expected), "");
}

TEST_CASE("a record that changes more than a cache holds") {
  Content expected;
  const io::DiskImage image = much_to_replay({all_of_cache * 4 / 5}, own_nodes, expected);
  CHECK_EQ(open_with_little(image, false, expected), "");
  // Nothing may be written to make room for it.
  const std::string said = open_with_little(image, true, expected);
  CHECK_MESSAGE((said.empty() || said.find("memory") != std::string::npos), said);
}

}  // namespace
}  // namespace chimera::devices::testing
