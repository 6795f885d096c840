#include "vm/session.h"

#include <algorithm>
#include <cassert>

#include "isa/bytes.h"

namespace chimera::vm {
namespace {

/// What a session may do before another one has its turn, and before its answers are taken: they should still be in
/// the processor's cache then. A transfer may pass the bytes by one instruction.
constexpr std::uint32_t quantum_instructions = 2048;
constexpr std::size_t quantum_bytes = 64 << 10;
/// Bytes of a transaction that are kept to run it again, and how often it is.
constexpr std::size_t most_kept = 1 << 20;
constexpr unsigned most_losses = 8;

}  // namespace

StreamSession::StreamSession(MachineCore& core)
    : core_(core),
      flushes_(core.store(), answers_, core.statistics(), [this] { core_.enqueue(*this); }),
      dispatcher_(core, *this, *this, registers_, answers_, flushes_),
      fast_path_(registers_, answers_, core.statistics()) {
  dispatcher_.set_session_number(core.enter(*this));
}

StreamSession::~StreamSession() {
  core_.store().release(*this);
  core_.keep_no_more(counted_);
  core_.leave(*this);
}

void StreamSession::feed(std::span<const std::uint8_t> bytes) {
  input_.append(bytes);
  enqueue_if_runnable();
}

std::span<std::uint8_t> StreamSession::input_space(std::size_t size) {
  std::uint8_t* const room = input_.room(size);
  return {room, input_.room_size()};
}

void StreamSession::commit_input(std::size_t size) {
  input_.commit(size);
  enqueue_if_runnable();
}

void StreamSession::end_input() {
  input_ended_ = true;
  enqueue_if_runnable();
}

void StreamSession::take_answers(std::size_t size) {
  assert(size <= answers().size());
  core_.statistics().answer_bytes += size;
  answers_.drop(size);
  if (keeping_) kept_answers_ -= size;
  flushes_.taken(size);
  settle_transfer();
  enqueue_if_runnable();
}

void StreamSession::cap_answers(std::size_t bytes) {
  answer_cap_ = bytes;
  enqueue_if_runnable();
}

std::span<const std::uint8_t> StreamSession::stream() const {
  return (program_.empty() ? input_.bytes() : program_).subspan(kept_);
}

bool StreamSession::runnable() const {
  if (ended_ || parked_ || claim_.is_waiting() || answers_.size() > answer_cap_) return false;
  const std::size_t unread = stream().size();
  if (to_skip_ > 0 && unread > 0) return true;
  return (to_skip_ == 0 && unread >= needed_) || input_ended_;
}

void StreamSession::enqueue_if_runnable() {
  if (runnable()) core_.enqueue(*this);
}

void StreamSession::wake() {
  woken_ = true;
  if (!parked_) return;
  parked_ = false;
  enqueue_if_runnable();
}

void StreamSession::interrupt() {
  if (!parked_ && !dispatcher_.has_begun()) return;
  core_.store().release(*this);
  wake();
}

void StreamSession::turn() {
  const std::size_t answered = answers().size();
  const std::uint64_t consumed = consumed_;
  flushes_.work();
  run_quantum();
  // Somebody has to see the answers before it goes on.
  if (keeping_ && !parked_ && !claim_.is_waiting() && !runnable()) stop_keeping();
  enqueue_if_runnable();
  // Behind a pending flush input is consumed and nothing answered: whoever feeds the session wants to know that too.
  core_.statistics().consumed_bytes += consumed_ - std::min(consumed_, consumed);
  const bool changed = consumed_ != consumed || answers().size() != answered || idle();
  if (changed && listener_ != nullptr) listener_->session_changed(*this);
}

void StreamSession::run_quantum() {
  const std::uint64_t start = consumed_;
  const std::size_t answered = answers_.size();
  const auto moved = [&] { return static_cast<std::size_t>(consumed_ - start) + (answers_.size() - answered); };
  std::uint32_t instructions = quantum_instructions;
  while (instructions > 0 && runnable() && moved() < quantum_bytes) {
    if (!dispatcher_.needs_care() && to_skip_ == 0 && !options_follow_) {
      const std::size_t room = std::min(quantum_bytes - moved(), answer_cap_ - answers_.size() + 1);
      consume(fast_path_.run(stream(), room, instructions));
      if (instructions == 0 || !runnable() || moved() >= quantum_bytes) return;
    }
    --instructions;
    if (run_one() == Step::stuck) return;
  }
}

/// Runs the instruction at the front of the stream, or finds that it cannot run now.
StreamSession::Step StreamSession::run_one() {
  if (to_skip_ > 0 && !stream().empty()) {
    skip();
    return Step::done;
  }
  if (options_follow_) return begin_to_skip_options();
  Instruction instruction;
  const Decoded decoded = decode(stream(), instruction);
  switch (decoded.kind) {
    case Decoded::Kind::complete:
      if (!may_transfer(instruction, decoded.size)) return Step::stuck;
      return run_instruction(instruction, decoded.size);
    case Decoded::Kind::too_large: return begin_to_skip(instruction, decoded);
    case Decoded::Kind::illegal:
      dispatcher_.refuse_illegal(stream().front());
      end_stream();
      return Step::stuck;
    case Decoded::Kind::incomplete: break;
  }
  if (input_ended_) {
    end_stream();  // half an instruction, or none
  } else if (may_transfer(instruction, decoded.size)) {
    needed_ = static_cast<std::size_t>(decoded.size);
    expect_rest();
  }
  return Step::stuck;
}

/// Makes room for the rest of an instruction that comes in many pieces, so that nothing is moved while they come.
void StreamSession::expect_rest() {
  const std::size_t arrived = stream().size();
  if (program_.empty() && needed_ > arrived + largest_receive) {
    static_cast<void>(input_.room(needed_ - arrived + largest_receive));
  }
}

StreamSession::Step StreamSession::run_instruction(const Instruction& instruction, std::uint64_t size) {
  woken_ = false;
  const std::size_t answered = answers_.size();
  dispatcher_.may_rerun = keeping_ && losses_ < most_losses;
  if (dispatcher_.run(instruction)) {
    if (dispatcher_.take_rerun()) {
      run_again();
      return Step::done;
    }
    if (instruction.operation == Operation::begin && !keeping_) {
      dispatcher_.in_transaction() ? keep_transaction(answered) : stop_keeping();
    }
    consume(static_cast<std::size_t>(size));
    if (keeping_ && !dispatcher_.in_transaction()) {
      flushes_.hold_behind(answers_before());
      stop_keeping();
    }
    is_claim_in_front_ = false;
    settle_transfer();
    return Step::done;
  }
  parked_ = !woken_;
  if (parked_) look_ahead(instruction, size);
  return Step::stuck;
}

void StreamSession::look_ahead(const Instruction& instruction, std::uint64_t size) {
  const RunAhead::Place place{consumed_, size, stream().subspan(static_cast<std::size_t>(size))};
  run_ahead_.run(instruction, place, registers_, core_.store());
}

/// An instruction that is too large is answered when all of it has passed; where that would take too long the stream
/// ends.
StreamSession::Step StreamSession::begin_to_skip(const Instruction& instruction, const Decoded& decoded) {
  if (decoded.size >= limits::skippable_payload) {
    dispatcher_.refuse_too_large(instruction);
    end_stream();
    return Step::stuck;
  }
  skipped_ = Instruction{};
  skipped_.operation = instruction.operation;
  skipped_.opcode = instruction.opcode;
  skipped_.has_device = instruction.has_device;
  to_skip_ = decoded.size;
  options_follow_ = decoded.options_follow;
  skip();
  return Step::done;
}

/// The columns of a create have passed; only now their length tells how long its options are.
StreamSession::Step StreamSession::begin_to_skip_options() {
  constexpr std::size_t length_size = sizeof(std::uint16_t);
  if (stream().size() < length_size) {
    needed_ = length_size;
    if (input_ended_) end_stream();
    return Step::stuck;
  }
  to_skip_ = length_size + load<std::uint16_t>(stream().data());
  options_follow_ = false;
  skip();
  return Step::done;
}

void StreamSession::skip() {
  const std::size_t size = std::min<std::uint64_t>(to_skip_, stream().size());
  consume(size);
  to_skip_ -= size;
  if (to_skip_ == 0 && !options_follow_) dispatcher_.refuse_too_large(skipped_);
}

void StreamSession::consume(std::size_t size) {
  if (size == 0) return;
  consumed_ += size;
  needed_ = 1;
  if (!keeping_) return drop_input(size);
  kept_ += size;
  // What is run again has been counted before.
  const std::size_t more = kept_ - std::min(kept_, counted_);
  if (kept_ > most_kept || !core_.may_keep(more)) return stop_keeping();
  counted_ += more;
}

void StreamSession::drop_input(std::size_t size) {
  if (program_.empty()) {
    input_.drop(size);
  } else {
    program_ = program_.subspan(size);
  }
}

void StreamSession::end_stream() {
  drop_rest();
  dispatcher_.abandon_transaction();
  ended_ = true;
  is_claim_in_front_ = false;
  settle_transfer();
}

void StreamSession::drop_rest() {
  if (keeping_) stop_keeping();
  consume(stream().size());
  program_ = {};
  to_skip_ = 0;
  options_follow_ = false;
  needed_ = 1;
}

bool StreamSession::run(std::span<const std::uint8_t> program, std::vector<std::uint8_t>& answers) {
  assert(program_.empty());
  program = program.subspan(run_reads_at_once(program, answers));
  if (program.empty()) return !ended_;
  if (input_.empty() && !parked_) {
    program_ = program;
  } else {
    input_.append(program);
  }
  enqueue_if_runnable();
  for (;;) {
    const bool more = core_.run_ready();
    const std::span<const std::uint8_t> answered = this->answers();
    answers.insert(answers.end(), answered.begin(), answered.end());
    take_answers(answered.size());
    if (idle()) break;
    core_.loop().step(more || queued ? 0 : io::Loop::forever);
  }
  drop_rest();
  return !ended_;
}

}  // namespace chimera::vm
