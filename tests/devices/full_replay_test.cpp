// What has been done once can be done again: a journal is replayed in a store that has been filled up since.

#include <doctest/doctest.h>

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tests/devices/journal_rig.h"

namespace chimera::devices::testing {
namespace {

const Uuid filler = numbered(3);

/// A store with a published state that everything in the journal comes after.
class FullRig {
 public:
  FullRig() {
    journal.rig.run_well(Program()
                             .create_device("plain", {}, {}, plain)
                             .create_device("target", {}, {}, target)
                             .write_length(plain, 16 * mebi));
    journal.rig.run_well(
        Program().create_device("filler", {}, {}, filler).write_bytes(plain, mebi, pattern(1, 50'000)));
  }
  /// From now on no checkpoint comes to its end.
  void publish() {
    journal.rig.checkpoint();
    journal.rig.settle();
    journal.disk.hold = true;
  }
  /// Takes all of the space that users get.
  void fill() {
    constexpr std::uint64_t step = 16;
    constexpr std::uint64_t beside = 48;  // what else a step asks for
    BlockStore& blocks = journal.rig.pool().blocks();
    for (std::uint64_t block = 0; blocks.space().available() >= blocks.kept_back() + step + beside; block += step) {
      journal.rig.run_well(Program().write_bytes(filler, block * block_size, pattern(block, step * block_size)));
    }
    journal.rig.run_well(Program().sync());
  }
  void check() {
    check_crash(journal);
    Recovered recovered(journal.crash(), false);
    REQUIRE_EQ(recovered.error, "");
    CHECK_EQ(difference(journal.content(), recovered.content()), "");
    check_books(recovered.disk.content());
  }

  JournalRig journal{(32 * mebi) / block_size, {.journal_bytes = 4 * mebi}};
};

TEST_CASE("a copy is replayed in a store that has been filled up since") {
  std::uint64_t count = 0;
  SUBCASE("as large as can be done at once") { count = 4 * mebi; }
  SUBCASE("in pieces") { count = 15 * mebi; }
  FullRig full;
  full.publish();
  full.journal.rig.run_well(Program().copy_bytes(plain, 0, target, 0, count));
  full.fill();
  full.check();
}

TEST_CASE("roll backs of one moment are replayed in a store that has been filled up since") {
  constexpr unsigned count = 128;
  FullRig full;
  PoolRig& rig = full.journal.rig;
  std::vector<std::pair<Uuid, Uuid>> pairs;
  for (unsigned n = 0; n < count; ++n) {
    const Uuid made = rig.create(fmt::format("device {}", n));
    const std::string name = fmt::format("snapshot {}", n);
    rig.run_well(Program().write_bytes(made, 0, pattern(n, 5000)).clone_device(made, name).write_byte(made, 0, 1));
    pairs.emplace_back(made, named(rig, name));
  }
  full.publish();
  Program all;
  all.begin();
  for (const auto& [device, snapshot] : pairs) all.roll_back_device(device, snapshot);
  rig.run_well(all.commit());
  full.fill();
  full.check();
}

}  // namespace
}  // namespace chimera::devices::testing
