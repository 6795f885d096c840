#include "tests/devices/file_crash.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include <fmt/format.h>

#include "tests/devices/pool_rig.h"
#include "tests/devices/served_files.h"
#include "tests/devices/sized_file.h"

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
constexpr unsigned file_rounds = 14;
/// A file whose length can be set: commits cut and lengthen it behind `file_length`, and write numbers there.
constexpr std::uint64_t disk_blocks = 600;
constexpr std::uint64_t most_tail = 20'000;
using Bytes = std::vector<std::uint8_t>;

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
  Pair(std::uint64_t seed, io::DiskImage store_image, io::DiskImage file_image, bool sized)
      : loop(seed), store(loop, std::move(store_image)), file(loop, std::move(file_image)) {
    if (sized) sized_file = std::make_unique<SizedFile>(file);
  }

  std::string open() {
    std::shared_ptr<io::Folder> folder = std::make_shared<SimulatedFolder>(file);
    if (sized_file != nullptr) folder = std::make_shared<SizedFolder>(*sized_file);
    auto opened = vm::open_store(loop, store, {.cache_bytes = 8u << 20, .any_cache = true, .folder = folder});
    if (!opened) return opened.error();
    machine = std::make_unique<vm::Machine>(loop, std::move(*opened));
    session = machine->connect();
    return {};
  }
  /// What has been committed gets on a little on its way to the file.
  void go_on(std::uint64_t steps) {
    for (; steps > 0; --steps) {
      machine->run_ready();
      loop.step(0);
    }
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
  std::unique_ptr<SizedFile> sized_file;
  std::unique_ptr<vm::Machine> machine;
  std::unique_ptr<vm::Session> session;
};

/// The numbers that were sent, and those that were answered as durable.
struct Known {
  std::uint64_t sent = 0, durable = 0, sent_outside = 0, durable_outside = 0;
  std::vector<Bytes> tails = {{}};  ///< by the number: what lies behind `file_length`
};

std::string judge_numbers(const Bytes& file, std::uint64_t in_pool, const Known& known) {
  if (in_pool < known.durable || in_pool > known.sent) return fmt::format("{} and not {}", in_pool, known.durable);
  const Bytes& tail = known.tails[in_pool];
  if (file.size() != file_length + tail.size()) {
    return fmt::format("{} bytes and not {} with {}", file.size(), file_length + tail.size(), in_pool);
  }
  const auto wrong = std::ranges::mismatch(tail, std::span(file).subspan(file_length));
  if (wrong.in1 != tail.end()) {
    return fmt::format("{} and not {} at {} behind {} with {}", *wrong.in2, *wrong.in1, wrong.in1 - tail.begin(),
                       file_length, in_pool);
  }
  for (const std::uint64_t place : places) {
    const std::uint64_t number = number_in(&file[place]);
    if (number != in_pool) return fmt::format("{} at {}, and {} in the pool", number, place, in_pool);
  }
  for (std::uint64_t at = whole_block; at < whole_block + block_size; at += 8) {
    if (number_in(&file[at]) != in_pool) return fmt::format("{} at {}", number_in(&file[at]), at);
  }
  const std::uint64_t written = number_in(&file[outside]);
  if (written < known.durable_outside || written > known.sent_outside)
    return fmt::format("outside of transactions {} and not {}", written, known.durable_outside);
  return {};
}

class FileCrash {
 public:
  FileCrash(std::uint64_t seed, std::size_t& images) : random_(seed), images_(images), is_sized_(seed % 2 == 0) {
    pair_ = std::make_unique<Pair>(seed, io::DiskImage(smallest_store_blocks),
                                   io::DiskImage(is_sized_ ? disk_blocks : file_blocks), is_sized_);
  }

