// One in-order stream against a disk.
//
//   random_reads       store=PATH cache=BYTES bytes=DEVICE count=READS      reads a second
//   random_writes      store=PATH cache=BYTES bytes=DEVICE count=WRITES ageing=WRITES   writes a second
//   sequential_reads   store=PATH cache=BYTES bytes=DEVICE                  bytes a second
//   sequential_writes  store=PATH cache=BYTES bytes=A_SAMPLE                bytes a second
//   fill_device        store=PATH cache=BYTES bytes=DEVICE
//
// The reads need a store that fill_device has filled; random_writes makes the device if there is none.

#include <algorithm>
#include <functional>

#include "bench/embedded_store.h"
#include "bench/large_device.h"
#include "bench/subject.h"
#include "isa/bytes.h"

namespace chimera::bench {
namespace {

/// Keeps the session's input ahead of it, as a pipelining client does, and looks at the answers where they are.
class Reader {
 public:
  explicit Reader(EmbeddedStore& store) : machine_(store.machine()), session_(store.session()) {}

  /// `count` reads of `size` bytes (whole blocks) each, the i-th from block `first_block(i)` on.
  template <typename FirstBlock>
  void read(std::uint64_t count, std::uint32_t size, FirstBlock&& first_block) {
    std::uint64_t asked = 0;
    for (std::uint64_t answered = 0; answered < count;) {
      while (asked < count && session_.unread_input() < input_ahead) ask(first_block(asked++), size);
      const bool has_more = machine_.run_ready();
      std::span<const std::uint8_t> answers = session_.answers();
      std::size_t taken = 0;
      for (; answers.size() - taken >= 1 + size; taken += 1 + size) {
        check(answers.subspan(taken, 1 + size), first_block(answered++));
      }
      if (session_.idle() && asked == count && taken < answers.size()) fail("a read failed");
      session_.take_answers(taken);
      if (!session_.idle()) machine_.loop().step(has_more ? 0 : io::Loop::forever);
    }
  }

 private:
  /// What a server reads ahead of a session that waits.
  static constexpr std::size_t input_ahead = 64 << 10;

  void ask(std::uint64_t block, std::uint32_t size) {
    program_.clear();
    if (size == block_size) {
      program_.read_block(large::uuid(), block * block_size);
    } else {
      program_.read_bytes(large::uuid(), block * block_size, size);
    }
    session_.feed(program_.bytes());
  }

  static void check(std::span<const std::uint8_t> answer, std::uint64_t first_block) {
    if (answer[0] != 0) fail("a read was refused");
    for (std::size_t at = 1; at < answer.size(); at += block_size, ++first_block) {
      if (load<std::uint64_t>(answer.data() + at) != first_block) fail("a read gave a wrong block");
    }
  }

  vm::Machine& machine_;
  vm::Session& session_;
  Program program_;
};

class RandomReads final : public Subject {
 public:
  explicit RandomReads(const Arguments& arguments)
      : store_(arguments.text("store"), arguments.number("cache")),
        block_count_(arguments.number("bytes") / block_size),
        count_(arguments.number("count")),
        shuffle_(block_count_) {
    warm_map();
  }

  double sample() override {
    const Stopwatch watch;
    Reader(store_).read(count_, block_size, [&](std::uint64_t i) { return shuffle_.at(done_ + i); });
    done_ += count_;
    return static_cast<double>(count_) / watch.seconds();
  }

 private:
  /// A node of the map's last level has the addresses of 256 blocks.
  void warm_map() {
    constexpr std::uint64_t blocks_of_a_node = 256;
    Reader(store_).read(block_count_ / blocks_of_a_node, block_size,
                        [](std::uint64_t i) { return i * blocks_of_a_node; });
  }

  EmbeddedStore store_;
  std::uint64_t block_count_;
  std::uint64_t count_;
  Shuffle shuffle_;
  std::uint64_t done_ = 0;
};

class SequentialReads final : public Subject {
 public:
  explicit SequentialReads(const Arguments& arguments)
      : store_(arguments.text("store"), arguments.number("cache")), bytes_(arguments.number("bytes")) {}

  double sample() override {
    constexpr std::uint32_t size = 1 << 20;
    const Stopwatch watch;
    Reader(store_).read(bytes_ / size, size, [](std::uint64_t i) { return i * (size / block_size); });
    return static_cast<double>(bytes_) / watch.seconds();
  }

