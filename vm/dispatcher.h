#pragma once
// Runs one decoded instruction of a session. An instruction that has to wait leaves no trace but the devices that it
// opened and is run again from its start; one that has ended has appended its whole answer.

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "devices/store.h"
#include "isa/instruction.h"
#include "vm/answer_queue.h"
#include "vm/machine_core.h"
#include "vm/pending_flushes.h"
#include "vm/registers.h"
#include "vm/transaction.h"

namespace chimera::vm {

class Dispatcher {
 public:
  using Outcome = devices::Outcome;
  using Plane = devices::Plane;
  using Device = devices::Device;

  /// All of it belongs to the session and outlives the dispatcher.
  Dispatcher(MachineCore& core, StreamSession& session, devices::Waiter& waiter, Registers& registers,
             AnswerQueue& answers, PendingFlushes& flushes)
      : core_(core), session_(session), waiter_(waiter), registers_(registers), answers_(answers), flushes_(flushes) {}

  /// Runs the instruction, or what can be run of it. True: it has ended and is answered. False: it waits.
  [[nodiscard]] bool run(const Instruction& instruction);
  /// Runs an instruction that names its device, or has no effect on anything but the registers: false if it would have
  /// to wait, or would fail. Nothing else may have begun.
  [[nodiscard]] bool run_at_once(const Instruction& instruction);
  /// The handle of a device, opened if it can be; null if not.
  [[nodiscard]] Handle* reach_at_once(const Uuid& uuid);
  /// Answers an instruction of this operation and opcode that was too large to be looked at.
  void refuse_too_large(const Instruction& instruction);
  /// Answers bytes that are no instruction.
  void refuse_illegal(std::uint8_t opcode);
  /// Only `run` knows what to do with the next instruction: the fast path stays away.
  [[nodiscard]] bool needs_care() const {
    return begun_ || transaction_ != nullptr || doomed_ || core_.shutting_down() || core_.store().contradictory();
  }
  [[nodiscard]] bool in_transaction() const { return transaction_ != nullptr; }
  /// The session can take back all that it has answered since `begin`, so a transaction that loses may run again
  /// without anybody noticing. `take_rerun` tells that it is to.
  bool may_rerun = false;
  [[nodiscard]] bool take_rerun() { return std::exchange(rerun_, false); }
  /// The stream has ended: nothing of an open transaction happens.
  void abandon_transaction() { transaction_.reset(); }
  /// As far as others are concerned: an abort would give back what has been closed since `begin`.
  [[nodiscard]] bool has_open(const Device& device) {
    return registers_.has_open(device) || (transaction_ != nullptr && transaction_->at_begin().has_open(device));
  }
  /// A device is gone; it is not looked at.
  void forget(const Uuid& uuid, const Device* gone) {
    registers_.forget(uuid, gone);
    if (transaction_ != nullptr) transaction_->at_begin().forget(uuid, gone);
  }
  /// An instruction has been run, and waits.
  [[nodiscard]] bool has_begun() const { return begun_; }
  /// Of what the instruction's device has; the most that there can be where that is not easily told.
  [[nodiscard]] std::uint64_t columns_length(const Instruction& instruction);
  void set_session_number(std::uint64_t number) { session_number_ = number; }

 private:
  /// A range of a device that an instruction is about.
  struct Target {
    Handle* handle = nullptr;
    Device* device = nullptr;
    std::uint64_t offset = 0;
    std::uint64_t count = 0;
  };

  static constexpr std::string_view not_cloned = "it cannot be cloned, only copied";
  /// "1 byte", "2 bytes": for messages.
  static std::string in_bytes(std::uint64_t count) { return fmt::format("{} byte{}", count, count == 1 ? "" : "s"); }

  template <typename... Arguments>
  Outcome fail(Status status, fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    waiter_.message = fmt::format(format, std::forward<Arguments>(arguments)...);
    return Outcome::fail(status);
  }

  // dispatcher.cpp
  void count(const Instruction&, Outcome, bool had_waited);
  /// When the present instruction was first run, on io::monotonic_ns.
  [[nodiscard]] std::uint64_t began_ns() const;
  Outcome dispatch(const Instruction&);
  Outcome admit(const Instruction&);
  void refuse(const Instruction&, Status);
  void settle_registers(const Instruction&);

