// Hot reads within one process.
//
//   byte_reads          store=PATH cache=BYTES count=INSTRUCTIONS seconds=S   instructions a second
//   implied_byte_reads  store=PATH cache=BYTES seconds=S                      instructions a second
//   block_reads         store=PATH cache=BYTES bytes=DEVICE seconds=S         instructions a second

#include <algorithm>
#include <cstring>

#include "bench/embedded_store.h"
#include "bench/large_device.h"
#include "bench/subject.h"
#include "bench/workload.h"
#include "isa/bytes.h"

namespace chimera::bench {
namespace {

void fill_hot_devices(EmbeddedStore& store, std::span<const std::uint8_t> contents) {
  Program program;
  for (std::uint32_t index = 0; index < hot::device_count; ++index) {
    program.clear();
    hot::add_device(program, index, contents);
    store.run(program);
  }
  store.run(Program().sync());
}

/// A program of small reads, run from where it stands; the answers are appended to one vector, as embedders do it.
class ByteReads final : public Subject {
 public:
  ByteReads(const Arguments& arguments, Program program, std::uint64_t count)
      : store_(arguments.text("store"), arguments.number("cache")),
        program_(std::move(program)),
        count_(count),
        seconds_(arguments.seconds()) {
    const std::vector<std::uint8_t> contents = hot::make_contents();
    fill_hot_devices(store_, contents);
    verify(contents);
  }

  double sample() override {
    return rate_of(seconds_, [&] { return store_.run_fast(program_.bytes(), 2 * count_).size() / 2; });
  }

 private:
  /// Follows the program by hand and compares every answer. Warms everything up, too.
  void verify(std::span<const std::uint8_t> contents) {
    const std::span<const std::uint8_t> answers = store_.run_fast(program_.bytes(), 2 * count_);
    const std::uint8_t* at = program_.bytes().data();
    std::uint64_t place = 0;
    for (std::uint64_t i = 0; i < count_; ++i, ++place) {
      const bool is_addressed = *at == 0x03;
      if (is_addressed)
        place = load<std::uint16_t>(at + 15) * hot::device_size + load<std::uint64_t>(at + offset_place);
      at += is_addressed ? addressed_size : 1;
      if (answers[2 * i] != 0 || answers[2 * i + 1] != contents[place]) fail("a read gave a wrong byte");
    }
  }

  EmbeddedStore store_;
  Program program_;
  std::uint64_t count_;
  double seconds_;
};

/// Block reads of a device that the cache holds, fed and taken in pieces: the answers are used where the machine
/// put them, so each block is copied once, like in the reference.
class BlockReads final : public Subject {
 public:
  explicit BlockReads(const Arguments& arguments)
      : store_(arguments.text("store"), arguments.number("cache")), seconds_(arguments.seconds()) {
    const std::uint64_t bytes = arguments.number("bytes");
    write_large_device(store_, bytes);
    program_ = large::block_reads(bytes);
    pass();
  }

  double sample() override {
    return rate_of(seconds_, [&] { return pass(); });
  }

 private:
  std::uint64_t pass() {
    const std::span<const std::uint8_t> program = program_.bytes();
    constexpr std::size_t piece = 4096 * addressed_size;
    for (std::size_t at = 0; at < program.size(); at += piece) {
      const std::size_t size = std::min(piece, program.size() - at);
      run_piece(program.subspan(at, size));
    }
    return program.size() / addressed_size;
  }

  void run_piece(std::span<const std::uint8_t> piece) {
    vm::Session& session = store_.session();
    session.feed(piece);
    const std::uint8_t* expected = piece.data();
    while (expected != piece.data() + piece.size()) {
      const bool has_more = store_.machine().run_ready();
      std::span<const std::uint8_t> answers = session.answers();
      for (const std::size_t taken = answers.size(); !answers.empty(); expected += addressed_size) {
        const std::uint64_t block = load<std::uint64_t>(expected + offset_place) / block_size;
        if (answers[0] != 0 || load<std::uint64_t>(answers.data() + 1) != block) fail("a read gave a wrong block");
        answers = answers.subspan(1 + block_size);
        if (answers.empty()) session.take_answers(taken);
      }
      if (!session.idle()) store_.machine().loop().step(has_more ? 0 : io::Loop::forever);
    }
  }

  EmbeddedStore store_;
  Program program_;
  double seconds_;
};

}  // namespace

std::unique_ptr<Subject> make_byte_reads(const Arguments& arguments) {
  const std::uint64_t count = arguments.number("count");
  return std::make_unique<ByteReads>(arguments, hot::byte_reads(count), count);
}

std::unique_ptr<Subject> make_implied_byte_reads(const Arguments& arguments) {
  return std::make_unique<ByteReads>(arguments, hot::implied_byte_reads(),
                                     std::uint64_t{hot::device_count} * hot::device_size);
}

std::unique_ptr<Subject> make_block_reads(const Arguments& arguments) {
  return std::make_unique<BlockReads>(arguments);
}

}  // namespace chimera::bench
