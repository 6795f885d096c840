#include "tests/devices/file_crash.h"

#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include <fmt/format.h>

#include "tests/devices/pool_rig.h"
#include "tests/devices/served_files.h"

namespace chimera::devices::testing {
namespace {

constexpr std::uint64_t file_blocks = 12;
constexpr std::uint64_t file_length = file_blocks * block_size - 100;
/// Where transactions write their number: within a block, over the end of one, at the end of the file.
constexpr std::array<std::uint64_t, 5> places = {100, 2 * block_size - 4, 3 * block_size, 7 * block_size + 9,
                                                 file_length - 8};
/// One of their blocks is written whole.
constexpr std::uint64_t whole_block = 5 * block_size;
/// And outside of transactions, in a block that transactions write too.
constexpr std::uint64_t outside = 3 * block_size + 2000;
constexpr unsigned rounds = 12;

std::array<std::uint8_t, 8> bytes_of(std::uint64_t number) {
  std::array<std::uint8_t, 8> bytes{};
  std::memcpy(bytes.data(), &number, sizeof number);
  return bytes;
}

std::uint64_t number_in(const std::uint8_t* bytes) {
  std::uint64_t number = 0;
  std::memcpy(&number, bytes, sizeof number);
  return number;
}

/// A store and its file on two disks of one loop.
struct Pair {
  Pair(std::uint64_t seed, io::DiskImage store_image, io::DiskImage file_image)
      : loop(seed), store(loop, std::move(store_image)), file(loop, std::move(file_image)) {}

  std::string open() {
    auto opened = vm::open_store(
        loop, store, {.cache_bytes = 8u << 20, .any_cache = true, .folder = std::make_shared<SimulatedFolder>(file)});
    if (!opened) return opened.error();
    machine = std::make_unique<vm::Machine>(loop, std::move(*opened));
    session = machine->connect();
    return {};
  }
  std::string run(const Program& program, std::vector<Reply>& replies) {
    session->feed(program.bytes());
    while (!session->idle()) {
      const bool more = machine->run_ready();
      if (session->idle()) break;
      if (loop.step(0) == 0 && !more && !machine->run_ready() && !session->idle()) return "it stands still";
    }
    replies = replies_of(program, session->answers());
    session->take_answers(session->answers().size());
    for (const Reply& reply : replies) {
      if (!reply.ok()) return reply.message;
    }
    return {};
  }

  io::SimulatedLoop loop;
  io::SimulatedDisk store, file;
  std::unique_ptr<vm::Machine> machine;
  std::unique_ptr<vm::Session> session;
};

/// The numbers that were sent, and those that were answered as durable.
struct Known {
  std::uint64_t sent = 0, durable = 0, sent_outside = 0, durable_outside = 0;
};

std::string judge_numbers(const std::vector<std::uint8_t>& file, std::uint64_t in_pool, const Known& known) {
  for (const std::uint64_t place : places) {
    const std::uint64_t number = number_in(&file[place]);
    if (number != in_pool) return fmt::format("{} at {}, and {} in the pool", number, place, in_pool);
  }
  for (std::uint64_t at = whole_block; at < whole_block + block_size; at += 8) {
    if (number_in(&file[at]) != in_pool) return fmt::format("{} at {}", number_in(&file[at]), at);
  }
  const std::uint64_t written = number_in(&file[outside]);
  if (in_pool < known.durable || in_pool > known.sent) return fmt::format("{} and not {}", in_pool, known.durable);
  if (written < known.durable_outside || written > known.sent_outside)
    return fmt::format("outside of transactions {} and not {}", written, known.durable_outside);
  return {};
}

class FileCrash {
 public:
  FileCrash(std::uint64_t seed, std::size_t& images)
      : random_(seed), images_(images), pair_(seed, io::DiskImage(smallest_store_blocks), io::DiskImage(file_blocks)) {}

