#pragma once
// A session of a machine that is given a stream of instructions, and what it owes for them: one answer to each whole
// one, in order.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "devices/crc32c.h"
#include "fuzz/check.h"
#include "io/simulated_loop.h"
#include "isa/answer.h"
#include "isa/bytes.h"
#include "isa/decoder.h"
#include "isa/limits.h"
#include "isa/text.h"
#include "vm/machine.h"

namespace chimera::fuzz {

using Bytes = std::span<const std::uint8_t>;

/// Turns without an answer after which a machine does not go forward any more, and after which a long operation is
/// left alone.
inline constexpr unsigned most_turns = 100'000;
inline constexpr unsigned most_turns_of_long_ones = 16;
/// A range beyond this many bytes makes an instruction a long one; a stream ends before it has more of them.
inline constexpr std::uint64_t long_range = 1 << 20;
inline constexpr std::size_t most_long_ones = 8;

struct Owed {
  Instruction instruction;
  bool may_succeed = true;
  std::size_t end = 0;  ///< of the instruction, in the stream

  [[nodiscard]] bool is_long() const { return instruction.count > long_range; }
};

/// The answers that a stream is owed. It is cut short where it asks for too much.
inline std::vector<Owed> owed_to(Bytes& stream) {
  std::vector<Owed> owed;
  std::size_t long_ones = 0;
  for (std::size_t at = 0;;) {
    const Bytes rest = stream.subspan(at);
    Owed next;
    const Decoded decoded = decode(rest, next.instruction);
    std::uint64_t size = decoded.size;
    if (decoded.kind == Decoded::Kind::incomplete) return owed;
    next.may_succeed = decoded.kind == Decoded::Kind::complete;
    const bool ends = decoded.kind == Decoded::Kind::illegal ||
                      (decoded.kind == Decoded::Kind::too_large && size >= limits::skippable_payload);
    if (!ends && decoded.options_follow) {
      if (rest.size() < size + sizeof(std::uint16_t)) return owed;
      size += sizeof(std::uint16_t) + load<std::uint16_t>(rest.data() + size);
    }
    if (!ends && rest.size() < size) return owed;
    if (next.may_succeed && next.is_long() && ++long_ones > most_long_ones) {
      stream = stream.first(at);
      return owed;
    }
    next.end = at += ends ? 0 : size;
    owed.push_back(next);
    if (ends) return owed;
  }
}

/// An answer, as far as it is compared with others.
struct Said {
  Status status;
  std::uint64_t size;
  std::uint32_t checksum;
};

class Talk {
 public:
  /// The machine must outlive it, the stream too.
  Talk(vm::Machine& machine, Bytes stream) : session_(machine.connect()), owed_(owed_to(stream)), unfed_(stream) {}

  /// At most so many bytes more; the last ones end the input.
  void feed(std::size_t size) {
    const std::size_t part = std::min(size, unfed_.size());
    session_->feed(unfed_.first(part));
    unfed_ = unfed_.subspan(part);
    if (unfed_.empty()) session_->end_input();
  }
  [[nodiscard]] bool all_fed() const { return unfed_.empty(); }
  [[nodiscard]] bool idle() const { return session_->idle(); }
  [[nodiscard]] const std::vector<Owed>& owed() const { return owed_; }
  [[nodiscard]] const std::vector<Said>& said() const { return said_; }
  /// A long operation is what the session is at.
  [[nodiscard]] bool in_long_one() const { return said_.size() < owed_.size() && owed_[said_.size()].is_long(); }

  void take() {
    const Bytes answers = session_->answers();
    std::size_t taken = 0;
    while (taken < answers.size()) {
      FUZZ_CHECK(said_.size() < owed_.size());
      const Owed& owed = owed_[said_.size()];
      Answer answer;
      const ParsedAnswer parsed = parse_answer(owed.instruction, answers.subspan(taken), answer);
      FUZZ_CHECK(parsed.kind == ParsedAnswer::Kind::complete);
      FUZZ_CHECK(static_cast<unsigned>(answer.status) < status_count);
      FUZZ_CHECK(answer.ok() ? owed.may_succeed : !answer.message.empty() && is_utf8(answer.message));
      said_.push_back(
          {answer.status, answer.result.size(), devices::crc32c(0, answer.result.data(), answer.result.size())});
      taken += static_cast<std::size_t>(parsed.size);
    }
    session_->take_answers(taken);
  }
  /// All that was fed has run.
  void check_end() const {
    FUZZ_CHECK(session_->ended());
    FUZZ_CHECK(said_.size() == owed_.size());
  }

 private:
  std::unique_ptr<vm::Session> session_;
  std::vector<Owed> owed_;
  Bytes unfed_;
  std::vector<Said> said_;
};

/// Runs what has been fed. False if a long operation was not waited for.
inline bool run_to_rest(vm::Machine& machine, io::SimulatedLoop& loop, std::span<Talk> talks) {
  const auto all_idle = [&] { return std::ranges::all_of(talks, &Talk::idle); };
  std::size_t said = 0;
  for (unsigned turns = 0;; ++turns) {
    const bool more = machine.run_ready();
    std::size_t said_now = 0;
    for (Talk& talk : talks) {
      talk.take();
      said_now += talk.said().size();
    }
    if (all_idle()) return true;
    if (said_now != said) turns = 0;
    said = said_now;
    if (turns > most_turns_of_long_ones && std::ranges::any_of(talks, &Talk::in_long_one)) return false;
    FUZZ_CHECK(turns < most_turns);
    const bool stands_still = loop.step(0) == 0 && !more && !machine.run_ready() && !all_idle();
    FUZZ_CHECK(!stands_still);
  }
}

}  // namespace chimera::fuzz