  std::string run() {
    if (!format(pair_->loop, pair_->store)) return "it cannot be formatted";
    if (std::string wrong = pair_->open(); !wrong.empty()) return wrong;
    std::vector<Reply> replies;
    Program making;
    making.create_device("file", {}, "kind=file,path=f");
    if (is_sized_) making.write_length(implied, file_length);
    making.create_device("pool").write_bytes(implied, 0, bytes_of(0)).sync();
    if (std::string wrong = pair_->run(making, replies); !wrong.empty()) return wrong;
    file_ = uuid_in(replies[0]);
    pool_ = uuid_in(replies[is_sized_ ? 2 : 1]);
    look_at_boundaries([this](auto, auto&) { look_at_images(); });
    for (unsigned n = 0; n < file_rounds && wrong_.empty(); ++n) {
      pair_->go_on(random_.below(8));
      const std::string problem = random_.chance(10) ? crash() : random_.chance(65) ? commit() : write_outside();
      if (wrong_.empty()) wrong_ = problem;
    }
    look_at_boundaries({});
    return wrong_;
  }

 private:
  void look_at_boundaries(const io::SimulatedDisk::BoundaryHook& look) {
    pair_->store.at_boundaries(look);
    pair_->file.at_boundaries(look);
  }

  /// It goes on with what is left, while that is still being brought in order.
  std::string crash() {
    const io::CrashImages stores = pair_->store.crash_images(image_options());
    const io::CrashImages files = pair_->file.crash_images(image_options());
    look_at_boundaries({});
    pair_ = std::make_unique<Pair>(random_.next(), stores.at(random_.below(stores.size())),
                                   files.at(random_.below(files.size())), is_sized_);
    if (std::string wrong = pair_->open(); !wrong.empty()) return "it does not open: " + wrong;
    std::vector<Reply> replies;
    Program reading;
    reading.read_bytes(pool_, 0, 8).read_bytes(file_, outside, 8);
    if (std::string wrong = pair_->run(reading, replies); !wrong.empty()) return wrong;
    known_.sent = known_.durable = number_in(replies[0].result.data());
    known_.tails.resize(known_.sent + 1);
    known_.sent_outside = std::max(known_.sent_outside, number_in(replies[1].result.data()));
    look_at_boundaries([this](auto, auto&) { look_at_images(); });
    return {};
  }

  /// Sets the length once or more often, and writes the number behind it: in the program and in what is expected.
  Bytes change_tail(Program& program, const Bytes& before, std::span<const std::uint8_t> number) {
    Bytes tail = before;
    for (std::uint64_t n = random_.below(4); n > 0; --n) {
      if (random_.chance(50)) {
        tail.resize(random_.below(most_tail));
        program.write_length(file_, file_length + tail.size());
      } else {
        const std::uint64_t at = random_.below(most_tail);
        tail.resize(std::max<std::size_t>(tail.size(), at + number.size()));
        std::ranges::copy(number, tail.begin() + static_cast<std::ptrdiff_t>(at));
        program.write_bytes(file_, file_length + at, number);
      }
    }
    return tail;
  }

  std::string commit() {
    const auto number = bytes_of(++known_.sent);
    std::vector<std::uint8_t> block;
    while (block.size() < block_size) block.insert(block.end(), number.begin(), number.end());
    Program program;
    program.begin();
    for (const std::uint64_t place : places) program.write_bytes(file_, place, number);
    program.write_bytes(file_, whole_block, block).write_bytes(pool_, 0, number);
    const Bytes before = known_.tails.back();
    known_.tails.push_back(is_sized_ ? change_tail(program, before, number) : Bytes());
    program.commit();
    std::vector<Reply> replies;
    const std::string problem = pair_->run(program, replies);
    known_.durable = known_.sent;
    return problem;
  }

  std::string write_outside() {
    Program program;
    program.write_bytes(file_, outside, bytes_of(++known_.sent_outside));
    const bool flushes = random_.chance(60);
    if (flushes) program.flush_device(file_);
    std::vector<Reply> replies;
    const std::string problem = pair_->run(program, replies);
    if (flushes) known_.durable_outside = known_.sent_outside;
    return problem;
  }

  io::CrashImages::Options image_options() {
    return {.enumerate_up_to = 0, .most_singles = 8, .samples = 8, .seed = random_.next()};
  }