  std::string run() {
    if (!format(pair_.loop, pair_.store)) return "it cannot be formatted";
    if (std::string wrong = pair_.open(); !wrong.empty()) return wrong;
    std::vector<Reply> replies;
    Program making;
    making.create_device("file", {}, "kind=file,path=f")
        .create_device("pool")
        .write_bytes(implied, 0, bytes_of(0))
        .sync();
    if (std::string wrong = pair_.run(making, replies); !wrong.empty()) return wrong;
    file_ = uuid_in(replies[0]);
    pool_ = uuid_in(replies[1]);
    const auto look = [this](io::SimulatedDisk::Boundary, const io::DiskRequest&) { look_at_images(); };
    pair_.store.at_boundaries(look);
    pair_.file.at_boundaries(look);
    for (unsigned n = 0; n < rounds && wrong_.empty(); ++n) {
      const std::string problem = random_.chance(60) ? commit() : write_outside();
      if (wrong_.empty()) wrong_ = problem;
    }
    pair_.store.at_boundaries({});
    pair_.file.at_boundaries({});
    return wrong_;
  }

 private:
  std::string commit() {
    const auto number = bytes_of(++known_.sent);
    std::vector<std::uint8_t> block;
    while (block.size() < block_size) block.insert(block.end(), number.begin(), number.end());
    Program program;
    program.begin();
    for (const std::uint64_t place : places) program.write_bytes(file_, place, number);
    program.write_bytes(file_, whole_block, block).write_bytes(pool_, 0, number).commit();
    std::vector<Reply> replies;
    const std::string problem = pair_.run(program, replies);
    known_.durable = known_.sent;
    return problem;
  }

  std::string write_outside() {
    Program program;
    program.write_bytes(file_, outside, bytes_of(++known_.sent_outside));
    const bool flushes = random_.chance(60);
    if (flushes) program.flush_device(file_);
    std::vector<Reply> replies;
    const std::string problem = pair_.run(program, replies);
    if (flushes) known_.durable_outside = known_.sent_outside;
    return problem;
  }

  void look_at_images() {
    if (!wrong_.empty() || !random_.chance(40)) return;
    const io::CrashImages::Options options{
        .enumerate_up_to = 0, .most_singles = 8, .samples = 8, .seed = random_.next()};
    const io::CrashImages stores = pair_.store.crash_images(options);
    const io::CrashImages files = pair_.file.crash_images(options);
    for (unsigned n = 0; n < 3 && wrong_.empty(); ++n) {
      const std::size_t store = random_.below(stores.size());
      const std::size_t file = random_.below(files.size());
      ++images_;
      wrong_ = judge(stores.at(store), files.at(file));
      if (!wrong_.empty()) {
        wrong_ = fmt::format("store: {}, file: {}: {}", stores.describe(store), files.describe(file), wrong_);
      }
    }
  }

  /// What others read, and what the file itself holds when all has come to rest.
  std::string judge(io::DiskImage store_image, io::DiskImage file_image) {
    Pair pair(random_.next(), std::move(store_image), std::move(file_image));
    if (std::string wrong = pair.open(); !wrong.empty()) return "it does not open: " + wrong;
    std::vector<Reply> replies;
    Program reading;
    reading.read_bytes(file_, 0, file_length).read_bytes(pool_, 0, 8);
    if (std::string wrong = pair.run(reading, replies); !wrong.empty()) return "it cannot be read: " + wrong;
    const std::uint64_t in_pool = number_in(replies[1].result.data());
    if (std::string wrong = judge_numbers(replies[0].result, in_pool, known_); !wrong.empty()) return wrong;
    if (pair.machine->sync() != Status::ok) return "it does not come to rest";
    std::vector<std::uint8_t> raw(file_blocks * block_size);
    for (std::uint64_t block = 0; block < file_blocks; ++block) {
      const std::span<std::uint8_t> to(&raw[block * block_size], block_size);
      pair.file.content().read_block(block, std::as_writable_bytes(to).first<block_size>());
    }
    const std::string wrong = judge_numbers(raw, in_pool, known_);
    return wrong.empty() ? wrong : "in the file itself " + wrong;
  }

  io::SeededRandom random_;
  std::size_t& images_;
  Pair pair_;
  Uuid file_{}, pool_{};
  Known known_;
  std::string wrong_;
};

}  // namespace

std::string run_file_crash_test(std::uint64_t seed, std::size_t& images) {
  const std::string wrong = FileCrash(seed, images).run();
  return wrong.empty() ? wrong : fmt::format("seed {}: {}", seed, wrong);
}

}  // namespace chimera::devices::testing