 private:
  EmbeddedStore store_;
  std::uint64_t bytes_;
};

class RandomWrites final : public Subject {
 public:
  explicit RandomWrites(const Arguments& arguments)
      : store_(arguments.text("store"), arguments.number("cache")),
        count_(arguments.number("count")),
        shuffle_(arguments.number("bytes") / block_size),
        writes_(writes_of_a_piece, block_size) {
    const std::string options = "size=" + arguments.text("bytes");
    if (store_.machine().store().find(large::uuid()) == nullptr) {
      store_.run(Program().create_device(large::name, {}, options, large::uuid()));
    }
    write(arguments.number("ageing"));
  }

  double sample() override {
    const Stopwatch watch;
    write(count_);
    return static_cast<double>(count_) / watch.seconds();
  }

 private:
  static constexpr std::uint32_t writes_of_a_flush = 4096;
  static constexpr std::uint32_t writes_of_a_piece = 16;
  static constexpr std::size_t input_ahead = 64 << 10;

  /// Sends the stream as a pipelining client does: it waits for an answer only when there is nothing left to send.
  void write(std::uint64_t count) {
    if (count % writes_of_a_flush != 0) fail("the count is not a multiple of 4,096");
    const Program flush = Program().flush_device(large::uuid());
    vm::Session& session = store_.session();
    std::uint64_t sent = 0;
    std::uint64_t answers = count + count / writes_of_a_flush;
    while (answers > 0) {
      while (sent < count && session.unread_input() < input_ahead) {
        for (std::uint32_t i = 0; i < writes_of_a_piece; ++i) writes_.set_place(i, shuffle_.next());
        session.feed(writes_.bytes());
        sent += writes_of_a_piece;
        if (sent % writes_of_a_flush == 0) session.feed(flush.bytes());
      }
      const bool has_more = store_.machine().run_ready();
      answers -= take_answers(session);
      const bool can_send = sent < count && session.unread_input() < input_ahead;
      if (answers > 0) store_.machine().loop().step(has_more || can_send ? 0 : io::Loop::forever);
    }
  }

  /// How many there were; each is one byte.
  static std::uint64_t take_answers(vm::Session& session) {
    const std::span<const std::uint8_t> answers = session.answers();
    if (std::ranges::any_of(answers, [](std::uint8_t status) { return status != 0; })) fail("a write was refused");
    const std::size_t size = answers.size();
    session.take_answers(size);
    return size;
  }

  EmbeddedStore store_;
  std::uint64_t count_;
  Shuffle shuffle_;
  WriteProgram writes_;
};

/// Each sample fills a new device and deletes it afterwards.
class SequentialWrites final : public Subject {
 public:
  explicit SequentialWrites(const Arguments& arguments)
      : store_(arguments.text("store"), arguments.number("cache")),
        bytes_(arguments.number("bytes")),
        writes_(writes_of_a_program, write_size) {}

  double sample() override {
    constexpr std::uint64_t program_blocks = writes_of_a_program * write_size / block_size;
    if (bytes_ % (program_blocks * block_size) != 0) fail("the bytes are not a multiple of 16 MiB");
    store_.run(Program().create_device(large::name, {}, {}, large::uuid()));
    const Stopwatch watch;
    for (std::uint64_t block = 0; block < bytes_ / block_size; block += program_blocks) {
      for (std::uint32_t i = 0; i < writes_of_a_program; ++i) writes_.set_place(i, block + i * write_size / block_size);
      writes_.run(store_);
    }
    store_.run(Program().flush_device(large::uuid()));
    const double seconds = watch.seconds();
    store_.run(Program().delete_device(large::uuid()));
    store_.await_freed();
    return static_cast<double>(bytes_) / seconds;
  }

 private:
  static constexpr std::uint32_t writes_of_a_program = 16;
  static constexpr std::size_t write_size = 1 << 20;

  EmbeddedStore store_;
  std::uint64_t bytes_;
  WriteProgram writes_;
};

}  // namespace

std::unique_ptr<Subject> make_random_reads(const Arguments& arguments) {
  return std::make_unique<RandomReads>(arguments);
}
std::unique_ptr<Subject> make_random_writes(const Arguments& arguments) {
  return std::make_unique<RandomWrites>(arguments);
}
std::unique_ptr<Subject> make_sequential_reads(const Arguments& arguments) {
  return std::make_unique<SequentialReads>(arguments);
}
std::unique_ptr<Subject> make_sequential_writes(const Arguments& arguments) {
  return std::make_unique<SequentialWrites>(arguments);
}

}  // namespace chimera::bench
