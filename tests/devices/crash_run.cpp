#include "tests/devices/crash_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "isa/encoder.h"
#include "tests/devices/crash_oracle.h"
#include "tests/devices/crash_recovery.h"
#include "tests/devices/pool_rig.h"
#include "tests/vm/model.h"
#include "tests/vm/random_program.h"

namespace chimera::devices::testing {
namespace {

constexpr std::size_t worker_count = 3;

vm::testing::Model tolerant_model() {
  vm::testing::Model model(false);
  model.tolerate(Status::no_space);
  return model;
}

/// An empty store of that kind; made once.
const io::DiskImage& formatted(const CrashOptions& options) {
  static std::map<std::pair<std::uint64_t, std::optional<std::uint64_t>>, io::DiskImage> made;
  const std::pair kind(options.store_blocks, options.format.journal_bytes);
  const auto found = made.find(kind);
  if (found != made.end()) return found->second;
  PoolRig rig(options.store_blocks, 1, options.format);
  rig.close();
  return made.emplace(kind, rig.disk.content()).first->second;
}

/// Small pieces, so that few sectors are unsettled at a crash.
constexpr Discards::Options small_discards{.least_blocks = 1, .most_blocks = 8, .eager = true};

Discards::Options discards_of(std::uint64_t seed, const CrashOptions& options) {
  return options.discards.value_or(seed % 2 == 0 ? Discards::Options{} : small_discards);
}

class CrashRun {
 public:
  CrashRun(std::uint64_t seed, const CrashOptions& options, CrashCounts& counts)
      : options_(options),
        counts_(counts),
        random_(seed),
        rig_(formatted(options), seed, limits::smallest_cache, discards_of(seed, options)),
        oracle_(tolerant_model()),
        judge_(options.choice, random_.next(), counts),
        generator_(random_.next(), {.most_devices = options.most_devices,
                                    .largest_count = options.largest_count,
                                    .largest_share = options.largest_share,
                                    .transactions = false}) {
    for (std::size_t n = 0; n < worker_count; ++n) workers_.push_back({rig_.machine->connect(), {}, {}, false});
    asker_ = rig_.machine->connect();
    rig_.disk.at_boundaries([this](auto, const auto&) {
      if (problem_.empty()) judge_.take(rig_.disk, oracle_.promise());
    });
  }
  ~CrashRun() { rig_.disk.at_boundaries({}); }

  std::string run() {
    while (done_ < options_.steps && problem_.empty()) {
      Worker& worker = workers_[random_.below(worker_count)];
      feed(worker);
      if (random_.chance(5)) rig_.pool().blocks().want_checkpoint();
      wait_for(worker);
      for (std::uint64_t n = random_.below(4); n > 0 && problem_.empty(); --n) step();
    }
    if (problem_.empty()) finish_run();
    counts_.instructions += done_;
    counts_.transactions += oracle_.committed();
    counts_.conflicts += oracle_.conflicts();
    counts_.checkpoints += rig_.pool().checkpoint().count();
    counts_.discarded_blocks += rig_.pool().discards().blocks_given_back();
    return problem_;
  }

 private:
  struct Worker {
    std::unique_ptr<vm::Session> session;
    std::vector<std::uint8_t> stream;
    std::vector<Instruction> program;  ///< what has not been answered yet
    bool leaves;                       ///< behind this program
  };

  /// Other sessions' syncs go on beside the worker's instructions; what they promise is counted from when they began.
  void begin_sync() {
    if (sync_covers_) return;
    sync_covers_ = oracle_.states().last();
    rig_.session->feed(Program().sync().bytes());
  }

  [[nodiscard]] std::size_t number_of(const Worker& worker) const {
    return static_cast<std::size_t>(&worker - workers_.data());
  }

  void feed(Worker& worker) {
    const std::size_t number = number_of(worker);
    oracle_.turn(number);
    generator_.forget();
    worker.stream.clear();
    bool syncs = random_.chance(options_.sync_percent);
    const bool has_devices = oracle_.model().devices().size() >= 2;
    if (oracle_.in_transaction(number) || oracle_.model().session(number).failed_transaction) {
      append_transaction(worker);
    } else if (has_devices && random_.chance(options_.transaction_percent)) {
      append(worker.stream, Program().begin());
      append_transaction(worker);
    } else {
      if (random_.chance(options_.large_percent)) append_large_write(worker.stream), syncs = true;
      if (random_.chance(options_.long_copy_percent)) append_long_copy(worker.stream), syncs = true;
      append_instructions(worker, 1 + random_.below(8));
    }
    worker.program = instructions_of(worker.stream);
    worker.session->feed(worker.stream);
    if (syncs) begin_sync();
  }

