#include "tests/simulation/every_sequence.h"

#include <fmt/format.h>

#include <vector>

#include "tests/devices/crash_oracle.h"
#include "tests/devices/crash_recovery.h"
#include "tests/devices/pool_rig.h"
#include "tests/simulation/writing_instructions.h"

namespace chimera::simulation {
namespace {

using namespace devices::testing;
using devices::block_size;

constexpr std::uint64_t cache_bytes = 4u << 20;

/// All sequences of one, two and three; behind them those of one and two as transactions.
struct Sequence {
  std::vector<std::size_t> instructions;
  bool is_transaction = false;
};

std::uint64_t count_up_to(std::size_t length) {
  const std::uint64_t base = writing_instructions().size();
  std::uint64_t count = 0;
  for (; length > 0; --length) count = (count + 1) * base;
  return count;
}

Sequence sequence(std::uint64_t number) {
  const std::uint64_t base = writing_instructions().size();
  Sequence sequence{.is_transaction = number >= count_up_to(3)};
  if (sequence.is_transaction) number -= count_up_to(3);
  std::size_t length = 1;
  while (number >= count_up_to(length)) ++length;
  number -= count_up_to(length - 1);
  sequence.instructions.resize(length);
  for (std::size_t n = length; n > 0; --n, number /= base) sequence.instructions[n - 1] = number % base;
  return sequence;
}

/// Runs programs to their end, and holds the answers against the oracle.
std::string run_judged(PoolRig& rig, CrashOracle& oracle, const Program& program, CrashCounts& counts) {
  rig.session->feed(program.bytes());
  rig.wait_for(*rig.session);
  for (const Instruction& instruction : instructions_of(program.bytes())) {
    Answer answer;
    const ParsedAnswer parsed = parse_answer(instruction, rig.session->answers(), answer);
    if (parsed.kind != ParsedAnswer::Kind::complete) return "an answer is missing";
    if (std::string problem = oracle.judge(0, instruction, answer); !problem.empty()) return problem;
    ++counts.instructions;
    rig.session->take_answers(static_cast<std::size_t>(parsed.size));
  }
  return {};
}

/// What every sequence begins with.
struct Beginning {
  io::DiskImage image{0};
  vm::testing::Model model{false};
  TwoDevices devices{};
};

Beginning make_beginning() {
  CrashCounts counts;
  PoolRig rig;
  CrashOracle oracle{vm::testing::Model(false)};
  const auto run = [&](const Program& program) { REQUIRE_EQ(run_judged(rig, oracle, program, counts), ""); };
  const auto device = [&](std::string_view name) { return rig.store().find(name)->uuid(); };
  run(Program()
          .create_device("a", "columns")
          .write_bytes(implied, 0, pattern(1, 3 * block_size + 2000))
          .write_metadata_bytes(implied, 100, pattern(2, 5000))
          .clone_device(implied, "b"));
  run(Program().open_device("b").write_bytes(implied, block_size, pattern(3, block_size)));
  rig.checkpoint();
  const TwoDevices devices{device("a"), device("b")};
  rig.close();
  oracle.disconnect(0);
  return {rig.disk.content(), oracle.model().copy(), devices};
}

class Sequences {
 public:
  explicit Sequences(CrashCounts& counts)
      : counts_(counts),
        judge_({.images_at_boundary = 2,
                .tries_at_boundary = 8,
                .check_one_in = 50,
                .rework_one_in = 0,
                .recover_one_in = 500,
                .cache_bytes = cache_bytes},
               0, counts) {}

  std::string run(std::uint64_t number) {
    random_ = io::SeededRandom(number);
    judge_.begin(random_.next());
    PoolRig rig(beginning_.image, random_.next(), cache_bytes);
    CrashOracle oracle(beginning_.model.copy());
    rig.disk.at_boundaries([&](auto, const auto&) { judge_.take(rig.disk, oracle.promise()); });
    std::string problem = run(number, rig, oracle);
    rig.disk.at_boundaries({});
    if (problem.empty()) problem = judge_.judge(oracle.states());
    counts_.transactions += oracle.committed();
    counts_.states += oracle.states().size();
    counts_.checkpoints += rig.pool().checkpoint().count();
    return problem;
  }

 private:
  /// The instructions one by one or at once; in every other sequence a checkpoint falls among them.
  std::string run(std::uint64_t number, PoolRig& rig, CrashOracle& oracle) {
    const auto& [instructions, is_transaction] = sequence(number);
    const std::uint64_t checkpoint_before = random_.below(2 * (instructions.size() + 1));
    const bool at_once = random_.chance(50) || is_transaction;
    Program program;
    if (is_transaction) program.begin();
    for (std::size_t n = 0; n < instructions.size(); ++n) {
      if (n == checkpoint_before) rig.pool().blocks().want_checkpoint();
      writing_instructions()[instructions[n]].append(program, beginning_.devices);
      if (at_once) continue;
      if (std::string problem = run_judged(rig, oracle, program, counts_); !problem.empty()) return problem;
      program.clear();
    }
    if (is_transaction) {
      // What crashes leave from its answer on has to hold it.
      if (std::string problem = run_judged(rig, oracle, program.commit(), counts_); !problem.empty()) return problem;
      program.clear();
    }
    if (instructions.size() == checkpoint_before) rig.pool().blocks().want_checkpoint();
    if (std::string problem = run_judged(rig, oracle, program.sync(), counts_); !problem.empty()) return problem;
    rig.settle();
    const std::string differs = difference(oracle.states().back(), content_of(rig.loop, rig.store()));
    return differs.empty() ? std::string() : "the living store:" + differs;
  }

  CrashCounts& counts_;
  io::SeededRandom random_{0};
  Beginning beginning_ = make_beginning();
  CrashJudge judge_;
};

}  // namespace

std::uint64_t sequence_count() { return count_up_to(3) + count_up_to(2); }

std::string sequence_in_words(std::uint64_t number) {
  const auto& [instructions, is_transaction] = sequence(number);
  std::string words = is_transaction ? "in a transaction" : "";
  for (const std::size_t instruction : instructions) {
    if (!words.empty()) words += ", ";
    words += writing_instructions()[instruction].name;
  }
  return words;
}

std::string run_sequences(std::uint64_t first, std::uint64_t last, std::uint64_t step,
                          const std::function<void(std::uint64_t number)>& before, CrashCounts& counts) {
  Sequences sequences(counts);
  for (std::uint64_t number = first; number < last; ++number) {
    if (number % step != 0) continue;
    before(number);
    if (std::string problem = sequences.run(number); !problem.empty()) return problem;
  }
  return {};
}

}  // namespace chimera::simulation
