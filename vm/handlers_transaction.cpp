// Transactions are not there yet: they answer `unsupported`. A begin that has failed dooms what follows up to its
// commit or abort all the same, so that a program never runs by halves.

#include "isa/opcodes.h"
#include "vm/dispatcher.h"

namespace chimera::vm {

Dispatcher::Outcome Dispatcher::transaction_control(const Instruction& instruction) {
  switch (instruction.operation) {
    case Operation::begin:
    case Operation::sync:
      if (doomed_) {
        return fail(Status::out_of_sequence, "{} does not belong into a transaction", mnemonic(instruction.operation));
      }
      if (instruction.operation == Operation::sync) return flushes_.flush(waiter_);
      break;
    default: break;
  }
  const Outcome outcome = fail(Status::unsupported, "this version has no transactions");
  doomed_ = instruction.operation == Operation::begin;
  return outcome;
}

}  // namespace chimera::vm