  void append_instructions(Worker& worker, std::uint64_t count) {
    const std::size_t number = number_of(worker);
    for (; count > 0; --count) {
      Instruction instruction = generator_.next(oracle_.model_of(number), number);
      if (instruction.operation == Operation::commit_with_token) instruction.payload = any_token();
      encode(instruction, worker.stream);
    }
  }

  /// What follows a `begin`. Mostly of what is seldom refused, or few would come to their end: a commit, an abort, or
  /// that of the session. Until then others have their turns.
  void append_transaction(Worker& worker) {
    for (std::uint64_t n = 1 + random_.below(6); n > 0; --n) {
      if (random_.chance(85)) {
        append_small_access(worker.stream);
      } else {
        append_instructions(worker, 1);
      }
    }
    if (random_.chance(options_.open_percent)) return;
    const std::uint64_t end = random_.below(10);
    worker.leaves = end == 0;
    if (end > 0) append(worker.stream, end < 3 ? Program().abort() : commit());
  }

  Program commit() {
    return random_.chance(options_.token_percent) ? Program().commit_with_token(any_token()) : Program().commit();
  }
  const Token& any_token() { return tokens()[random_.below(tokens().size())]; }

  void append_small_access(std::vector<std::uint8_t>& stream) {
    const Uuid device = any_device();
    const std::vector<std::uint8_t> bytes = pattern(random_.next(), 1 + random_.below(options_.largest_count));
    const std::uint64_t place = random_.below(4 * block_size);
    const std::uint64_t block = random_.below(4) * block_size;
    switch (random_.below(8)) {
      case 0: return append(stream, Program().append_bytes(device, bytes));
      case 1: return append(stream, Program().write_metadata_bytes(device, place, bytes));
      case 2: return append(stream, Program().clear_extents(device, place, bytes.size()));
      case 3: return append(stream, Program().write_block(device, block, Program::Block(pattern(place, block_size))));
      case 4:
      case 5: return append(stream, Program().read_bytes(device, 0, 1));
      default: return append(stream, Program().write_bytes(device, place, bytes));
    }
  }

  /// So much at once that data is written ahead of the checkpoint that needs it.
  void append_large_write(std::vector<std::uint8_t>& stream) {
    const std::vector<std::uint8_t> bytes = pattern(random_.next(), (2 + random_.below(3)) << 20);
    append(stream, Program().write_bytes(any_device(), random_.below(64) * block_size, bytes));
  }

  /// Data here and there over 12 MiB, and a copy of all of it.
  void append_long_copy(std::vector<std::uint8_t>& stream) {
    const Uuid from = any_device();
    const std::vector<std::uint8_t> bytes = pattern(random_.next(), 5000);
    Program program;
    for (std::uint64_t place = 0; place < 12; place += 3) program.write_bytes(from, place << 20, bytes);
    append(stream, program.copy_bytes(from, 0, any_device(), random_.below(3) << 20, 10u << 20));
  }

  [[nodiscard]] Uuid any_device() {
    const auto& devices = oracle_.model().devices();
    if (devices.empty()) return {};
    return std::next(devices.begin(), static_cast<std::ptrdiff_t>(random_.below(devices.size())))->second->uuid;
  }

  static void append(std::vector<std::uint8_t>& stream, const Program& program) {
    stream.insert(stream.end(), program.bytes().begin(), program.bytes().end());
  }

  void wait_for(Worker& worker) {
    while (problem_.empty()) {
      if (random_.chance(options_.ask_percent)) ask();
      const bool more = rig_.machine->run_ready();
      harvest(worker);
      if (worker.session->idle()) break;
      if (random_.chance(30)) continue;
      if (rig_.loop.step(0) == 0 && !more && !rig_.machine->run_ready() && !worker.session->idle()) {
        return fail("the machine stands still with an instruction unanswered");
      }
      harvest(worker);
    }
    if (problem_.empty() && !worker.program.empty()) fail("fewer answers than instructions");
    if (problem_.empty() && std::exchange(worker.leaves, false)) reconnect(worker);
    judge_crashes();
  }

  void reconnect(Worker& worker) {
    oracle_.disconnect(number_of(worker));
    worker.session.reset();
    worker.session = rig_.machine->connect();
  }

  void judge_crashes() {
    if (!problem_.empty()) return;
    if (const std::string problem = judge_.judge(oracle_.states()); !problem.empty()) fail(problem);
  }

  void step() {
    rig_.machine->run_ready();
    harvest_others(nullptr);
    rig_.loop.step(0);
  }

