#pragma once
// A machine over a store on a simulated disk, and programs run on it to their end. A machine that comes to a stand
// with something left to do is an error here, not a test that hangs.

#include <doctest/doctest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "devices/open.h"
#include "devices/pool.h"
#include "io/simulated_disk.h"
#include "isa/answer.h"
#include "isa/builder.h"
#include "isa/decoder.h"
#include "isa/limits.h"
#include "vm/machine.h"
#include "vm/recovery.h"

namespace chimera::devices::testing {

/// An answer that has been copied out of the stream.
struct Reply {
  Status status = Status::ok;
  std::vector<std::uint8_t> result;
  std::string message;
  [[nodiscard]] bool ok() const { return status == Status::ok; }
};

class IdleWaiter final : public Waiter {
 public:
  void wake() override { woken = true; }
  bool woken = false;
};

/// Repeats a call that may wait until it does not; the loop does the rest. `message` takes what a failure says.
template <typename Call>
Outcome finish(io::Loop& loop, Store& store, Call&& call, std::string* message = nullptr) {
  IdleWaiter waiter;
  for (;;) {
    waiter.woken = false;
    const Outcome outcome = call(waiter);
    if (!outcome.waits()) {
      if (message != nullptr) *message = waiter.message;
      store.release(waiter);
      return outcome;
    }
    while (!waiter.woken) REQUIRE_MESSAGE(loop.step(io::Loop::forever) > 0, "a call waits for nothing");
  }
}

/// Instructions of a program, as the machine will see them.
[[nodiscard]] inline std::vector<Instruction> instructions_of(std::span<const std::uint8_t> stream) {
  std::vector<Instruction> instructions;
  while (!stream.empty()) {
    Instruction instruction;
    const Decoded decoded = decode(stream, instruction);
    REQUIRE((decoded.kind == Decoded::Kind::complete || decoded.kind == Decoded::Kind::too_large));
    instructions.push_back(instruction);
    stream = stream.subspan(static_cast<std::size_t>(decoded.size));
  }
  return instructions;
}

[[nodiscard]] inline std::vector<Reply> replies_of(const Program& program, std::span<const std::uint8_t> answers) {
  std::vector<Reply> replies;
  for (const Instruction& instruction : instructions_of(program.bytes())) {
    Answer answer;
    const ParsedAnswer parsed = parse_answer(instruction, answers, answer);
    REQUIRE(parsed.kind == ParsedAnswer::Kind::complete);
    replies.push_back({answer.status, {answer.result.begin(), answer.result.end()}, std::string(answer.message)});
    answers = answers.subspan(static_cast<std::size_t>(parsed.size));
  }
  REQUIRE(answers.empty());
  return replies;
}

template <typename Expected>
[[nodiscard]] std::string error_of(const Expected& expected) {
  return expected ? std::string() : expected.error();
}

[[nodiscard]] inline Uuid uuid_in(const Reply& reply) {
  Uuid uuid{};
  std::copy_n(reply.result.begin(), std::min(reply.result.size(), uuid.size()), uuid.begin());
  return uuid;
}

class PoolRig {
 public:
  /// A new store on a disk of so many blocks.
  explicit PoolRig(std::uint64_t blocks = smallest_store_blocks, std::uint64_t seed = 1,
                   const FormatOptions& options = {}, const Discards::Options& discards = {})
      : loop(seed), disk(loop, blocks), discards_(discards) {
    const auto made = format(loop, disk, options);
    REQUIRE_MESSAGE(made.has_value(), error_of(made));
    open();
  }
  /// The store in an image.
  explicit PoolRig(io::DiskImage image, std::uint64_t seed = 1, std::uint64_t cache_bytes = limits::smallest_cache,
                   const Discards::Options& discards = {})
      : loop(seed), disk(loop, std::move(image)), cache_bytes_(cache_bytes), discards_(discards) {
    open();
  }

