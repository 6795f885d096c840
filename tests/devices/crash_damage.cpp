#include "tests/devices/crash_damage.h"

#include <fmt/format.h>

#include <cstdlib>
#include <vector>

#include "isa/encoder.h"
#include "tests/devices/crash_content.h"
#include "tests/devices/pool_rig.h"
#include "tests/vm/model.h"
#include "tests/vm/random_program.h"

namespace chimera::devices::testing {
namespace {

constexpr unsigned rounds = 6;
constexpr unsigned instructions_a_round = 150;

/// Every other store has no journal: there the older superblock leads to an older state, and more of what is hit
/// counts.
FormatOptions journal_for(std::uint64_t seed) {
  return seed % 2 == 0 ? FormatOptions{.journal_bytes = 0} : FormatOptions{};
}

class DamageRun {
 public:
  DamageRun(std::uint64_t seed, DamageCounts& counts)
      : counts_(counts),
        random_(seed),
        rig_((64u << 20) / block_size, seed, journal_for(seed)),
        model_(false),
        generator_(random_.next(),
                   {.most_devices = 6, .largest_count = 60'000, .largest_share = 24u << 20, .transactions = false}) {
    for (const Status status : {Status::no_space, Status::corrupt, Status::io_error}) model_.tolerate(status);
  }

  std::string run() {
    for (unsigned round = 0; round < rounds && problem_.empty(); ++round) {
      work();
      if (!problem_.empty() || !damage()) break;
    }
    return problem_;
  }

 private:
  void work() {
    for (unsigned done = 0; done < instructions_a_round && problem_.empty(); ++done) {
      generator_.forget();
      std::vector<std::uint8_t> stream;
      encode(generator_.next(model_, 0), stream);
      const Instruction instruction = instructions_of(stream).front();
      rig_.session->feed(stream);
      rig_.wait_for(*rig_.session);
      judge(instruction);
      rig_.session->take_answers(rig_.session->answers().size());
    }
  }

  void judge(const Instruction& instruction) {
    Answer answer;
    const ParsedAnswer parsed = parse_answer(instruction, rig_.session->answers(), answer);
    if (parsed.kind != ParsedAnswer::Kind::complete) return fail("no answer");
    ++counts_.instructions;
    if (answer.status == Status::corrupt || answer.status == Status::io_error) ++counts_.refused;
    const bool too_large =
        instruction.operation == Operation::read_bytes && instruction.count > limits::largest_transfer;
    const std::string problem =
        too_large ? model_.judge_too_large(0, instruction, answer) : model_.judge(0, instruction, answer);
    if (!problem.empty()) fail(problem);
  }

  /// Does something to the disk and opens the store again. False if it cannot be gone on with.
  bool damage() {
    ++counts_.damages;
    if (random_.chance(40)) return damage_writes();
    if (!synced()) return false;
    const std::uint64_t before = rig_.pool().checkpoint().published();
    rig_.close();
    for (std::uint64_t n = 1 + random_.below(8); n > 0; --n) rot();
    if (!reopen(before)) return false;
    if (random_.chance(50)) {
      rig_.disk.inject({io::DiskRequest::Kind::read, 1 + random_.below(40), false, io::Fault::Effect::flip_bit});
    }
    return true;
  }

  /// One of the writes of a checkpoint goes wrong, and nobody is told.
  bool damage_writes() {
    constexpr io::Fault::Effect effects[] = {io::Fault::Effect::lose, io::Fault::Effect::misdirect,
                                             io::Fault::Effect::flip_bit};
    rig_.disk.inject(
        {io::DiskRequest::Kind::write, 1 + random_.below(6), false, effects[random_.below(std::size(effects))]});
    if (!synced()) return false;
    const std::uint64_t before = rig_.pool().checkpoint().published();
    rig_.close();
    return reopen(before);
  }

  /// A store whose map of free space is damaged writes no more.
  bool synced() { return rig_.machine->sync() == Status::ok; }

  void rot() {
    const std::uint64_t block = random_.chance(50) ? random_.below(400) : random_.below(rig_.disk.block_count());
    rig_.disk.flip_bit(block, static_cast<unsigned>(random_.below(block_size * 8)));
    if (random_.chance(5)) {
      // The part of a superblock that says something.
      rig_.disk.flip_bit(superblock_places[random_.below(2)],
                         static_cast<unsigned>(random_.below(offsetof(Superblock, reserved3) * 8)));
    }
  }

  bool reopen(std::uint64_t published) {
    rig_.disk.clear_faults();
    auto opened = vm::open_store(rig_.loop, rig_.disk, {.cache_bytes = limits::smallest_cache});
    if (!opened) {
      ++counts_.unopened;
      return false;
    }
    // A lost superblock takes the last checkpoint with it: nothing on the disk tells that there was one.
    if ((*opened)->pool()->checkpoint().published() < published) return false;
    ++counts_.openings;
    model_.restart();
    if (const bool whole = look_at_all(**opened); !whole) ++counts_.found;
    rig_.machine = std::make_unique<vm::Machine>(rig_.loop, std::move(*opened));
    rig_.session = rig_.machine->connect();
    return problem_.empty();
  }

  /// What can be read is right, and what cannot be read is reported by the check. True if nothing is damaged.
  bool look_at_all(Store& store) {
    const Content expected = content_of(model_);
    const Content found = content_of(rig_.loop, store);
    bool whole = true;
    for (const auto& [name, digest] : expected) {
      const auto other = found.find(name);
      if (other == found.end()) {
        fail(fmt::format("\"{}\" is missing", name));
      } else if (other->second == unreadable) {
        whole = false;
      } else if (other->second != digest) {
        fail(fmt::format("\"{}\" reads wrong", name));
      }
    }
    const CheckReport report = check(rig_.loop, store, [](std::uint64_t, std::uint64_t) {});
    if (!whole && report.problem_count == 0) fail("the check does not report what cannot be read");
    return report.problem_count == 0;
  }

  void fail(const std::string& problem) {
    if (problem_.empty()) problem_ = fmt::format("instruction {}: {}", counts_.instructions, problem);
  }

  DamageCounts& counts_;
  io::SeededRandom random_;
  PoolRig rig_;
  vm::testing::Model model_;
  vm::testing::RandomProgram generator_;
  std::string problem_;
};

}  // namespace

std::string run_damage_test(std::uint64_t seed, DamageCounts& counts) {
  if (const char* const text = std::getenv("DAMAGE_SEED")) seed = std::strtoull(text, nullptr, 0);
  const std::string problem = DamageRun(seed, counts).run();
  return problem.empty() ? ""
                         : fmt::format("{}\nreplay it with DAMAGE_SEED={} and this test case alone", problem, seed);
}

}  // namespace chimera::devices::testing
