#pragma once
// A session's stream: takes instructions from the input, runs them in order, keeps the answers until they are taken.
//
// It is in one of these states: ready (in the machine's queue), parked (its instruction waits for blocks), idle (it
// needs input, or its answers taken) or ended. Meanwhile flushes may be pending, which hold answers back.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "isa/decoder.h"
#include "isa/instruction.h"
#include "vm/answer_queue.h"
#include "vm/byte_queue.h"
#include "vm/dispatcher.h"
#include "vm/fast_path.h"
#include "vm/machine.h"
#include "vm/machine_core.h"
#include "vm/pending_flushes.h"
#include "vm/registers.h"
#include "vm/run_ahead.h"
#include "vm/transfer_budget.h"

namespace chimera::vm {

class StreamSession final : public Session, private devices::Waiter, private TransferBudget::Waiter {
 public:
  explicit StreamSession(MachineCore& core);
  ~StreamSession() override;
  StreamSession(const StreamSession&) = delete;
  StreamSession& operator=(const StreamSession&) = delete;

  void feed(std::span<const std::uint8_t> bytes) override;
  std::span<std::uint8_t> input_space(std::size_t size) override;
  void commit_input(std::size_t size) override;
  void end_input() override;
  [[nodiscard]] std::size_t unread_input() const override { return stream().size(); }
  [[nodiscard]] std::span<const std::uint8_t> answers() const override {
    const std::size_t free = flushes_.free_answers();
    return answers_.bytes().first(keeping_ ? std::min(free, answers_before()) : free);
  }
  void take_answers(std::size_t size) override;
  void cap_answers(std::size_t bytes) override;
  [[nodiscard]] bool idle() const override {
    return !parked_ && !claim_.is_waiting() && !runnable() && flushes_.empty();
  }
  [[nodiscard]] bool in_transaction() const override { return dispatcher_.in_transaction(); }
  [[nodiscard]] bool ended() const override { return ended_ && flushes_.empty(); }
  void listen(Listener* listener) override { listener_ = listener; }
  void ask_before_transfers(TransferBudget& budget) override;
  [[nodiscard]] bool holds_transfer() const override { return claim_.is_held(); }
  [[nodiscard]] bool read_at_once(const Uuid& device, std::uint64_t offset, std::span<std::uint8_t> out) override;
  [[nodiscard]] bool view_at_once(const Uuid& device, std::uint64_t offset, std::uint64_t size,
                                  std::vector<std::span<const std::uint8_t>>& parts) override;
  [[nodiscard]] bool write_at_once(const Uuid& device, std::uint64_t offset,
                                   std::span<const std::uint8_t> bytes) override;
  void approach(const Uuid& device, std::span<const std::uint64_t> offsets) override;
  [[nodiscard]] bool fetch(const Uuid& device, std::uint64_t offset, std::uint64_t size, Fetch& fetch) override;
  bool run(std::span<const std::uint8_t> program, std::vector<std::uint8_t>& answers) override;

  // For the machine.

  /// Runs a quantum and goes back to the queue if there is more. May tell the listener, who may end the session.
  void turn();
  [[nodiscard]] std::size_t open_count() const { return registers_.open_count(); }
  [[nodiscard]] bool has_open(const devices::Device& device) { return dispatcher_.has_open(device); }
  /// Lets go of what a waiting instruction holds; it begins again from its start.
  void interrupt();
  void forget(const Uuid& uuid, const devices::Device* gone) { dispatcher_.forget(uuid, gone); }

  /// Whether the session is in the machine's queue; the machine's to change.
  bool queued = false;

 private:
  enum class Step { done, stuck };

  void wake() override;
  [[nodiscard]] std::span<const std::uint8_t> stream() const;
  [[nodiscard]] bool runnable() const;
  void enqueue_if_runnable();
  void run_quantum();
  Step run_one();
  Step run_instruction(const Instruction& instruction, std::uint64_t size);
  Step begin_to_skip(const Instruction& instruction, const Decoded& decoded);
  Step begin_to_skip_options();
  void skip();
  void expect_rest();
  void consume(std::size_t size);
  void end_stream();
  void drop_rest();
  void look_ahead(const Instruction& instruction, std::uint64_t size);
  void drop_input(std::size_t size);

  // session_at_once.cpp
  [[nodiscard]] bool may_run_at_once() const;
  template <typename Visit>
  bool visit_at_once(const Uuid& device, std::uint64_t offset, std::uint64_t size, Visit&& visit);
  [[nodiscard]] std::size_t run_reads_at_once(std::span<const std::uint8_t> program,
                                              std::vector<std::uint8_t>& answers);

  // session_transfer.cpp: what a large instruction takes of memory is asked for before.
  [[nodiscard]] std::uint64_t largest_answer(const Instruction& instruction, std::uint64_t size);
  [[nodiscard]] std::uint64_t largest_touch(const Instruction& instruction, std::uint64_t size);
  [[nodiscard]] bool may_transfer(const Instruction& instruction, std::uint64_t size);
  void transfer_granted() override;
  void settle_transfer();

  // session_transaction.cpp: a transaction that loses is run again, unseen, as long as nothing of it has left.
  void keep_transaction(std::size_t answered);
  [[nodiscard]] std::size_t answers_before() const {
    return kept_answers_ + static_cast<std::size_t>(flushes_.shifted() - shifted_);
  }
  void stop_keeping();
  void run_again();

  MachineCore& core_;
  Registers registers_;
  AnswerQueue answers_;
  PendingFlushes flushes_;
  Dispatcher dispatcher_;
  FastPath fast_path_;
  RunAhead run_ahead_;
  Listener* listener_ = nullptr;
  TransferBudget* transfers_ = nullptr;  ///< null: nobody has to be asked
  TransferBudget::Claim claim_;          ///< for the instruction in front, then for its answer
  bool is_claim_in_front_ = false;       ///< for the instruction

  ByteQueue input_;
  std::span<const std::uint8_t> program_;  ///< what `run` runs where it is, instead of from input_
  std::uint64_t consumed_ = 0;             ///< bytes of the stream before the unread ones
  std::size_t needed_ = 1;                 ///< bytes that must be there before decoding is worth trying
  std::uint64_t to_skip_ = 0;              ///< bytes left of an instruction that was too large
  Instruction skipped_;                    ///< answered when they have passed
  bool options_follow_ = false;            ///< behind them stand a u16 length and options, to be skipped as well
  std::size_t answer_cap_ = 64 << 20;
  /// Unread bytes that a session holds without having asked: a small instruction, and what comes behind it at once.
  static constexpr std::size_t most_unread = TransferBudget::free_bytes + largest_receive;
  bool keeping_ = false;          ///< a transaction is open whose bytes and answers are still all here
  std::size_t kept_ = 0;          ///< its bytes, in front of the unread ones
  std::size_t counted_ = 0;       ///< the most of them that there were, as far as others shall know
  std::size_t kept_answers_ = 0;  ///< answers in front of its own, in bytes, as long as none of them is replaced
  std::uint64_t shifted_ = 0;     ///< PendingFlushes::shifted at its begin
  unsigned turns_left_out_ = 0;   ///< programs that were run without the machine having a turn
  unsigned losses_ = 0;           ///< how often it has been run in vain
  bool parked_ = false;
  bool woken_ = false;
  bool input_ended_ = false;
  bool ended_ = false;
};

}  // namespace chimera::vm
