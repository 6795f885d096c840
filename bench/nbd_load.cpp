// bench_nbd_load socket=PATH export=NAME way=read|write order=random|sequential block=BYTES depth=N span=BYTES
//                seconds=S bytes=B flush_every=N fua=0|1 check=0|1 poll=0|1 seed=N
//
// Keeps `depth` requests of `block` bytes under way over one connection, within the first `span` bytes of the export,
// for `seconds`, or until `bytes` have been moved (0: no matter how many). All requests that replies make room for
// leave in one system call. Writes end with a flush, which is part of the time; with `flush_every` so many writes are
// followed by a flush before the next ones; with `fua` each write is durable when it is answered. Each 4096 bytes that
// it writes begin with the number of their block, and with `check` each reply to a read has to begin so. With `poll` it
// never sleeps.
//
// Prints one line of JSON: operations, seconds, latencies of an operation (where it flushes: of a flush), and the
// processor time of this client.

#include <fmt/format.h>
#include <sys/resource.h>

#include <array>
#include <bit>
#include <chrono>
#include <cstring>
#include <random>
#include <vector>

#include "bench/nbd_link.h"
#include "bench/subject.h"
#include "isa/bytes.h"

namespace {

using namespace chimera;
using namespace chimera::bench;

constexpr std::uint64_t stamped = 4096;
constexpr std::size_t reply_header = 16;

std::uint64_t now_ns() {
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1));
}

/// Latencies, in 32 steps for each power of two.
class Histogram {
 public:
  void add(std::uint64_t value) {
    ++counts_[step_of(value)];
    ++total_;
  }
  [[nodiscard]] double percentile(double share) const {
    auto left = static_cast<std::uint64_t>(share * static_cast<double>(total_));
    for (std::size_t step = 0; step < counts_.size(); ++step) {
      if (counts_[step] > left) return static_cast<double>(least_of(step));
      left -= counts_[step];
    }
    return 0;
  }

 private:
  static constexpr unsigned fine_bits = 5;
  static std::size_t step_of(std::uint64_t value) {
    const auto power = static_cast<unsigned>(std::bit_width(value));
    if (power <= fine_bits) return static_cast<std::size_t>(value);
    const unsigned shift = power - fine_bits - 1;
    return (std::size_t{shift} << fine_bits) + static_cast<std::size_t>(value >> shift);
  }
  static std::uint64_t least_of(std::size_t step) {
    if (step < (2u << fine_bits)) return step;
    const std::size_t shift = (step >> fine_bits) - 1;
    return (std::uint64_t{step & ((1u << fine_bits) - 1)} | (1u << fine_bits)) << shift;
  }
  std::array<std::uint64_t, 64 << fine_bits> counts_{};
  std::uint64_t total_ = 0;
};

class Load {
 public:
  explicit Load(const Arguments& arguments)
      : link_(arguments.text("socket"), arguments.text("export"), arguments.number("poll") != 0),
        is_write_(arguments.text("way") == "write"),
        is_random_(arguments.text("order") == "random"),
        checks_(arguments.number("check") != 0),
        write_flags_(arguments.number("fua") != 0 ? nbd::command_flags::fua : std::uint16_t{0}),
        block_(arguments.number("block")),
        blocks_(arguments.number("span") / block_),
        flush_every_(arguments.number("flush_every")),
        most_operations_(arguments.number("bytes") / block_),
        seconds_(arguments.seconds()),
        random_(arguments.number("seed")),
        slots_(arguments.number("depth")),
        input_(1 << 20) {
    if (blocks_ == 0 || blocks_ * block_ > link_.size()) fail("the export is smaller than the span");
    for (std::size_t n = 0; n < slots_.size(); ++n) {
      if (is_write_) slots_[n].payload.resize(block_, static_cast<std::uint8_t>(n));
      free_.push_back(n);
    }
  }

  void run() {
    const std::uint64_t start = now_ns();
    const auto end = start + static_cast<std::uint64_t>(seconds_ * 1e9);
    bool is_over = false;
    const auto is_left = [&] { return under_way_ > 0 || (is_write_ && unflushed_ > 0); };
    for (std::uint64_t now = start; !is_over || is_left(); now = now_ns()) {
      is_over = is_over || now >= end || (most_operations_ != 0 && operations_ + under_way_ >= most_operations_);
      if (is_flush_due(is_over)) {
        begin_flush(now);
      } else if (!is_over) {
        begin_operations(now);
      }
      if (under_way_ > 0) take_replies();
    }
    report(static_cast<double>(now_ns() - start) * 1e-9);
  }

 private:
  struct Slot {
    std::array<std::uint8_t, nbd::request_size> header;
    std::vector<std::uint8_t> payload;
    std::uint64_t offset = 0;
    std::uint64_t begun_ns = 0;
  };

  /// Everything before it has been answered, and nothing goes on before it is.
  [[nodiscard]] bool is_flush_due(bool is_over) const {
    const bool is_batch_full = flush_every_ != 0 && unflushed_ >= flush_every_;
    return is_write_ && under_way_ == 0 && unflushed_ > 0 && (is_over || is_batch_full);
  }

