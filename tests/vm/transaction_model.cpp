#include "tests/vm/transaction_model.h"

#include <utility>

#include "isa/decoder.h"
#include "isa/encoder.h"
#include "isa/limits.h"
#include "isa/opcodes.h"

namespace chimera::vm::testing {
namespace {

using Op = Operation;

bool is_commit(Op operation) { return operation == Op::commit || operation == Op::commit_with_token; }

std::string judge_alone(Model& model, std::size_t session, const Instruction& instruction, const Answer& actual) {
  const bool too_large = instruction.operation == Op::read_bytes && instruction.count > limits::largest_transfer;
  return too_large ? model.judge_too_large(session, instruction, actual) : model.judge(session, instruction, actual);
}

}  // namespace

void TransactionModel::turn(std::size_t session) {
  for (auto& [number, open] : open_) {
    if (number == session) {
      replay(session, open);
    } else {
      open.others_ran = true;
    }
  }
}

/// What others have done since may not have changed what this transaction was told; if it has, it must lose.
void TransactionModel::replay(std::size_t session, Open& open) {
  open.world = model_.copy();
  for (const Exchange& exchange : open.exchanges) {
    Instruction instruction;
    (void)decode(exchange.instruction, instruction);
    if (instruction.operation == Op::describe_store) continue;  // of the moment
    if (!open.changed.empty()) return;
    open.changed = open.world.judge(session, instruction, {Status::ok, exchange.result, {}});
  }
}

std::string TransactionModel::judge(std::size_t session, const Instruction& instruction, const Answer& actual) {
  if (const auto open = open_.find(session); open != open_.end()) {
    return judge_inside(session, open->second, instruction, actual);
  }
  std::string problem = judge_alone(model_, session, instruction, actual);
  if (problem.empty() && instruction.operation == Op::begin && actual.ok())
    open_.emplace(session, Open{model_.copy(), {}, false, {}});
  return problem;
}

std::string TransactionModel::judge_inside(std::size_t session, Open& open, const Instruction& instruction,
                                           const Answer& actual) {
  const Op op = instruction.operation;
  const bool ends = is_commit(op) || op == Op::abort;
  if (actual.status == Status::conflict) {
    if (!open.others_ran) return "a conflict with nobody";
    if (op == Op::commit_with_token) model_.note_token(instruction.payload, false);
    end(session, ends);
    return {};
  }
  // Its effects are dropped, whatever they are.
  const bool repeated = op == Op::commit_with_token && model_.has_committed(instruction.payload);
  if (!open.changed.empty() && actual.ok() && !repeated && op != Op::abort) {
    return "it goes on although what it has read has changed: " + open.changed;
  }
  const bool lacks_room = is_commit(op) && actual.status == Status::no_space && model_.tolerates(Status::no_space);
  if (!open.changed.empty() || lacks_room) {
    if (lacks_room && op == Op::commit_with_token) model_.note_token(instruction.payload, false);
    end(session, ends);
    return {};
  }
  if (std::string problem = judge_alone(open.world, session, instruction, actual); !problem.empty()) return problem;
  if (!actual.ok() || op == Op::abort || repeated) {
    end(session, ends);
  } else if (ends) {
    model_ = std::move(open.world);
    end(session, true);
  } else {
    Exchange& exchange = open.exchanges.emplace_back();
    encode(instruction, exchange.instruction);
    exchange.result.assign(actual.result.begin(), actual.result.end());
    model_.note_open(session, open.world);
  }
  return {};
}

/// Either with its commit or abort, or it has failed and waits for that.
void TransactionModel::end(std::size_t session, bool has_ended) {
  open_.erase(session);
  has_ended ? model_.drop_transaction(session) : model_.fail_transaction(session);
}

void TransactionModel::disconnect(std::size_t session) {
  open_.erase(session);
  model_.disconnect(session);
}

}  // namespace chimera::vm::testing
