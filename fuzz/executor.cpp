// Any bytes as streams of instructions, on a machine with devices in memory or with a small pool: it comes to rest,
// answers each whole instruction once, and a stream fed in pieces is answered as one that is fed whole. A pool is in
// order afterwards, unless its disk was made to fail.
//
// The first bytes of an input choose: how it is run and how many devices are there that nobody has opened yet, what
// cuts it, how long the pieces are, which request fails or where the second session's stream begins.

#include <array>
#include <cstring>
#include <optional>
#include <string>

#include "devices/open.h"
#include "devices/pool.h"
#include "fuzz/change_stream.h"
#include "fuzz/talk.h"
#include "io/seeded_random.h"
#include "io/simulated_disk.h"
#include "isa/builder.h"
#include "vm/recovery.h"

namespace {

using namespace chimera;
using fuzz::Bytes;
using fuzz::Owed;
using fuzz::Said;
using fuzz::Talk;

struct Choices {
  static constexpr std::size_t size = 4;

  explicit Choices(Bytes head) : seed(head[1]), piece(head[2] + 1u), share(head[3]) {
    on_disk = (head[0] & 1) != 0;
    two_sessions = (head[0] & 2) != 0;
    devices = head[0] >> 4;
    const unsigned failing = head[0] >> 2 & 3;
    if (on_disk && failing != 0) fault = {.kind = static_cast<io::DiskRequest::Kind>(failing - 1), .nth = head[3] + 1u};
  }

  bool on_disk, two_sessions;
  unsigned devices;
  std::uint64_t seed;
  std::size_t piece;
  std::uint8_t share;  ///< what the first of two sessions gets, of 256
  std::optional<io::Fault> fault;
};

io::DiskImage empty_store() {
  io::SimulatedLoop loop(1);
  io::SimulatedDisk disk(loop, devices::smallest_store_blocks);
  FUZZ_CHECK(devices::format(loop, disk));
  return disk.content();
}

std::unique_ptr<devices::Store> make_store(io::SimulatedLoop& loop, io::SimulatedDisk& disk, const Choices& choices) {
  if (!choices.on_disk) return std::make_unique<devices::Store>(devices::MemoryOptions{.most_bytes = 16 << 20});
  auto opened = vm::open_store(loop, disk, {.cache_bytes = limits::smallest_cache});
  FUZZ_CHECK(opened);
  return std::move(*opened);
}

/// Devices as an earlier session might have left them.
void make_devices(io::SimulatedLoop& loop, vm::Machine& machine, unsigned count) {
  static constexpr std::array<std::uint8_t, 100> content{1, 2, 3};
  Program program;
  for (unsigned n = 1; n <= count; ++n) {
    program.create_device("known " + std::to_string(n), {}, {}, fuzz::known_device(n)).append_bytes(implied, content);
  }
  Talk talk(machine, program.bytes());
  talk.feed(program.bytes().size());
  FUZZ_CHECK(fuzz::run_to_rest(machine, loop, {&talk, 1}));
}

void check_books(io::SimulatedLoop& loop, vm::Machine& machine, bool must_be_good) {
  const bool is_durable = machine.sync() == Status::ok;
  const devices::CheckReport report = devices::check(loop, machine.store(), [](std::uint64_t, std::uint64_t) {});
  if (must_be_good) FUZZ_CHECK(is_durable && report.problem_count == 0);
}

struct Run {
  std::vector<std::vector<Said>> said;  ///< by session
  std::vector<std::vector<Owed>> owed;
  bool is_whole = true;
};

/// One run of these streams on a new machine; `cuts`: fed in pieces.
Run run(std::span<const Bytes> streams, const Choices& choices, bool cuts) {
  static const io::DiskImage image = empty_store();
  io::SimulatedLoop loop(choices.seed);
  io::SimulatedDisk disk(loop, choices.on_disk ? image : io::DiskImage(1));
  vm::Machine machine(loop, make_store(loop, disk, choices));
  make_devices(loop, machine, choices.devices);
  if (choices.fault) disk.inject(*choices.fault);
  io::SeededRandom random(choices.seed);
  Run result;
  {
    std::vector<Talk> talks;
    for (const Bytes stream : streams) talks.emplace_back(machine, stream);
    const auto all_fed = [&] { return std::ranges::all_of(talks, &Talk::all_fed); };
    do {
      for (Talk& talk : talks) talk.feed(cuts ? 1 + random.below(choices.piece) : ~std::size_t{0});
      if (!cuts || all_fed()) {
        result.is_whole = fuzz::run_to_rest(machine, loop, talks);
      } else if (random.chance(50)) {
        machine.turn(0);
        for (Talk& talk : talks) talk.take();
      }
    } while (!all_fed());
    for (const Talk& talk : talks) {
      if (result.is_whole) talk.check_end();
      result.said.push_back(talk.said());
      result.owed.push_back(talk.owed());
    }
  }
  if (choices.on_disk) check_books(loop, machine, !choices.fault);
  return result;
}

/// UUIDs are made up anew in each run, and the books of a store depend on when what was written.
bool is_repeatable(const Instruction& instruction) {
  switch (row_of(instruction.operation).result) {
    case Result::uuid:
    case Result::uuids:
    case Result::devices: return false;
    default: return instruction.operation != Operation::describe_device;
  }
}

/// The end of the last instruction before `most`.
std::size_t middle_of(Bytes stream, std::size_t most) {
  std::size_t middle = 0;
  for (const Owed& owed : fuzz::owed_to(stream)) {
    if (owed.end <= most) middle = owed.end;
  }
  return middle;
}

void compare(const Run& one, const Run& other) {
  const std::vector<Owed>& owed = one.owed.front();
  const std::size_t count = std::min(one.said.front().size(), other.said.front().size());
  for (std::size_t n = 0; n < count; ++n) {
    const Said& first = one.said.front()[n];
    const Said& second = other.said.front()[n];
    // How much space there is in the end depends on what has been freed already.
    if (first.status == Status::no_space || second.status == Status::no_space) return;
    FUZZ_CHECK(first.status == second.status);
    if (owed[n].instruction.operation == Operation::describe_store) continue;
    FUZZ_CHECK(first.size == second.size);
    FUZZ_CHECK(first.checksum == second.checksum || !is_repeatable(owed[n].instruction));
  }
}

}  // namespace

/// libFuzzer's own changes, of the bytes.
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  io::SeededRandom random(seed);
  if (size < Choices::size || random.chance(30)) return LLVMFuzzerMutate(data, size, most);
  if (random.chance(5)) data[0] = static_cast<std::uint8_t>(random.next());
  const std::vector<std::uint8_t> stream =
      fuzz::StreamChange(random.next()).apply({data + Choices::size, size - Choices::size});
  if (Choices::size + stream.size() > most) return LLVMFuzzerMutate(data, size, most);
  std::memcpy(data + Choices::size, stream.data(), stream.size());
  return Choices::size + stream.size();
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < Choices::size) return 0;
  const Choices choices({data, Choices::size});
  const Bytes stream{data + Choices::size, size - Choices::size};
  if (choices.two_sessions) {
    const std::size_t middle = middle_of(stream, stream.size() * choices.share / 256);
    run(std::array{stream.first(middle), stream.subspan(middle)}, choices, true);
    return 0;
  }
  const Run whole = run({&stream, 1}, choices, false);
  const Run pieces = run({&stream, 1}, choices, true);
  if (!choices.fault) compare(whole, pieces);
  return 0;
}