  void begin_flush(std::uint64_t now) {
    Slot& slot = slots_.front();
    NbdLink::put_request(slot.header.data(), nbd::Command::flush, slots_.size(), 0, 0);
    slot.begun_ns = now;
    link_.queue(slot.header);
    under_way_ = 1;
    unflushed_ = 0;
  }

  void begin_operations(std::uint64_t now) {
    while (!free_.empty()) {
      if (most_operations_ != 0 && operations_ + under_way_ >= most_operations_) return;
      if (flush_every_ != 0 && unflushed_ >= flush_every_) return;
      begin_operation(free_.back(), now);
      free_.pop_back();
    }
  }

  void begin_operation(std::size_t index, std::uint64_t now) {
    Slot& slot = slots_[index];
    slot.offset = (is_random_ ? random_() % blocks_ : next_++ % blocks_) * block_;
    slot.begun_ns = now;
    const nbd::Command command = is_write_ ? nbd::Command::write : nbd::Command::read;
    NbdLink::put_request(slot.header.data(), command, index, slot.offset, static_cast<std::uint32_t>(block_),
                         is_write_ ? write_flags_ : std::uint16_t{0});
    link_.queue(slot.header);
    if (is_write_) {
      for (std::uint64_t at = 0; at < block_; at += stamped) {
        const std::uint64_t number = (slot.offset + at) / stamped;
        std::memcpy(slot.payload.data() + at, &number, sizeof number);
      }
      link_.queue(slot.payload);
      ++unflushed_;
    }
    ++under_way_;
  }

  void take_replies() {
    held_ += link_.receive(std::span(input_).subspan(held_));
    const std::uint64_t now = now_ns();
    std::span<const std::uint8_t> bytes = std::span(input_).first(held_);
    while (take_reply(bytes, now)) {
    }
    if (!bytes.empty()) std::memmove(input_.data(), bytes.data(), bytes.size());
    held_ = bytes.size();
  }

  /// Consumes a reply, or a part of a long payload; false if that needs more bytes.
  bool take_reply(std::span<const std::uint8_t>& bytes, std::uint64_t now) {
    if (payload_left_ > 0) {
      const std::size_t taken = std::min<std::uint64_t>(payload_left_, bytes.size());
      bytes = bytes.subspan(taken);
      payload_left_ -= taken;
      if (payload_left_ > 0) return false;
      end_operation(receiving_, now);
      return true;
    }
    const std::size_t head = reply_header + (is_write_ ? 0 : sizeof(std::uint64_t));
    if (bytes.size() < head) return false;
    if (nbd::load_big<std::uint32_t>(bytes.data()) != nbd::magic::simple_reply) fail("a reply begins wrongly");
    if (nbd::load_big<std::uint32_t>(bytes.data() + 4) != 0) fail("a request was refused");
    const auto cookie = static_cast<std::size_t>(nbd::load_big<std::uint64_t>(bytes.data() + 8));
    if (cookie == slots_.size()) {
      end_flush(now);
    } else if (is_write_) {
      end_operation(cookie, now);
    } else {
      if (cookie > slots_.size()) fail("a reply to nothing");
      if (checks_ && load<std::uint64_t>(bytes.data() + reply_header) != slots_[cookie].offset / stamped) {
        fail(fmt::format("the block at {} holds another one's bytes", slots_[cookie].offset));
      }
      receiving_ = cookie;
      payload_left_ = block_ - (head - reply_header);
    }
    bytes = bytes.subspan(head);
    return true;
  }

  void end_operation(std::size_t index, std::uint64_t now) {
    if (index >= slots_.size()) fail("a reply to nothing");
    if (flush_every_ == 0) latencies_.add(now - slots_[index].begun_ns);
    free_.push_back(index);
    --under_way_;
    ++operations_;
  }

  void end_flush(std::uint64_t now) {
    if (flush_every_ != 0) latencies_.add(now - slots_.front().begun_ns);
    under_way_ = 0;
  }

  void report(double seconds) const {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto in_seconds = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
    };
    fmt::print(
        R"({{"operations": {}, "seconds": {:.6f}, "p50_us": {:.2f}, "p99_us": {:.2f}, "client_seconds": {:.6f}}})"
        "\n",
        operations_, seconds, latencies_.percentile(0.5) * 1e-3, latencies_.percentile(0.99) * 1e-3,
        in_seconds(usage.ru_utime) + in_seconds(usage.ru_stime));
  }

  NbdLink link_;
  const bool is_write_, is_random_, checks_;
  const std::uint16_t write_flags_;
  const std::uint64_t block_, blocks_, flush_every_, most_operations_;
  const double seconds_;
  std::mt19937_64 random_;
  std::vector<Slot> slots_;
  std::vector<std::size_t> free_;
  std::vector<std::uint8_t> input_;
  std::size_t held_ = 0;  ///< bytes of replies in it that are not complete yet
  std::size_t receiving_ = 0;
  std::uint64_t payload_left_ = 0;
  std::uint64_t next_ = 0;
  std::size_t under_way_ = 0;
  std::uint64_t unflushed_ = 0, operations_ = 0;
  Histogram latencies_;
};

}  // namespace

int main(int count, char** words) {
  Load(Arguments(count - 1, words + 1)).run();
  return 0;
}
