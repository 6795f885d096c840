#include "tests/devices/crash_recovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "tests/devices/pool_rig.h"

namespace chimera::devices::testing {
namespace {

OpenOptions open_options(const RecoveryOptions& options) {
  return {.cache_bytes = options.cache_bytes, .any_cache = true, .read_only = !options.for_writing};
}

/// A crash after a crash.
struct SecondCrash {
  io::DiskImage image;
  std::string description;
};

/// One of the images that a crash at this moment may leave.
SecondCrash crash_at_random(const io::SimulatedDisk& disk, io::SeededRandom& random) {
  const io::CrashImages images = disk.crash_images({.most_singles = 8, .samples = 8, .seed = random.next()});
  const std::size_t index = random.below(images.size());
  return {images.at(index), images.describe(index)};
}

/// Whether the store is whole, and holds what it should.
std::string look(const io::DiskImage& image, const Allowed& allowed, const RecoveryOptions& options) {
  Content found;
  const std::string wrong = open_and_compare(image, allowed, options, found);
  return wrong.empty() ? check_image(image, options) : wrong;
}

/// A store that goes on after a crash, and the crashes meanwhile.
class Rework {
 public:
  Rework(const io::DiskImage& image, const Content& content, const RecoveryOptions& options)
      : options_(options),
        random_(options.seed),
        rig_(image, options.seed, options.cache_bytes,
             {.least_blocks = options.seed % 2, .most_blocks = 8, .eager = true}) {
    states_.note(content);
    rig_.disk.at_boundaries([this](auto, const auto&) { crash_here(); });
  }
  ~Rework() { rig_.disk.at_boundaries({}); }

  std::string run(CrashCounts& counts) {
    // Recovery itself: what was being freed is freed now, step by step.
    if (const std::string bad = first_problem(rig_.check()); !bad.empty()) return "after recovery: " + bad;
    work();
    if (const std::string bad = first_problem(rig_.check()); !bad.empty()) return "after new work: " + bad;
    rig_.disk.at_boundaries({});
    for (const Crash& crash : crashes_) {
      ++counts.second_images;
      options_.seed = random_.next();
      const Allowed allowed{states_, crash.first, std::min(crash.last + 1, states_.last())};
      const std::string wrong = look(crash.second.image, allowed, options_);
      if (!wrong.empty()) return fmt::format("after a second crash, {}: {}", crash.second.description, wrong);
    }
    return {};
  }

 private:
  struct Crash {
    SecondCrash second;
    std::size_t first, last;  ///< the states that it may hold, and one more, of the instruction under way
  };

  void work() {
    const std::vector<std::uint8_t> bytes = pattern(random_.next(), 9000);
    const Uuid made = rig_.create("after the crash");
    note();
    carry_out(Program().write_bytes(made, 4000, bytes));
    if (!states_[0].empty()) {
      const auto found = static_cast<std::ptrdiff_t>(random_.below(states_[0].size()));
      const std::string name = std::next(states_[0].begin(), found)->first;
      carry_out(Program().open_device(name).append_bytes(implied, bytes));
      carry_out(Program().open_device(name).clone_device(implied, "clone"));
      carry_out(Program().open_device("clone").clear_extents(implied, 0, 8192).write_bytes(implied, 1, bytes));
      carry_out(Program().open_device("clone").delete_device());
    }
    carry_out(Program().sync());
    durable_ = states_.last();
    carry_out(Program().write_bytes(made, 0, bytes));
  }

  void carry_out(const Program& program) {
    // Any of it may fail: the store may be full, a device protected. One effect at a time, so that each is a state.
    for (const Instruction& instruction : instructions_of(program.bytes())) {
      (void)rig_.run(Program().append(instruction));
      note();
    }
  }

  void note() { states_.note(content_of(rig_.loop, rig_.store())); }

  void crash_here() {
    if (!random_.chance(20) || crashes_.size() >= 12) return;
    crashes_.push_back({crash_at_random(rig_.disk, random_), durable_, states_.last()});
  }

