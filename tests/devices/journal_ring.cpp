#include "tests/devices/journal_ring.h"

#include <fmt/format.h>

#include "tests/devices/journal_rig.h"

namespace chimera::devices::testing {
namespace {

/// A store after a crash: the number in it is one of these. It goes on, and another crash does not bring back what lies
/// behind its last record.
std::string look_at(const io::DiskImage& image, std::uint64_t least, std::uint64_t most) {
  std::uint64_t found = 0;
  {
    Recovered recovered(image);
    if (!recovered.error.empty()) return fmt::format("it does not open: {}", recovered.error);
    found = recovered.number_in("counter");
    if (found < least || found > most) return fmt::format("it holds number {}, not {} to {}", found, least, most);
  }
  PoolRig rig(image);
  const Uuid device = rig.store().find("counter")->uuid();
  const std::uint64_t next = found + 1'000'000;
  rig.run_well(commit_of(device, next));
  Recovered again(rig.disk.crash_images({.enumerate_up_to = 0}).at(0));
  if (!again.error.empty()) return fmt::format("it does not open a second time: {}", again.error);
  if (again.number_in("counter") != next) return fmt::format("a commit after recovery from {} is lost", found);
  return {};
}

}  // namespace

std::string run_lap_test() {
  constexpr std::uint64_t commits = 2200;
  constexpr std::uint64_t between_crashes = 97;
  constexpr std::uint64_t least_laps = 4;
  JournalRig journal;
  PoolRig& rig = journal.rig;
  const Uuid device = rig.create("counter");
  for (std::uint64_t n = 1; n <= commits; ++n) {
    const Program commit = commit_of(device, n);
    const bool crashes = n % between_crashes == 0;
    rig.session->feed(commit.bytes());
    if (crashes) {
      rig.machine->run_ready();
      for (std::uint64_t steps = rig.loop.random().below(3); steps > 0; --steps) rig.loop.step(0);
      const io::CrashImages images = rig.disk.crash_images({.enumerate_up_to = 0});
      for (const std::size_t index : {std::size_t{0}, std::size_t{1}, rig.loop.random().below(images.size())}) {
        const std::string wrong = look_at(images.at(index), n - 1, n);
        if (!wrong.empty()) return fmt::format("amid commit {}, {}: {}", n, images.describe(index), wrong);
      }
    }
    if (!journal.wait() || !journal.all_well(commit)) return fmt::format("commit {} fails", n);
    if (!crashes) continue;
    if (const std::string wrong = look_at(journal.crash(), n, n); !wrong.empty()) {
      return fmt::format("after commit {}: {}", n, wrong);
    }
  }
  const std::uint64_t laps = journal.writer().next().block / journal.writer().block_count();
  return laps < least_laps ? fmt::format("there were {} laps only", laps) : "";
}

std::string run_tail_test() {
  constexpr std::uint64_t many = 3000;
  JournalRig journal;
  PoolRig& rig = journal.rig;
  const Uuid device = rig.create("counter");
  rig.run_well(commit_of(device, 1));
  rig.checkpoint();
  journal.disk.hold = true;
  std::uint64_t acknowledged = 1;
  while (acknowledged < many && journal.try_run(commit_of(device, acknowledged + 1))) ++acknowledged;
  if (!journal.disk.holding()) return "no checkpoint has begun";
  if (acknowledged == many) return "commits find room for ever";
  const io::CrashImages images = rig.disk.crash_images({.enumerate_up_to = 0});
  for (const std::size_t index : {0, 1}) {
    if (const std::string wrong = look_at(images.at(index), acknowledged, acknowledged); !wrong.empty()) {
      return fmt::format("after {} commits beside a checkpoint, {}: {}", acknowledged, images.describe(index), wrong);
    }
  }
  // The one that waits goes on when the superblock is there.
  journal.disk.release();
  if (!journal.wait() || !journal.all_well(commit_of(device, acknowledged + 1))) return "a commit waits for ever";
  return look_at(journal.crash(), acknowledged + 1, acknowledged + 1);
}

}  // namespace chimera::devices::testing
