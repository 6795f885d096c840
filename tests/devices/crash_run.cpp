#include "tests/devices/crash_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <span>
#include <vector>

#include "isa/encoder.h"
#include "tests/devices/crash_content.h"
#include "tests/devices/crash_recovery.h"
#include "tests/devices/pool_rig.h"
#include "tests/vm/model.h"
#include "tests/vm/random_program.h"

namespace chimera::devices::testing {
namespace {

constexpr std::size_t worker_count = 2;

class CrashRun {
 public:
  CrashRun(std::uint64_t seed, const CrashOptions& options, CrashCounts& counts)
      : options_(options), counts_(counts), random_(seed), rig_(options.store_blocks, seed), model_(false) {
    model_.tolerate(Status::no_space);
    for (std::size_t n = 0; n < worker_count; ++n) {
      workers_.push_back({rig_.machine->connect(), {}, {}});
    }
    generator_.emplace(
        random_.next(),
        vm::testing::GeneratorOptions{
            .most_devices = 6, .largest_count = 60'000, .largest_share = 24u << 20, .transactions = false});
    states_.push_back(content_of(model_));
    rig_.disk.at_boundaries([this](auto, const auto&) { crash_here(); });
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
    counts_.checkpoints += rig_.pool().checkpoint().count();
    return problem_;
  }

 private:
  struct Worker {
    std::unique_ptr<vm::Session> session;
    std::vector<std::uint8_t> stream;
    std::vector<Instruction> program;  ///< what has not been answered yet
  };

  /// Other sessions' syncs go on beside the worker's instructions; what they promise is counted from when they began.
  void begin_sync() {
    if (sync_covers_) return;
    sync_covers_ = states_.size() - 1;
    rig_.session->feed(Program().sync().bytes());
  }

  void feed(Worker& worker) {
    generator_->forget();
    worker.stream.clear();
    const auto number = static_cast<std::size_t>(&worker - workers_.data());
    const bool much = random_.chance(options_.large_percent);
    if (much) append_large_write(worker.stream);
    const bool copies = random_.chance(options_.long_copy_percent);
    if (copies) append_long_copy(worker.stream);
    for (std::uint64_t n = 1 + random_.below(8); n > 0; --n) encode(generator_->next(model_, number), worker.stream);
    worker.program = instructions_of(worker.stream);
    worker.session->feed(worker.stream);
    if (much || copies || random_.chance(options_.sync_percent)) begin_sync();
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
    const auto& devices = model_.devices();
    if (devices.empty()) return {};
    return std::next(devices.begin(), static_cast<std::ptrdiff_t>(random_.below(devices.size())))->second->uuid;
  }

  static void append(std::vector<std::uint8_t>& stream, const Program& program) {
    stream.insert(stream.end(), program.bytes().begin(), program.bytes().end());
  }

  void wait_for(Worker& worker) {
    while (problem_.empty()) {
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
    judge_crashes();
  }

  void step() {
    rig_.machine->run_ready();
    harvest_sync();
    rig_.loop.step(0);
  }

  /// Judges what has been answered, and notes the state behind each instruction.
  void harvest(Worker& worker) {
    const auto number = static_cast<std::size_t>(&worker - workers_.data());
    std::size_t judged = 0;
    for (const Instruction& instruction : worker.program) {
      Answer answer;
      const ParsedAnswer parsed = parse_answer(instruction, worker.session->answers(), answer);
      if (parsed.kind != ParsedAnswer::Kind::complete) break;
      ++judged;
      ++done_;
      const bool too_large =
          instruction.operation == Operation::read_bytes && instruction.count > limits::largest_transfer;
      const std::string problem =
          too_large ? model_.judge_too_large(number, instruction, answer) : model_.judge(number, instruction, answer);
      if (!problem.empty()) return fail(problem);
      Content now = content_of(model_);
      if (now != states_.back()) states_.push_back(std::move(now));
      if (answer.ok() && makes_durable(instruction, number)) durable_ = states_.size() - 1;
      worker.session->take_answers(static_cast<std::size_t>(parsed.size));
    }
    worker.program.erase(worker.program.begin(), worker.program.begin() + static_cast<std::ptrdiff_t>(judged));
    harvest_sync();
  }

  /// A flush of a device in memory promises nothing of the pool.
  bool makes_durable(const Instruction& instruction, std::size_t session) {
    if (instruction.operation == Operation::sync) return true;
    if (instruction.operation != Operation::flush_device) return false;
    const vm::testing::ModelDevice* device = model_.find(model_.session(session).current.value_or(Uuid{}));
    return device != nullptr && device->kind == "pool";
  }

  void harvest_sync() {
    if (!sync_covers_ || rig_.session->answers().empty()) return;
    if (rig_.session->answers().front() != 0) fail("a sync has failed");
    rig_.session->take_answers(rig_.session->answers().size());
    durable_ = std::max(durable_, *sync_covers_);
    sync_covers_.reset();
  }

  /// Instructions behind a flush have run before it is answered, so what an image may hold is known only when all are.
  void judge_crashes() {
    for (const Crash& crash : crashes_) {
      if (!problem_.empty()) break;
      const std::span<const Content> allowed(&states_[crash.durable], states_.size() - crash.durable);
      const bool rework = random_.chance(options_.rework_percent);
      const std::string problem = recover(crash.image, allowed, random_.next(), rework, counts_);
      if (!problem.empty()) fail(fmt::format("in the image \"{}\": {}", crash.description, problem));
    }
    crashes_.clear();
  }

  void crash_here() {
    if (!problem_.empty() || !random_.chance(options_.boundary_percent)) return;
    ++counts_.boundaries;
    const io::CrashImages images = rig_.disk.crash_images(
        {.enumerate_up_to = options_.images_at_boundary, .most_singles = 16, .samples = 16, .seed = random_.next()});
    const auto look_at = [&](std::size_t index) {
      crashes_.push_back({images.at(index), images.describe(index), durable_});
    };
    if (images.size() <= options_.images_at_boundary) {
      for (std::size_t index = 0; index < images.size(); ++index) look_at(index);
      return;
    }
    look_at(1);  // all that was written
    for (std::size_t n = 1; n < options_.images_at_boundary; ++n) look_at(random_.below(images.size()));
  }

  /// A crash that has been taken down, and the first state that it may be.
  struct Crash {
    io::DiskImage image;
    std::string description;
    std::size_t durable;
  };

  /// The live store agrees too, its books are right, and when all devices are gone nothing is left of them.
  void finish_run() {
    rig_.wait_for(*rig_.session);
    harvest_sync();
    rig_.sync();
    judge_crashes();
    durable_ = states_.size() - 1;
    const std::string differs = difference(states_.back(), content_of(rig_.loop, rig_.store()));
    if (!differs.empty()) return fail(fmt::format("the living store:{}", differs));
    if (const std::string bad = first_problem(rig_.check()); !bad.empty()) {
      return fail(fmt::format("the check of the living store: {}", bad));
    }
    rig_.disk.at_boundaries({});
    if (const std::string bad = empty_the_store(rig_); !bad.empty()) fail(bad);
    counts_.states += states_.size();
  }

  void fail(const std::string& problem) {
    if (problem_.empty()) problem_ = fmt::format("instruction {}: {}", done_, problem);
  }

  CrashOptions options_;
  CrashCounts& counts_;
  io::SeededRandom random_;
  PoolRig rig_;
  vm::testing::Model model_;
  std::optional<vm::testing::RandomProgram> generator_;
  std::vector<Worker> workers_;
  std::vector<Content> states_;  ///< one after the other, each different from the one before
  std::size_t durable_ = 0;      ///< the last of them that must survive
  std::optional<std::size_t> sync_covers_;
  std::vector<Crash> crashes_;  ///< not judged yet
  std::size_t done_ = 0;
  std::string problem_;
};

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* const text = std::getenv(variable);
  return text != nullptr ? std::strtoull(text, nullptr, 0) : otherwise;
}

}  // namespace

std::string run_crash_test(std::uint64_t seed, CrashOptions options, CrashCounts& counts) {
  seed = number_from("CRASH_SEED", seed);
  options.steps = number_from("CRASH_STEPS", options.steps);
  options.images_at_boundary = number_from("CRASH_IMAGES", options.images_at_boundary);
  const std::string problem = CrashRun(seed, options, counts).run();
  if (problem.empty()) return {};
  return fmt::format("{}\nreplay it with CRASH_SEED={} CRASH_STEPS={} CRASH_IMAGES={} and this test case alone",
                     problem, seed, options.steps, options.images_at_boundary);
}

}  // namespace chimera::devices::testing
