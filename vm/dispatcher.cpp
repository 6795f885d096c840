#include "vm/dispatcher.h"

#include <cassert>

#include "io/clock.h"
#include "isa/opcodes.h"

namespace chimera::vm {
namespace {

/// Instructions that leave their device without a cursor when they fail, so that what is pipelined behind them
/// does not write to the wrong place.
bool loses_cursor(const Row& row) { return row.has(properties::writes) && row.has(properties::moves_cursor); }

bool names_device(const Instruction& instruction) {
  switch (instruction.operation) {
    case Operation::open_device:
    case Operation::create_device: return true;
    case Operation::snapshot: return instruction.count > 0;
    default: return instruction.has_device;
  }
}

/// Blocks are shared, whatever their number; bytes that lie differently are moved.
bool too_large_to_move(const Instruction& copy) {
  const bool whole_blocks = (copy.offset | copy.second_offset | copy.count) % limits::block_size == 0;
  return copy.count > limits::largest_transfer && !whole_blocks;
}

}  // namespace

bool Dispatcher::run(const Instruction& instruction) {
  reached_ = false;
  const bool had_waited = begun_;
  Outcome outcome = admit(instruction);
  if (outcome.is_ready()) outcome = dispatch(instruction);
  begun_ = outcome.waits();
  if (begun_) {
    // A moment late, and so at no cost for those that do not wait.
    if (!had_waited) waiting_since_ns_ = io::monotonic_ns();
    return false;
  }
  count(instruction, outcome, had_waited);
  rerun_ = may_rerun && outcome.status() == Status::conflict;
  if (rerun_) {
    end_transaction();
  } else if (!outcome.is_ready()) {
    refuse(instruction, outcome.status());
  }
  core_.store().release(waiter_);
  waiter_.message.clear();
  return true;
}

bool Dispatcher::run_at_once(const Instruction& instruction) {
  assert(!begun_ && transaction_ == nullptr);
  const Outcome outcome = dispatch(instruction);
  // What could not be done will be asked for again, and counted then.
  if (outcome.is_ready()) count(instruction, outcome, false);
  core_.store().release(waiter_);
  waiter_.message.clear();
  return outcome.is_ready();
}

Handle* Dispatcher::reach_at_once(const Uuid& uuid) {
  if (Handle* const handle = registers_.find(uuid); handle != nullptr) return handle;
  Target target;
  if (!reach_named(uuid, target).is_ready()) waiter_.message.clear();
  return target.handle;
}

void Dispatcher::count(const Instruction& instruction, Outcome outcome, bool had_waited) {
  Statistics& statistics = core_.statistics();
  ++statistics.instructions_of(instruction.operation);
  if (!outcome.is_ready()) ++statistics.failures_of(outcome.status());
  if (outcome.status() == Status::corrupt) {
    const Handle* const met = registers_.current();
    core_.note_damage(met == nullptr || met->device == nullptr
                          ? waiter_.message
                          : fmt::format("\"{}\": {}", met->device->name(), waiter_.message));
  }
  if (!had_waited) return;
  const bool writes = row_of(instruction.operation).has(properties::writes);
  (writes ? statistics.waiting_writes : statistics.waiting_others).add(io::monotonic_ns() - waiting_since_ns_);
}

std::uint64_t Dispatcher::began_ns() const { return begun_ ? waiting_since_ns_ : io::monotonic_ns(); }

void Dispatcher::refuse_too_large(const Instruction& instruction) {
  reached_ = false;
  (void)fail(Status::too_large, "{}: more than the largest transfer of {} bytes; do it in several instructions",
             mnemonic(instruction.operation), limits::largest_transfer);
  refuse(instruction, Status::too_large);
  ++core_.statistics().failures_of(Status::too_large);
  waiter_.message.clear();
}

void Dispatcher::refuse_illegal(std::uint8_t opcode) {
  ++core_.statistics().failures_of(Status::illegal_instruction);
  answers_.fail(Status::illegal_instruction,
                fmt::format("no instruction begins like this (0x{:02X}); the stream ends here", opcode));
}

/// Appends the answer of an instruction that has failed, and does to the registers what a failure does.
void Dispatcher::refuse(const Instruction& instruction, Status status) {
  if (waiter_.message.empty())
    waiter_.message = fmt::format("{}: {}", mnemonic(instruction.operation), status_text(status));
  answers_.fail(status, waiter_.message);
  if (transaction_ != nullptr) {
    fail_transaction();
  } else if (!doomed_) {
    settle_registers(instruction);
  }
}

void Dispatcher::settle_registers(const Instruction& instruction) {
  if (names_device(instruction) && !reached_) {
    registers_.clear_current();
    return;
  }
  const bool loses = loses_cursor(row_of(instruction.operation)) || instruction.operation == Operation::copy_bytes;
  if (loses && registers_.current() != nullptr) registers_.current()->cursor = Handle::no_cursor;
}

/// What goes for all instructions, before any of them looks at its devices.
Dispatcher::Outcome Dispatcher::admit(const Instruction& instruction) {
  // A flush may be the end of what has been done already.
  const bool is_refused = core_.shutting_down() && !begun_ && instruction.operation != Operation::flush_device;
  if (is_refused) return fail(Status::shutting_down, "the machine is shutting down");
  if (instruction.operation == Operation::copy_bytes && too_large_to_move(instruction)) {
    return fail(Status::too_large,
                "more than {} bytes are copied only where both offsets and the count are multiples of {}",
                limits::largest_transfer, limits::block_size);
  }
  return transaction_ != nullptr || doomed_ ? admit_to_transaction(instruction) : Outcome::ready();
}

Dispatcher::Outcome Dispatcher::dispatch(const Instruction& instruction) {
  switch (instruction.operation) {
    case Operation::read_byte:
    case Operation::read_bytes:
    case Operation::read_block: return read_data(instruction);
    case Operation::check_byte:
    case Operation::check_bytes:
    case Operation::check_block: return check_data(instruction);
    case Operation::write_byte:
    case Operation::write_bytes:
    case Operation::write_block: return write_data(instruction);
    case Operation::swap_byte:
    case Operation::swap_bytes:
    case Operation::swap_block: return swap_data(instruction);
    case Operation::append_bytes: return append_bytes(instruction);
    case Operation::copy_bytes: return copy_bytes(instruction);

    case Operation::read_extents: return read_extents(instruction, Plane::data);
    case Operation::compare_devices: return compare_devices(instruction);
    case Operation::clear_extents: return clear_extents(instruction);
    case Operation::read_digest: return read_digest(instruction);
    case Operation::read_metadata:
    case Operation::read_metadata_bytes: return read_metadata(instruction);
    case Operation::check_metadata_bytes: return check_metadata(instruction);
    case Operation::write_metadata:
    case Operation::write_metadata_bytes: return write_metadata(instruction);
    case Operation::clear_metadata: return clear_metadata(instruction);
    case Operation::read_metadata_extents: return read_extents(instruction, Plane::metadata);

    case Operation::open_device: return open_device(instruction);
    case Operation::list_devices: return list_devices(instruction);
    case Operation::create_device: return create_device(instruction);
    case Operation::clone_device: return clone_device(instruction);
    case Operation::close_device: return close_device(instruction);
    case Operation::delete_device: return delete_device(instruction, false);
    case Operation::delete_device_by_force: return delete_device(instruction, true);
    case Operation::read_columns: return read_columns(instruction);
    case Operation::write_columns: return write_columns(instruction);
    case Operation::read_length: return read_length(instruction);
    case Operation::write_length: return write_length(instruction);
    case Operation::describe_device: return describe_device(instruction);
    case Operation::flush_device: return flush_device(instruction);
    case Operation::select_device: return select_device(instruction);
    case Operation::select_offset: return select_offset(instruction);

    case Operation::hello: return hello(instruction);
    case Operation::rename_device: return rename_device(instruction);
    case Operation::protect_device: return protect_device(instruction);
    case Operation::roll_back_device: return roll_back_device(instruction);
    case Operation::snapshot: return snapshot(instruction);
    case Operation::describe_store: return describe_store();

    case Operation::begin: return begin();
    case Operation::commit: return commit(instruction);
    case Operation::commit_with_token: return commit_with_token(instruction);
    case Operation::abort: return abort();
    case Operation::sync: return sync();
    case Operation::outcome_of_token: return outcome_of_token(instruction);

    case Operation::journal_record: return journal_record(instruction);
    case Operation::extension:
      return fail(Status::unsupported, "there is no extension 7F {:02X} in this version", instruction.extension);
  }
  assert(!"the decoder gives no other operation");
  return Outcome::fail(Status::unsupported);
}

}  // namespace chimera::vm
