// The least that a program could do in place of the machine, over the same stream, to the same answers.
//
//   switch_loop  count=INSTRUCTIONS seconds=S  instructions a second
//   byte_scan    seconds=S                     instructions a second
//   random_copy  bytes=DEVICE seconds=S        copies a second

#include <cstring>

#include "bench/huge_memory.h"
#include "bench/subject.h"
#include "bench/workload.h"
#include "isa/bytes.h"

namespace chimera::bench {
namespace {

/// Decodes the two forms of `read byte`, and looks into one flat array.
class SwitchLoop final : public Subject {
 public:
  SwitchLoop(Program program, std::uint64_t count, double seconds)
      : memory_(std::uint64_t{hot::device_count} * hot::device_size),
        program_(std::move(program)),
        answers_(2 * count),
        seconds_(seconds) {
    const std::vector<std::uint8_t> contents = hot::make_contents();
    std::memcpy(memory_.bytes(), contents.data(), contents.size());
    pass();
  }

  double sample() override {
    return rate_of(seconds_, [&] { return pass(); });
  }

 private:
  std::uint64_t pass() {
    const std::span<const std::uint8_t> program = program_.bytes();
    const std::uint8_t* at = program.data();
    const std::uint8_t* const end = at + program.size();
    std::uint8_t* out = answers_.data();
    const std::uint8_t* const contents = memory_.bytes();
    std::uint64_t device = 0, offset = 0;
    while (at < end) {
      switch (*at) {
        case 0x00: at += 1; break;
        case 0x03:
          device = load<std::uint16_t>(at + 15);
          offset = load<std::uint64_t>(at + offset_place);
          at += addressed_size;
          break;
        default: fail("an instruction that is not in the stream");
      }
      if (offset >= hot::device_size) fail("an offset that is not in the stream");
      out[0] = 0;
      out[1] = contents[device * hot::device_size + offset++];
      out += 2;
    }
    return answers_.size() / 2;
  }

  HugeMemory memory_;
  Program program_;
  std::vector<std::uint8_t> answers_;
  double seconds_;
};

/// Copies the same blocks from huge pages to the same walk over a buffer of the size that one turn's answers have.
class RandomCopy final : public Subject {
 public:
  explicit RandomCopy(const Arguments& arguments)
      : bytes_(arguments.number("bytes")),
        memory_(bytes_),
        program_(large::block_reads(bytes_)),
        answers_(answers_of_a_turn * (1 + block_size)),
        seconds_(arguments.seconds()) {
    const std::vector<std::uint8_t> contents = large::make_contents(1 << 20);
    for (std::uint64_t at = 0; at < bytes_; at += contents.size()) {
      std::memcpy(memory_.bytes() + at, contents.data(), contents.size());
    }
    pass();
  }

  double sample() override {
    return rate_of(seconds_, [&] { return pass(); });
  }

 private:
  static constexpr std::size_t answers_of_a_turn = 64;

  std::uint64_t pass() {
    const std::span<const std::uint8_t> program = program_.bytes();
    std::uint8_t* out = answers_.data();
    for (const std::uint8_t* at = program.data(); at != program.data() + program.size(); at += addressed_size) {
      if (out == answers_.data() + answers_.size()) out = answers_.data();
      out[0] = 0;
      std::memcpy(out + 1, memory_.bytes() + load<std::uint64_t>(at + offset_place), block_size);
      // Nobody looks at the copy; it has to be made all the same.
      asm volatile("" : : "r"(out) : "memory");
      out += 1 + block_size;
    }
    return program.size() / addressed_size;
  }

  std::uint64_t bytes_;
  HugeMemory memory_;
  Program program_;
  std::vector<std::uint8_t> answers_;
  double seconds_;
};

}  // namespace

std::unique_ptr<Subject> make_switch_loop(const Arguments& arguments) {
  const std::uint64_t count = arguments.number("count");
  return std::make_unique<SwitchLoop>(hot::byte_reads(count), count, arguments.seconds());
}

std::unique_ptr<Subject> make_byte_scan(const Arguments& arguments) {
  return std::make_unique<SwitchLoop>(hot::implied_byte_reads(), std::uint64_t{hot::device_count} * hot::device_size,
                                      arguments.seconds());
}

std::unique_ptr<Subject> make_random_copy(const Arguments& arguments) {
  return std::make_unique<RandomCopy>(arguments);
}

}  // namespace chimera::bench