  [[nodiscard]] devices::Catalogue& catalogue();
  [[nodiscard]] Device& device_of(const Handle&);
  void changed(const Target&, Plane);
  void reshaped(const Device&);
  void renamed(std::string_view name);
  void uses_length(const Target&);

  // reach.cpp: what comes before any instruction's own work, in the order of the statuses.
  Outcome reach(const Instruction&, Target&);
  Outcome reach_named(const Uuid&, Target&);
  Outcome reach_both(const Instruction&, Target& first, Target& second);
  Outcome reach_data(Target&);
  Outcome check_may_open();
  Outcome locate(const Instruction&, Target&);
  Outcome check_not_file(const Device&, std::string_view what);
  Outcome check_writable(const Device&);
  Outcome check_store_writable();
  Outcome check_name(std::string_view name, std::string_view what = "a name");
  Outcome check_aligned(const Target&);
  Outcome check_range(const Target&);
  Outcome check_within_length(const Target&);
  Outcome check_metadata_range(const Target&);

  // handlers_data.cpp
  Outcome read_data(const Instruction&);
  Outcome check_data(const Instruction&);
  Outcome write_data(const Instruction&);
  Outcome swap_data(const Instruction&);
  Outcome append_bytes(const Instruction&);
  Outcome copy_bytes(const Instruction&);
  Outcome move_bytes(const Target& from, const Target& to);
  Outcome plan_read(const Instruction&, Target&);
  Outcome plan_write(const Instruction&, Target&);
  Outcome plan_swap(const Instruction&, Target&);
  Outcome check_fixed_length(const Target&);
  Outcome compare_to_payload(const Target&, Plane, std::span<const std::uint8_t> payload);

  // handlers_range.cpp
  Outcome read_extents(const Instruction&, Plane);
  Outcome compare_devices(const Instruction&);
  Outcome clear_extents(const Instruction&);
  Outcome read_digest(const Instruction&);
  Outcome read_metadata(const Instruction&);
  Outcome check_metadata(const Instruction&);
  Outcome write_metadata(const Instruction&);
  Outcome clear_metadata(const Instruction&);
  void answer_extents(std::span<const devices::Extent>);

  // handlers_device.cpp
  Outcome open_device(const Instruction&);
  Outcome list_devices(const Instruction&);
  Outcome create_device(const Instruction&);
  Outcome clone_device(const Instruction&);
  Outcome close_device(const Instruction&);
  Outcome delete_device(const Instruction&, bool by_force);
  Outcome read_columns(const Instruction&);
  Outcome write_columns(const Instruction&);
  Outcome read_length(const Instruction&);
  Outcome write_length(const Instruction&);
  Outcome describe_device(const Instruction&);
  Outcome flush_device(const Instruction&);
  Outcome select_device(const Instruction&);
  Outcome select_offset(const Instruction&);

  // handlers_store.cpp
  Outcome hello(const Instruction&);
  Outcome rename_device(const Instruction&);
  Outcome protect_device(const Instruction&);
  Outcome roll_back_device(const Instruction&);
  Outcome snapshot(const Instruction&);
  Outcome describe_store();

  // handlers_journal.cpp
  Outcome journal_record(const Instruction&);
  Outcome keep_outcome(const Instruction&);
  Outcome roll_back_all(const Instruction&);
  Outcome let_go(const Instruction&);

  // handlers_transaction.cpp
  Outcome admit_to_transaction(const Instruction&);
  void fail_transaction();
  void end_transaction();
  Outcome begin();
  Outcome commit(const Instruction&);
  Outcome commit_with_token(const Instruction&);
  Outcome commit_changes();
  Outcome outcome_of_token(const Instruction&);
  Outcome abort();
  Outcome sync();

  MachineCore& core_;
  StreamSession& session_;
  devices::Waiter& waiter_;
  Registers& registers_;
  AnswerQueue& answers_;
  PendingFlushes& flushes_;
  std::uint64_t session_number_ = 0;
  std::uint64_t waiting_since_ns_ = 0;  ///< while begun_: when the instruction was first run
  /// Every device that the instruction names has been found and opened.
  bool reached_ = false;
  /// The instruction has been run before, and waited.
  bool begun_ = false;
  std::unique_ptr<Transaction> transaction_;
  /// A transaction has failed: nothing runs until its commit or abort.
  bool doomed_ = false;
  bool rerun_ = false;
};

}  // namespace chimera::vm