  void look_at_images() {
    if (!wrong_.empty() || !random_.chance(40)) return;
    const io::CrashImages stores = pair_->store.crash_images(image_options());
    const io::CrashImages files = pair_->file.crash_images(image_options());
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
    Pair pair(random_.next(), std::move(store_image), std::move(file_image), is_sized_);
    if (std::string wrong = pair.open(); !wrong.empty()) return "it does not open: " + wrong;
    std::vector<Reply> replies;
    if (std::string wrong = pair.run(Program().read_length(file_), replies); !wrong.empty()) return wrong;
    const std::uint64_t length = number_in(replies[0].result.data());
    if (length < file_length) return fmt::format("it has {} bytes", length);
    Program reading;
    reading.read_bytes(file_, 0, static_cast<std::uint32_t>(length)).read_bytes(pool_, 0, 8);
    if (std::string wrong = pair.run(reading, replies); !wrong.empty()) return "it cannot be read: " + wrong;
    const std::uint64_t in_pool = number_in(replies[1].result.data());
    if (std::string wrong = judge_numbers(replies[0].result, in_pool, known_); !wrong.empty()) return wrong;
    if (pair.machine->sync() != Status::ok) return "it does not come to rest";
    const std::string wrong = judge_numbers(raw_bytes(pair.file.content()), in_pool, known_);
    return wrong.empty() ? wrong : "in the file itself " + wrong;
  }

  [[nodiscard]] Bytes raw_bytes(const io::DiskImage& image) const {
    if (is_sized_) return SizedFile::bytes_in(image);
    Bytes raw(file_blocks * block_size);
    for (std::uint64_t block = 0; block < file_blocks; ++block) {
      const std::span<std::uint8_t> to(&raw[block * block_size], block_size);
      image.read_block(block, std::as_writable_bytes(to).first<block_size>());
    }
    raw.resize(file_length);
    return raw;
  }

  io::SeededRandom random_;
  std::size_t& images_;
  bool is_sized_;
  std::unique_ptr<Pair> pair_;
  Uuid file_{}, pool_{};
  Known known_;
  std::string wrong_;
};

/// Whether a store has the commit that writes 1 into its device `pool`, whatever a crash leaves of it.
std::string judge_cut(Pair& pair, const Uuid& pool) {
  const io::CrashImages stores = pair.store.crash_images({.enumerate_up_to = 256});
  for (std::size_t n = 0; n < stores.size(); ++n) {
    Pair crashed(n, stores.at(n), pair.file.content(), true);
    if (std::string wrong = crashed.open(); !wrong.empty()) return "it does not open: " + wrong;
    std::vector<Reply> replies;
    if (std::string wrong = crashed.run(Program().read_bytes(pool, 0, 8), replies); !wrong.empty()) return wrong;
    if (number_in(replies[0].result.data()) != 1) return "the file is cut, and the commit gone: " + stores.describe(n);
  }
  return {};
}

}  // namespace

std::string run_file_cut_test() {
  Pair pair(1, io::DiskImage(smallest_store_blocks), io::DiskImage(disk_blocks), true);
  if (!format(pair.loop, pair.store)) return "it cannot be formatted";
  if (std::string wrong = pair.open(); !wrong.empty()) return wrong;
  std::vector<Reply> replies;
  Program making;
  making.create_device("file", {}, "kind=file,path=f").write_length(implied, file_length).flush_device();
  making.create_device("pool").write_bytes(implied, 0, bytes_of(0)).sync();
  if (std::string wrong = pair.run(making, replies); !wrong.empty()) return wrong;
  const Uuid file = uuid_in(replies[0]);
  const Uuid pool = uuid_in(replies[3]);
  // A whole number of blocks: none is committed with it.
  Program cutting;
  cutting.begin().write_length(file, block_size).write_bytes(pool, 0, bytes_of(1)).commit();
  pair.session->feed(cutting.bytes());
  while (pair.sized_file->length() == file_length) {
    const bool more = pair.machine->run_ready();
    if (pair.sized_file->length() != file_length) break;
    if (pair.loop.step(0) == 0 && !more) return "the file is never cut";
  }
  return judge_cut(pair, pool);
}

std::string run_file_crash_test(std::uint64_t seed, std::size_t& images) {
  const std::string wrong = FileCrash(seed, images).run();
  return wrong.empty() ? wrong : fmt::format("seed {}: {}", seed, wrong);
}

}  // namespace chimera::devices::testing
