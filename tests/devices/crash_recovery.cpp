#include "tests/devices/crash_recovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "tests/devices/pool_rig.h"

namespace chimera::devices::testing {
namespace {

std::string judge(const Content& found, std::span<const Content> allowed) {
  if (std::ranges::find(allowed, found) != allowed.end()) return {};
  std::size_t nearest = 0;
  for (std::size_t n = 1; n < allowed.size(); ++n) {
    if (difference(allowed[n], found).size() < difference(allowed[nearest], found).size()) nearest = n;
  }
  return fmt::format("its content is none of the {} states that it may be; the nearest is number {}:{}", allowed.size(),
                     nearest, difference(allowed[nearest], found));
}

/// The state as it is on the disk: nothing is written, so the books are those of the moment of the crash.
std::string look(const io::DiskImage& image, std::span<const Content> allowed, std::uint64_t seed, Content& found) {
  io::SimulatedLoop loop(seed);
  io::SimulatedDisk disk(loop, image);
  {
    const auto store = vm::open_store(loop, disk, {.cache_bytes = limits::smallest_cache, .read_only = true});
    if (!store) return fmt::format("it does not open: {}", store.error());
    found = content_of(loop, **store);
    if (const std::string wrong = judge(found, allowed); !wrong.empty()) return wrong;
  }
  const auto store = open_store(loop, disk, {.cache_bytes = limits::smallest_cache, .without_journal = true});
  if (!store) return fmt::format("it does not open without its journal: {}", store.error());
  const std::string problem = first_problem(check(loop, **store, [](std::uint64_t, std::uint64_t) {}));
  if (!problem.empty()) return fmt::format("the check says: {}", problem);
  if (disk.started(io::DiskRequest::Kind::write) != 0) return "reading has written";
  return {};
}

/// A store that goes on after a crash, and the crashes meanwhile.
class Rework {
 public:
  Rework(const io::DiskImage& image, const Content& content, std::uint64_t seed)
      : random_(seed), rig_(image, seed), states_{content} {
    rig_.disk.at_boundaries([this](auto, const auto&) { crash_here(); });
  }

  std::string run(CrashCounts& counts) {
    // Recovery itself: what was being freed is freed now, step by step.
    if (const std::string bad = first_problem(rig_.check()); !bad.empty()) return "after recovery: " + bad;
    const std::vector<std::uint8_t> bytes = pattern(random_.next(), 9000);
    const Uuid made = rig_.create("after the crash");
    note();
    carry_out(Program().write_bytes(made, 4000, bytes));
    if (!states_.front().empty()) {
      const auto found = static_cast<std::ptrdiff_t>(random_.below(states_.front().size()));
      const std::string name = std::next(states_.front().begin(), found)->first;
      carry_out(Program().open_device(name).append_bytes(implied, bytes));
      carry_out(Program().open_device(name).clone_device(implied, "clone"));
      carry_out(Program().open_device("clone").clear_extents(implied, 0, 8192).write_bytes(implied, 1, bytes));
      carry_out(Program().open_device("clone").delete_device());
    }
    carry_out(Program().sync());
    durable_ = states_.size() - 1;
    carry_out(Program().write_bytes(made, 0, bytes));
    if (const std::string bad = first_problem(rig_.check()); !bad.empty()) return "after new work: " + bad;
    rig_.disk.at_boundaries({});
    for (const Crash& crash : crashes_) {
      ++counts.second_images;
      const std::size_t last = std::min(crash.last + 1, states_.size() - 1);
      Content found;
      const std::string wrong =
          look(crash.image, std::span(states_).subspan(crash.first, last - crash.first + 1), random_.next(), found);
      if (!wrong.empty()) return fmt::format("after a second crash, {}: {}", crash.description, wrong);
    }
    return {};
  }

 private:
  struct Crash {
    io::DiskImage image;
    std::string description;
    std::size_t first, last;  ///< the states that it may hold, and one more, of the instruction under way
  };

  void carry_out(const Program& program) {
    // Any of it may fail: the store may be full, a device protected. One effect at a time, so that each is a state.
    for (const Instruction& instruction : instructions_of(program.bytes())) {
      (void)rig_.run(Program().append(instruction));
      note();
    }
  }

  void note() {
    Content now = content_of(rig_.loop, rig_.store());
    if (now != states_.back()) states_.push_back(std::move(now));
  }

  void crash_here() {
    if (!random_.chance(20) || crashes_.size() >= 12) return;
    const io::CrashImages images = rig_.disk.crash_images({.most_singles = 8, .samples = 8, .seed = random_.next()});
    const std::size_t index = random_.below(images.size());
    crashes_.push_back({images.at(index), images.describe(index), durable_, states_.size() - 1});
  }

  io::SeededRandom random_;
  PoolRig rig_;
  std::vector<Content> states_;
  std::size_t durable_ = 0;
  std::vector<Crash> crashes_;
};

}  // namespace

std::string recover(const io::DiskImage& image, std::span<const Content> allowed, std::uint64_t seed, bool rework,
                    CrashCounts& counts) {
  ++counts.images;
  Content found;
  if (const std::string wrong = look(image, allowed, seed, found); !wrong.empty() || !rework) return wrong;
  ++counts.reworked;
  return Rework(image, found, seed).run(counts);
}

std::string empty_the_store(PoolRig& rig) {
  for (Device* device : rig.store().list("", "", limits::most_devices)) {
    const Uuid uuid = device->uuid();
    (void)rig.run(Program().protect_device(uuid, false));
    const Reply gone = rig.run(Program().delete_device_by_force(uuid)).front();
    if (!gone.ok()) return fmt::format("a device could not be deleted: {}", gone.message);
  }
  rig.checkpoint();
  rig.settle();
  rig.checkpoint();
  const std::uint64_t free = rig.space().free_count();
  const std::uint64_t journal_bytes = rig.pool().checkpoint().superblock().journal_blocks * block_size;
  const PoolRig empty(rig.disk.block_count(), 1, {.journal_bytes = journal_bytes});
  const std::uint64_t expected = empty.machine->store().pool()->blocks().space().free_count();
  if (free != expected) return fmt::format("of an empty store {} blocks are free, not {}", free, expected);
  return first_problem(rig.check());
}

}  // namespace chimera::devices::testing
