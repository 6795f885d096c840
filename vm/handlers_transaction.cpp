// begin, commit, abort, and sync. An error within a transaction dooms it: nothing more of it runs, and its registers
// are those of `begin` again; only its commit or abort ends it.

#include <algorithm>

#include "isa/opcodes.h"
#include "vm/dispatcher.h"
#include "vm/safeguards.h"

namespace chimera::vm {

using devices::Outcome;
using Token = devices::Outcomes::Token;

namespace {

Token token_of(const Instruction& instruction) {
  Token token{};
  std::copy_n(instruction.payload.begin(), token.size(), token.begin());
  return token;
}

}  // namespace

/// What goes for all instructions between `begin` and the end.
Outcome Dispatcher::admit_to_transaction(const Instruction& instruction) {
  const bool control = row_of(instruction.operation).has(properties::control);
  if (instruction.operation == Operation::flush_device) {
    return fail(Status::out_of_sequence, "flush device does not belong into a transaction; commit makes it durable");
  }
  if (control) return Outcome::ready();
  if (doomed_) return fail(Status::aborted, "the transaction has failed already; its commit or abort ends it");
  if (!transaction_->doomed() || !safeguards::doomed_ones_stop) return Outcome::ready();
  return fail(Status::conflict, "another session has changed what this transaction has read; run it again");
}

/// The registers are as at `begin`.
void Dispatcher::end_transaction() {
  registers_ = std::move(transaction_->at_begin());
  transaction_.reset();
}

void Dispatcher::fail_transaction() {
  end_transaction();
  doomed_ = true;
}

Outcome Dispatcher::begin() {
  if (transaction_ != nullptr || doomed_) {
    return fail(Status::out_of_sequence, "begin does not belong into a transaction: they do not nest");
  }
  transaction_ = std::make_unique<Transaction>(core_, session_, registers_);
  answers_.succeed();
  return Outcome::ready();
}

Outcome Dispatcher::abort() {
  if (transaction_ == nullptr && !doomed_) return fail(Status::out_of_sequence, "there is no transaction to abort");
  if (transaction_ != nullptr) end_transaction();
  doomed_ = false;
  answers_.succeed();
  return Outcome::ready();
}

Outcome Dispatcher::commit(const Instruction&) {
  if (doomed_) {
    doomed_ = false;
    return fail(Status::aborted, "the transaction has failed already, so nothing of it has happened");
  }
  if (transaction_ == nullptr) return fail(Status::out_of_sequence, "there is no transaction to commit");
  const Outcome committed = commit_changes();
  if (committed.is_ready() || committed.waits()) return committed;
  const bool runs_again = may_rerun && committed.status() == Status::conflict;
  if (transaction_ != nullptr && !runs_again) end_transaction();
  return committed;
}

/// With a token whose commit has happened already the program is not run twice: the answer is that of the first time.
Outcome Dispatcher::commit_with_token(const Instruction& instruction) {
  if (transaction_ == nullptr && !doomed_) return commit(instruction);
  devices::Outcomes& outcomes = core_.store().outcomes();
  const Token token = token_of(instruction);
  const Outcome loaded = outcomes.load(waiter_);
  if (loaded.waits()) return loaded;
  if (!loaded.is_ready()) {
    if (transaction_ != nullptr) end_transaction();
    doomed_ = false;
    return loaded;
  }
  const bool has_committed = outcomes.find(token) == devices::Outcomes::committed;
  if (has_committed && safeguards::tokens_commit_once) {
    if (const Outcome free = flushes_.make_room(waiter_); !free.is_ready()) return free;
    if (transaction_ != nullptr) end_transaction();
    doomed_ = false;
    return flushes_.flush(waiter_, began_ns());
  }
  if (transaction_ != nullptr) transaction_->set_token(token);
  const Outcome committed = commit(instruction);
  // Whether a failure to make it durable is one the disk alone knows.
  const bool runs_again = may_rerun && committed.status() == Status::conflict;
  const bool is_certain = !runs_again && outcomes.find(token) != devices::Outcomes::committed;
  const bool is_known = outcomes.find(token) == devices::Outcomes::failed;
  if (!committed.is_ready() && !committed.waits() && is_certain && !is_known) {
    outcomes.note_failure(token);
    core_.transactions().outcome_changed(token);
  }
  return committed;
}

Outcome Dispatcher::outcome_of_token(const Instruction& instruction) {
  devices::Outcomes& outcomes = core_.store().outcomes();
  if (const Outcome loaded = outcomes.load(waiter_); !loaded.is_ready()) return loaded;
  const Token token = token_of(instruction);
  const std::uint8_t answer = outcomes.find(token);
  if (transaction_ != nullptr) transaction_->note_outcome(token);
  if (answer != devices::Outcomes::committed || !safeguards::told_outcomes_are_durable) {
    answers_.succeed({&answer, 1});
    return Outcome::ready();
  }
  // It may not be told before it is durable.
  if (transaction_ == nullptr) return flushes_.flush(waiter_, began_ns(), {&answer, 1});
  const Outcome synced = core_.store().sync(waiter_);
  if (synced.is_ready()) answers_.succeed({&answer, 1});
  return synced;
}

Outcome Dispatcher::commit_changes() {
  if (const Outcome free = flushes_.make_room(waiter_); !free.is_ready()) return free;
  const bool changes = transaction_->doomed() || !transaction_->reads_only();
  if (changes) {
    if (const Outcome rehearsed = transaction_->rehearse(waiter_); !rehearsed.is_ready()) return rehearsed;
    transaction_->perform(waiter_, registers_);
  }
  transaction_.reset();
  if (!safeguards::commits_wait_for_the_medium) {
    answers_.succeed();
    return Outcome::ready();
  }
  // Others see it from now on; the answer waits until it is durable, and what it has read with it. A failure leaves
  // open whether it is.
  return flushes_.flush(waiter_, began_ns());
}

Outcome Dispatcher::sync() {
  if (transaction_ != nullptr || doomed_) {
    return fail(Status::out_of_sequence, "sync does not belong into a transaction; commit makes it durable");
  }
  return flushes_.flush(waiter_, began_ns(), {}, {.all_files = true, .file = {}});
}

}  // namespace chimera::vm