  RecoveryOptions options_;
  io::SeededRandom random_;
  PoolRig rig_;
  States states_;
  std::size_t durable_ = 0;
  std::vector<Crash> crashes_;
};

/// Opens the store in turn with its disk: recovered, then as recovery has left it.
std::string recover_twice(io::SimulatedLoop& loop, io::SimulatedDisk& disk, const Allowed& allowed,
                          const OpenOptions& options) {
  for (const char* const when : {"recovered", "recovered again"}) {
    auto store = vm::open_store(loop, disk, options);
    if (!store) return fmt::format("{}: it does not open: {}", when, store.error());
    const std::string wrong = allowed.states.judge(content_of(loop, **store), allowed.first, allowed.last);
    if (!wrong.empty()) return fmt::format("{}: {}", when, wrong);
    vm::Machine machine(loop, std::move(*store));
    if (machine.sync() != Status::ok) return fmt::format("{}: it cannot be made durable", when);
    const std::string bad = first_problem(check(loop, machine.store(), [](std::uint64_t, std::uint64_t) {}));
    if (!bad.empty()) return fmt::format("{}: the check says: {}", when, bad);
  }
  return {};
}

}  // namespace

std::string open_and_compare(const io::DiskImage& image, const Allowed& allowed, const RecoveryOptions& options,
                             Content& found) {
  io::SimulatedLoop loop(options.seed);
  io::SimulatedDisk disk(loop, image);
  const auto store = vm::open_store(loop, disk, open_options(options));
  if (!store) return fmt::format("it does not open: {}", store.error());
  found = content_of(loop, **store);
  const bool has_written = disk.started(io::DiskRequest::Kind::write) != 0;
  if (!options.for_writing && has_written) return "reading has written";
  return allowed.states.judge(found, allowed.first, allowed.last);
}

std::string check_image(const io::DiskImage& image, const RecoveryOptions& options) {
  io::SimulatedLoop loop(options.seed);
  io::SimulatedDisk disk(loop, image);
  OpenOptions as_it_lies = open_options(options);
  as_it_lies.without_journal = true;
  const auto store = open_store(loop, disk, as_it_lies);
  if (!store) return fmt::format("it does not open without its journal: {}", store.error());
  const std::string problem = first_problem(check(loop, **store, [](std::uint64_t, std::uint64_t) {}));
  if (!problem.empty()) return fmt::format("the check says: {}", problem);
  if (disk.started(io::DiskRequest::Kind::write) != 0) return "reading has written";
  return {};
}

std::string crash_in_recovery(const io::DiskImage& image, const Content& content, unsigned depth,
                              const RecoveryOptions& options, CrashCounts& counts) {
  const std::size_t most_crashes = 2 * depth;
  io::SeededRandom random(options.seed);
  std::vector<SecondCrash> crashes;
  States states;
  states.note(content);
  const Allowed allowed{states, 0, 0};
  OpenOptions to_write = open_options(options);
  to_write.read_only = false;
  io::SimulatedLoop loop(random.next());
  io::SimulatedDisk disk(loop, image);
  disk.at_boundaries([&](auto, const auto&) {
    if (random.chance(15) && crashes.size() < most_crashes) crashes.push_back(crash_at_random(disk, random));
  });
  if (std::string wrong = recover_twice(loop, disk, allowed, to_write); !wrong.empty()) return wrong;
  for (const SecondCrash& crash : crashes) {
    ++counts.second_images;
    const RecoveryOptions again{random.next(), options.cache_bytes, options.for_writing};
    std::string wrong = look(crash.image, allowed, again);
    if (wrong.empty() && depth > 1) wrong = crash_in_recovery(crash.image, content, depth - 1, again, counts);
    if (!wrong.empty()) return fmt::format("after a crash in the recovery, {}: {}", crash.description, wrong);
  }
  return {};
}

std::string rework(const io::DiskImage& image, const Content& content, const RecoveryOptions& options,
                   CrashCounts& counts) {
  return Rework(image, content, options).run(counts);
}

std::string recover(const io::DiskImage& image, std::span<const Content> allowed, std::uint64_t seed, bool reworks,
                    CrashCounts& counts) {
  ++counts.images;
  States states;
  for (const Content& content : allowed) states.note(content);
  const RecoveryOptions options{.seed = seed};
  Content found;
  std::string wrong = open_and_compare(image, {states, 0, states.last()}, options, found);
  if (wrong.empty()) wrong = check_image(image, options);
  if (wrong.empty() && reworks) wrong = rework(image, found, options, counts);
  return wrong;
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
  PoolRig empty(rig.disk.block_count(), 1, {.journal_bytes = journal_bytes});
  const auto has_committed = [&](const Token& token) {
    return rig.store().outcomes().find(token) == Outcomes::committed;
  };
  if (std::ranges::any_of(tokens(), has_committed)) {
    // What became of tokens is kept, in one block for all of them.
    empty.run_well(Program().begin().commit_with_token(tokens().front()));
    empty.checkpoint();
    empty.settle();
    empty.checkpoint();
  }
  const std::uint64_t expected = empty.space().free_count();
  if (free != expected) return fmt::format("of an empty store {} blocks are free, not {}", free, expected);
  return first_problem(rig.check());
}

}  // namespace chimera::devices::testing