  /// Judges what has been answered.
  void harvest(Worker& worker) {
    std::size_t judged = 0;
    for (const Instruction& instruction : worker.program) {
      Answer answer;
      const ParsedAnswer parsed = parse_answer(instruction, worker.session->answers(), answer);
      if (parsed.kind != ParsedAnswer::Kind::complete) break;
      ++judged;
      ++done_;
      const std::string problem = oracle_.judge(number_of(worker), instruction, answer);
      if (!problem.empty()) return fail(problem);
      worker.session->take_answers(static_cast<std::size_t>(parsed.size));
    }
    worker.program.erase(worker.program.begin(), worker.program.begin() + static_cast<std::ptrdiff_t>(judged));
    harvest_others(&worker);
  }

  /// Somebody else asks what has become of a commit, which may be under way.
  void ask() {
    if (asked_) return;
    asked_ = any_token();
    asker_->feed(Program().outcome_of_token(*asked_).bytes());
  }

  void harvest_others(const Worker* working) {
    harvest_sync();
    constexpr std::size_t answer_bytes = 2;
    if (!asked_ || asker_->answers().size() < answer_bytes) return;
    const std::uint8_t outcome = asker_->answers()[1];
    if (asker_->answers()[0] != 0) return fail("an outcome of a token is not told");
    asker_->take_answers(answer_bytes);
    const auto commits_it = [&](const Instruction& instruction) {
      return instruction.operation == Operation::commit_with_token && std::ranges::equal(instruction.payload, *asked_);
    };
    const bool under_way = working != nullptr && std::ranges::any_of(working->program, commits_it);
    const std::string problem = oracle_.judge_outcome(*asked_, outcome, under_way);
    if (!problem.empty()) fail(problem);
    asked_.reset();
  }

  void harvest_sync() {
    if (!sync_covers_ || rig_.session->answers().empty()) return;
    if (rig_.session->answers().front() != 0) fail("a sync has failed");
    rig_.session->take_answers(rig_.session->answers().size());
    oracle_.set_durable(*sync_covers_);
    sync_covers_.reset();
  }

  /// The live store agrees too, its books are right, and when all devices are gone nothing is left of them.
  void finish_run() {
    for (Worker& worker : workers_) reconnect(worker);
    rig_.wait_for(*rig_.session);
    rig_.wait_for(*asker_);
    harvest_others(nullptr);
    rig_.sync();
    judge_crashes();
    const std::string differs = difference(oracle_.states().back(), content_of(rig_.loop, rig_.store()));
    if (!differs.empty()) return fail(fmt::format("the living store:{}", differs));
    if (const std::string bad = first_problem(rig_.check()); !bad.empty()) {
      return fail(fmt::format("the check of the living store: {}", bad));
    }
    rig_.disk.at_boundaries({});
    if (const std::string bad = empty_the_store(rig_); !bad.empty()) fail(bad);
    counts_.states += oracle_.states().size();
  }

  void fail(const std::string& problem) {
    if (problem_.empty()) problem_ = fmt::format("instruction {}: {}", done_, problem);
  }

  CrashOptions options_;
  CrashCounts& counts_;
  io::SeededRandom random_;
  PoolRig rig_;
  CrashOracle oracle_;
  CrashJudge judge_;
  vm::testing::RandomProgram generator_;
  std::vector<Worker> workers_;
  std::unique_ptr<vm::Session> asker_;
  std::optional<Token> asked_;
  std::optional<std::size_t> sync_covers_;  ///< the last state before it
  std::size_t done_ = 0;
  std::string problem_;
};

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* const text = std::getenv(variable);
  return text != nullptr ? std::strtoull(text, nullptr, 0) : otherwise;
}

}  // namespace

std::string run_crash_programs(std::uint64_t seed, const CrashOptions& options, CrashCounts& counts) {
  return CrashRun(seed, options, counts).run();
}

std::string run_crash_test(std::uint64_t seed, CrashOptions options, CrashCounts& counts) {
  seed = number_from("CRASH_SEED", seed);
  options.steps = number_from("CRASH_STEPS", options.steps);
  options.choice.images_at_boundary = number_from("CRASH_IMAGES", options.choice.images_at_boundary);
  const std::string problem = run_crash_programs(seed, options, counts);
  if (problem.empty()) return {};
  return fmt::format("{}\nreplay it with CRASH_SEED={} CRASH_STEPS={} CRASH_IMAGES={} and this test case alone",
                     problem, seed, options.steps, options.choice.images_at_boundary);
}

}  // namespace chimera::devices::testing
