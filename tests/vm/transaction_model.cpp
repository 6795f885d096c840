#include "tests/vm/transaction_model.h"

#include <fmt/format.h>

#include "isa/limits.h"
#include "isa/opcodes.h"

namespace chimera::vm::testing {
namespace {

using Op = Operation;

bool is_end(Op operation) {
  return operation == Op::commit || operation == Op::commit_with_token || operation == Op::abort;
}

/// A read, whose answer would be; or a copy, whose bytes would have to be moved.
bool is_too_large(const Instruction& i) {
  if (i.count <= limits::largest_transfer) return false;
  const bool shares_blocks = (i.offset | i.second_offset | i.count) % limits::block_size == 0;
  return i.operation == Op::read_bytes || (i.operation == Op::copy_bytes && !shares_blocks);
}

std::string expect(Status expected, const Instruction& instruction, const Answer& actual) {
  if (actual.status == expected) return {};
  return fmt::format("{}: status {} where {} was expected ({})", mnemonic(instruction.operation),
                     static_cast<int>(actual.status), static_cast<int>(expected), actual.message);
}

}  // namespace

std::string TransactionModel::judge(std::size_t session, const Instruction& instruction, const Answer& actual) {
  if (!has_transactions_) return judge_alone(session, instruction, actual);
  if (before_) return judge_inside(session, instruction, actual);
  if (is_end(instruction.operation)) return expect(Status::out_of_sequence, instruction, actual);
  if (instruction.operation != Op::begin) return judge_alone(session, instruction, actual);
  before_ = model_.copy();
  doomed_ = false;
  return expect(Status::ok, instruction, actual);
}

std::string TransactionModel::judge_alone(std::size_t session, const Instruction& instruction, const Answer& actual) {
  const bool too_large = instruction.operation == Op::read_bytes && instruction.count > limits::largest_transfer;
  return too_large ? model_.judge_too_large(session, instruction, actual) : model_.judge(session, instruction, actual);
}

std::string TransactionModel::judge_inside(std::size_t session, const Instruction& instruction, const Answer& actual) {
  const Op op = instruction.operation;
  if (is_end(op)) return judge_end(instruction, actual);
  if (op == Op::begin || op == Op::flush_device || op == Op::sync) {
    doomed_ = true;
    return expect(Status::out_of_sequence, instruction, actual);
  }
  if (doomed_) return expect(is_too_large(instruction) ? Status::too_large : Status::aborted, instruction, actual);
  doomed_ = doomed_ || !actual.ok();
  return judge_alone(session, instruction, actual);
}

/// Commit and abort always end it. A commit that finds no space has no effect.
std::string TransactionModel::judge_end(const Instruction& instruction, const Answer& actual) {
  const bool commits = instruction.operation != Op::abort && !doomed_;
  const bool has_room = actual.status != Status::no_space;
  const Status expected = instruction.operation != Op::abort && doomed_ ? Status::aborted : Status::ok;
  if (!commits || !has_room) {
    give_up();
    return commits ? std::string() : expect(expected, instruction, actual);
  }
  before_.reset();
  return expect(expected, instruction, actual);
}

void TransactionModel::disconnect(std::size_t session) {
  if (before_) give_up();
  model_.disconnect(session);
}

void TransactionModel::give_up() {
  model_ = std::move(*before_);
  before_.reset();
}

}  // namespace chimera::vm::testing
