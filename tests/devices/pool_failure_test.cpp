// What docs/architecture.md promises "when something fails" of a disk under a pool: a program runs once to count its
// requests, and again for each of them with that one failing.

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tests/devices/bad_block.h"
#include "tests/devices/crash_content.h"
#include "tests/devices/crash_recovery.h"
#include "tests/devices/pool_rig.h"
#include "tests/vm/model.h"

namespace chimera::devices::testing {
namespace {

using Kind = io::DiskRequest::Kind;

constexpr std::uint64_t store_blocks = (24 * mebi) / block_size;

const Uuid doomed = numbered(3);
const Uuid large = numbered(4);

Program preparation() {
  Program program;
  program.create_device("table", "id u64", {}, table).create_device("log", {}, {}, log);
  program.create_device("doomed", {}, {}, doomed);
  for (std::uint64_t n = 0; n < 24; ++n) program.write_bytes(table, n * 300 * kibi, pattern(n, 5000));
  for (std::uint64_t n = 0; n < 6; ++n) program.write_bytes(doomed, n * mebi, pattern(100 + n, 9000));
  return program.write_bytes(log, 0, pattern(200, 200 * kibi))
      .write_metadata_bytes(table, 1ull << 40, pattern(201, 6000))
      .clone_device(table, "earlier")
      .write_bytes(table, 600 * kibi, pattern(202, 20 * kibi))
      .sync();
}

/// Whatever fails without effect may be run once more, so nothing in it stands at a cursor.
Program work() {
  Program program;
  for (std::uint64_t n = 0; n < 24; n += 2) program.read_byte(table, n * 300 * kibi);
  for (std::uint64_t n = 0; n < 6; n += 2) program.read_bytes(doomed, n * mebi, 9000);
  return program.read_digest(table, 0, 6 * mebi)
      .check_bytes(log, 0, pattern(200, 200 * kibi))
      .read_extents(table, 0, 6 * mebi)
      .write_bytes(table, 1000 * kibi + 5, pattern(300, 10'000))
      .write_metadata_bytes(table, (1ull << 40) + 100, pattern(301, 5000))
      .sync()
      .clone_device(table, "branch")
      .write_byte(table, 3 * mebi, 1)
      .clear_extents(table, 300 * kibi, 2 * mebi)
      .flush_device(log)
      .append_bytes(log, pattern(302, 3000))
      .delete_device(doomed)
      .write_columns(table, "id u64, name text")
      .sync()
      .create_device("large", {}, {}, large)
      .write_bytes(large, 0, pattern(303, 4 * mebi))  // much of which is written ahead
      .flush_device(large)
      .read_columns(table)
      .read_metadata_bytes(table, 1ull << 40, 7000)
      .copy_bytes(log, 7, large, mebi + 1, 100 * kibi)
      .delete_device(large)
      .open_device("branch")
      .write_bytes(implied, 4 * mebi, pattern(304, 9000))
      .copy_bytes(table, 0, log, 8 * mebi, 5 * mebi)  // in pieces
      .rename_device(log, "journal")                  // left to a checkpoint
      .write_length(table, 5 * mebi)
      .sync()
      .clear_metadata(table, 1ull << 40, 5000)
      .open_device("branch")
      .delete_device()
      .compare_devices(table, log, 0, 2 * mebi)
      .sync();
}

/// The program on a disk with a fault, each answer held against the model.
class Trial {
 public:
  Trial() : rig(store_blocks), model_(false) {
    for (const Instruction& instruction : instructions_of(prepared().bytes())) {
      REQUIRE_EQ(carry_out(instruction), Status::ok);
    }
    rig.settle();
    rig.sync();
    rig.reopen();
    model_.restart();
    for (const Kind kind : {Kind::read, Kind::write, Kind::flush})
      before_[static_cast<std::size_t>(kind)] = count(kind);
    states_ = {content_of(model_)};
    model_.tolerate(Status::io_error);
  }

  /// Requests of the program so far.
  [[nodiscard]] std::uint64_t requests(Kind kind) const {
    return count(kind) - before_[static_cast<std::size_t>(kind)];
  }
  [[nodiscard]] const Content& present() const { return states_.back(); }
  /// The states that may be found after a crash.
  [[nodiscard]] std::span<const Content> allowed() const { return states_; }

  /// How many instructions failed, each of which has gone well the second time; less where the store has failed.
  std::size_t run(bool again) {
    std::size_t failures = 0;
    for (const Instruction& instruction : instructions_of(work_to_do().bytes())) {
      if (instruction.operation == Operation::rename_device) rig.pool().journal().break_off();
      if (carry_out(instruction) != Status::io_error || !again) continue;
      ++failures;
      if (carry_out(instruction) != Status::ok) again = false;
    }
    rig.settle();
    return failures;
  }

  PoolRig rig;

 private:
  static const Program& prepared() {
    static const Program program = preparation();
    return program;
  }
  static const Program& work_to_do() {
    static const Program program = work();
    return program;
  }
  [[nodiscard]] std::uint64_t count(Kind kind) const { return rig.disk.started(kind); }

  Status carry_out(const Instruction& instruction) {
    const bool had_failed = rig.pool().failed();
    const Program program = Program().append(instruction);
    rig.session->feed(program.bytes());
    rig.wait_for(*rig.session);
    Answer answer;
    const ParsedAnswer parsed = parse_answer(instruction, rig.session->answers(), answer);
    REQUIRE(parsed.kind == ParsedAnswer::Kind::complete);
    CHECK_EQ(model_.judge(0, instruction, answer), "");
    const bool is_flush = instruction.operation == Operation::sync || instruction.operation == Operation::flush_device;
    if (answer.ok() && changes(instruction)) {
      CHECK_FALSE(had_failed);
      states_.push_back(content_of(model_));
    }
    if (answer.ok() && is_flush) {
      CHECK_FALSE(had_failed);
      states_.erase(states_.begin(), states_.end() - 1);
    }
    const Status status = answer.status;
    rig.session->take_answers(static_cast<std::size_t>(parsed.size));
    // What goes on in the background comes along between the instructions.
    rig.machine->run_ready();
    rig.loop.step(0);
    return status;
  }

  static bool changes(const Instruction& instruction) {
    switch (instruction.operation) {
      case Operation::read_byte:
      case Operation::read_bytes:
      case Operation::read_digest:
      case Operation::check_bytes:
      case Operation::read_extents:
      case Operation::read_columns:
      case Operation::read_metadata_bytes:
      case Operation::compare_devices:
      case Operation::open_device:
      case Operation::flush_device:
      case Operation::sync: return false;
      default: return true;
    }
  }

  vm::testing::Model model_;
  std::array<std::uint64_t, 3> before_{};
  std::vector<Content> states_;  ///< since the last flush that answered ok
};

/// Every instruction that would change something.
void check_that_nothing_is_taken(PoolRig& rig) {
  const Program program = Program()
                              .write_byte(table, 0, 1)
                              .append_bytes(table, pattern(1, 100))
                              .clear_extents(table, 0, mebi)
                              .write_length(table, 1)
                              .write_columns(table, "none")
                              .write_metadata(table, 0, 1)
                              .clear_metadata(table, 0, 1ull << 41)
                              .copy_bytes(log, 0, table, 0, 4096)
                              .create_device("new")
                              .clone_device(table, "new")
                              .rename_device(table, "new")
                              .protect_device(table, true)
                              .delete_device(log)
                              .flush_device(table)
                              .sync();
  for (const Reply& reply : rig.run(program)) {
    CHECK_EQ(reply.status, Status::io_error);
    CHECK_NE(reply.message, "");
  }
}

void check_reopened(Trial& trial) {
  CHECK_EQ(difference(trial.present(), content_of(trial.rig.loop, trial.rig.store())), "");
  CHECK_EQ(first_problem(trial.rig.check()), "");
  CHECK_EQ(empty_the_store(trial.rig), "");
}

/// After a write or flush that failed.
void check_failed_store(Trial& trial, std::uint64_t seed) {
  PoolRig& rig = trial.rig;
  CHECK(rig.pool().failed());
  CHECK_EQ(difference(trial.present(), content_of(rig.loop, rig.store())), "");
  const std::uint64_t writes = trial.requests(Kind::write);
  const std::uint64_t flushes = trial.requests(Kind::flush);
  check_that_nothing_is_taken(rig);
  rig.settle();
  CHECK_EQ(difference(trial.present(), content_of(rig.loop, rig.store())), "");

  CrashCounts counts;
  const io::CrashImages images = rig.disk.crash_images({.enumerate_up_to = 4, .most_singles = 4, .samples = 4});
  CHECK_EQ(recover(images.at(io::SeededRandom(seed).below(images.size())), trial.allowed(), seed, false, counts), "");
  rig.close();
  CHECK_EQ(trial.requests(Kind::write), writes);
  CHECK_EQ(trial.requests(Kind::flush), flushes);
  CHECK_EQ(recover(rig.disk.content(), trial.allowed(), seed, seed % 8 == 0, counts), "");
}

std::uint64_t requests_of_all(Kind kind) {
  Trial trial;
  CHECK_EQ(trial.run(true), 0);
  const std::uint64_t requests = trial.requests(kind);
  check_reopened(trial);
  return requests;
}

TEST_CASE("a read fails: those who need it are told, and nothing else is different") {
  const std::uint64_t reads = requests_of_all(Kind::read);
  REQUIRE_GT(reads, 20);
  std::size_t told = 0;
  for (std::uint64_t nth = 1; nth <= reads; ++nth) {
    CAPTURE(nth);
    Trial trial;
    trial.rig.disk.inject({Kind::read, nth});
    const std::size_t failures = trial.run(true);
    REQUIRE_GE(trial.requests(Kind::read), nth);
    told += failures;
    CHECK_FALSE(trial.rig.pool().failed());
    CHECK_LE(failures, 1);
    CHECK_EQ(difference(trial.present(), content_of(trial.rig.loop, trial.rig.store())), "");
    CHECK_EQ(first_problem(trial.rig.check()), "");
    trial.rig.reopen();
    check_reopened(trial);
  }
  CHECK_GT(told, reads / 2);
}

#ifdef __SANITIZE_ADDRESS__  // some ten times slower
constexpr std::uint64_t stride = 8;
#else
constexpr std::uint64_t stride = 1;
#endif

TEST_CASE("a write or a flush fails: it is the last one, and what was durable stays") {
  Kind kind = Kind::write;
  SUBCASE("a write") { kind = Kind::write; }
  SUBCASE("a flush") { kind = Kind::flush; }
  const std::uint64_t requests = requests_of_all(kind);
  REQUIRE_GT(requests, 8);
  for (std::uint64_t nth = 1; nth <= requests; nth += stride) {
    CAPTURE(nth);
    Trial trial;
    trial.rig.disk.inject({kind, nth});
    trial.run(false);
    REQUIRE_GE(trial.requests(kind), nth);
    if (kind == Kind::flush) CHECK_EQ(trial.requests(kind), nth);
    check_failed_store(trial, nth);
  }
}

/// Changes that take blocks which were freed before, and blocks which the state before still needs.
Program more_work(std::uint64_t seed) {
  return Program()
      .write_bytes(table, 100 * kibi, pattern(seed, 300 * kibi))
      .write_bytes(log, 0, pattern(seed + 1, 700 * kibi))
      .clear_extents(table, 0, 200 * kibi)
      .create_device("made after " + std::to_string(seed), "columns")
      .write_bytes(implied, 0, pattern(seed + 2, 100 * kibi));
}

/// Opens the store once more on the same disk, whose cache knows what the medium may not have, and works on, with a
/// crash at boundaries. What may be found is what might have been found before, or a state since.
void go_on_after_failure(Trial& trial, std::uint64_t seed) {
  PoolRig& rig = trial.rig;
  rig.close();
  rig.disk.clear_faults();
  std::vector<Content> allowed(trial.allowed().begin(), trial.allowed().end());
  std::string problem;
  CrashCounts counts;
  io::SeededRandom random(seed);
  rig.disk.at_boundaries([&](io::SimulatedDisk::Boundary, const io::DiskRequest&) {
    if (!random.chance(10)) return;  // opening writes hundreds of blocks again, one by one
    const io::CrashImages images = rig.disk.crash_images({.enumerate_up_to = 4, .most_singles = 8, .samples = 8});
    for (unsigned n = 0; n < 3 && problem.empty(); ++n) {
      problem = recover(images.at(random.below(images.size())), allowed, seed, false, counts);
    }
  });
  rig.open();
  Content present = content_of(rig.loop, rig.store());
  CHECK(std::ranges::find(allowed, present) != allowed.end());
  for (std::uint64_t round = 0; round < 2; ++round) {
    const Program work = more_work(1000 * seed + 10 * round);
    for (const Instruction& instruction : instructions_of(work.bytes())) {
      rig.run_well(Program().append(instruction));
      present = content_of(rig.loop, rig.store());
      allowed.push_back(present);
    }
    rig.sync();
    allowed = {present};
  }
  CHECK_EQ(problem, "");
  rig.settle();
  rig.disk.at_boundaries({});
  CHECK_EQ(first_problem(rig.check()), "");
}

TEST_CASE("after a flush has failed the store is opened again on the same disk, works on, and crashes") {
  const std::uint64_t flushes = requests_of_all(Kind::flush);
  for (std::uint64_t nth = 1; nth <= flushes; nth += stride) {
    CAPTURE(nth);
    Trial trial;
    trial.rig.disk.inject({Kind::flush, nth});
    trial.run(false);
    REQUIRE(trial.rig.pool().failed());
    go_on_after_failure(trial, nth);
  }
}

TEST_CASE("what could not be written stays in memory, however much else is read") {
  constexpr std::uint64_t piece = 16 * mebi;
  constexpr std::uint64_t much = limits::smallest_cache + piece;
  PoolRig rig((much + 2 * piece) / block_size);
  rig.run_well(Program().create_device("other", {}, {}, log));
  const std::vector<std::uint8_t> others = pattern(1, piece);
  for (std::uint64_t at = 0; at < much; at += piece) rig.run_well(Program().write_bytes(log, at, others));
  rig.sync();
  const std::vector<std::uint8_t> bytes = pattern(2, 2 * mebi);
  rig.run_well(Program().create_device("d", {}, {}, table).write_bytes(table, 0, bytes));
  rig.disk.inject({Kind::write, 2, true});
  CHECK_EQ(rig.run(Program().sync()).front().status, Status::io_error);
  for (std::uint64_t at = 0; at < much; at += piece) rig.run_well(Program().check_bytes(log, at, others));
  rig.disk.clear_faults();
  rig.run_well(Program().check_bytes(table, 0, bytes));
}

TEST_CASE("one bad block among many that are read at once is told from the others") {
  constexpr std::uint64_t count = 16;
  constexpr std::uint64_t bad = 5;
  const std::vector<std::uint8_t> bytes = pattern(1, count * block_size);
  BadBlockRig bad_rig(Program().create_device("d", {}, {}, table).write_bytes(table, 0, bytes));
  PoolRig& rig = bad_rig.rig;
  bad_rig.spoil_block("d", bad);

  // Two who need it and one who does not, at the same time.
  std::array<Program, 3> programs;
  programs[0].read_bytes(table, 0, static_cast<std::uint32_t>(bytes.size()));
  programs[1].read_bytes(table, bad * block_size + 7, 10);
  programs[2].check_bytes(table, 0, std::span(bytes).first(bad * block_size));
  std::vector<std::unique_ptr<vm::Session>> sessions;
  for (const Program& program : programs) {
    sessions.push_back(rig.machine->connect());
    sessions.back()->feed(program.bytes());
  }
  for (std::size_t n = 0; n < programs.size(); ++n) {
    rig.wait_for(*sessions[n]);
    const Reply reply = replies_of(programs[n], sessions[n]->answers()).front();
    CHECK_EQ(reply.status, n == 2 ? Status::ok : Status::io_error);
    if (n < 2) CHECK_NE(reply.message.find("block 5 "), std::string::npos);
  }
  for (std::uint64_t n = 0; n < count; ++n) {
    const Reply reply = rig.run(Program().read_block(table, n * block_size)).front();
    CHECK_EQ(reply.status, n == bad ? Status::io_error : Status::ok);
    if (n != bad) CHECK(std::ranges::equal(reply.result, std::span(bytes).subspan(n * block_size, block_size)));
  }
  CHECK_EQ(rig.check().unreadable_blocks, 1);

  // Who overwrites all of it does not need it.
  SUBCASE("it is overwritten") {
    rig.run_well(Program().write_block(table, bad * block_size, Program::Block(pattern(2, block_size))).sync());
    CHECK_EQ(first_problem(rig.check()), "");
  }
  SUBCASE("it can be read again") {
    bad_rig.heal();
    rig.run_well(Program().check_bytes(table, 0, bytes));
    CHECK_EQ(first_problem(rig.check()), "");
  }
  sessions.clear();
}

TEST_CASE("a grave that cannot be read stays booked, and is emptied when it can be") {
  BadBlockRig bad_rig(Program()
                          .create_device("d", {}, {}, table)
                          .write_bytes(table, 0, pattern(1, 3 * mebi))
                          .create_device("other", {}, {}, log)
                          .write_bytes(log, 0, pattern(2, mebi)));
  PoolRig& rig = bad_rig.rig;
  bad_rig.spoil_root("d");
  rig.run_well(Program().delete_device(table).sync());
  rig.settle();
  CHECK_EQ(rig.pool().grave_count(), 1);
  rig.run_well(Program().check_bytes(log, 0, pattern(2, mebi)).append_bytes(log, pattern(3, 5000)).sync());
  CHECK_FALSE(rig.pool().failed());
  CHECK_EQ(rig.check().unreadable_blocks, 1);
  bad_rig.heal();
  bad_rig.open();
  CHECK_EQ(first_problem(rig.check()), "");
  CHECK_EQ(rig.pool().grave_count(), 0);
  CHECK_EQ(empty_the_store(rig), "");
}

}  // namespace
}  // namespace chimera::devices::testing