  void open(bool read_only = false) {
    auto opened = vm::open_store(
        loop, disk, {.cache_bytes = cache_bytes_, .any_cache = true, .read_only = read_only, .discards = discards_});
    REQUIRE_MESSAGE(opened.has_value(), error_of(opened));
    machine = std::make_unique<vm::Machine>(loop, std::move(*opened));
    session = machine->connect();
  }
  void close() {
    session.reset();
    machine.reset();
  }
  void reopen(bool read_only = false) {
    close();
    open(read_only);
  }

  /// Lets everything happen that can, until no session and no background work goes on.
  void settle() {
    while (machine->run_ready() || loop.step(0) > 0) continue;
  }
  void wait_for(vm::Session& waiting) {
    while (!waiting.idle()) {
      const bool more = machine->run_ready();
      if (waiting.idle()) return;
      const bool stands_still = loop.step(0) == 0 && !more && !machine->run_ready() && !waiting.idle();
      REQUIRE_MESSAGE(!stands_still, "the machine stands still with an instruction unanswered");
    }
  }
  std::vector<Reply> run(vm::Session& in, const Program& program) {
    in.feed(program.bytes());
    wait_for(in);
    const std::vector<Reply> replies = replies_of(program, in.answers());
    in.take_answers(in.answers().size());
    return replies;
  }
  std::vector<Reply> run(const Program& program) { return run(*session, program); }
  /// For programs all of whose instructions succeed; the last one's reply.
  Reply run_well(const Program& program) {
    Reply last;
    for (Reply& reply : run(program)) {
      REQUIRE_MESSAGE(reply.ok(), reply.message);
      last = std::move(reply);
    }
    return last;
  }
  Uuid create(std::string_view name, std::string_view options = {}) {
    const Reply reply = run_well(Program().create_device(name, {}, options));
    return uuid_in(reply);
  }
  Uuid clone(const Uuid& origin, std::string_view name) {
    const Reply reply = run_well(Program().clone_device(origin, name));
    return uuid_in(reply);
  }
  void sync() { run_well(Program().sync()); }
  /// All is in a checkpoint, and nothing in the journal.
  void checkpoint() { REQUIRE_EQ(machine->sync(), Status::ok); }

  [[nodiscard]] Store& store() { return machine->store(); }
  [[nodiscard]] Pool& pool() { return *machine->store().pool(); }
  [[nodiscard]] SpaceMap& space() { return pool().blocks().space(); }
  /// The check's report; the store is settled by it.
  [[nodiscard]] CheckReport check() {
    return devices::check(loop, store(), [](std::uint64_t, std::uint64_t) {});
  }

  io::SimulatedLoop loop;
  io::SimulatedDisk disk;
  std::unique_ptr<vm::Machine> machine;
  std::unique_ptr<vm::Session> session;

 private:
  std::uint64_t cache_bytes_ = limits::smallest_cache;
  Discards::Options discards_;
};

/// UUIDs that tests know beforehand.
[[nodiscard]] inline Uuid numbered(std::uint8_t number) {
  Uuid uuid{};
  uuid.data[15] = number;
  return uuid;
}

/// What tests call a device and another one.
inline const Uuid table = numbered(1), log = numbered(2);

inline constexpr std::uint64_t kibi = 1 << 10, mebi = 1 << 20;  ///< bytes
inline constexpr std::uint64_t beyond = smallest_store_blocks;  ///< the first block behind the smallest store

[[nodiscard]] inline Program::Block as_block(const std::vector<std::uint8_t>& bytes) { return Program::Block(bytes); }

/// Bytes that depend on a number, so that no two blocks are the same.
[[nodiscard]] inline std::vector<std::uint8_t> pattern(std::uint64_t number, std::size_t size) {
  std::vector<std::uint8_t> bytes(size);
  io::SeededRandom random(number);
  for (std::size_t at = 0; at < size; at += 8) {
    const std::uint64_t word = random.next();
    std::memcpy(&bytes[at], &word, std::min<std::size_t>(8, size - at));
  }
  return bytes;
}

[[nodiscard]] inline std::string first_problem(const CheckReport& report) {
  return report.problem_count == 0 ? std::string() : report.problems.front();
}

}  // namespace chimera::devices::testing
