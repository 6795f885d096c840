#include "tests/vm/model.h"

#include <algorithm>

#include <fmt/format.h>

#include "isa/limits.h"
#include "isa/opcodes.h"

namespace chimera::vm::testing {
namespace {

using Op = Operation;

/// Where several apply, the first of these.
constexpr Status priority[] = {
    Status::illegal_instruction,
    Status::too_large,
    Status::out_of_sequence,
    Status::aborted,
    Status::denied,
    Status::no_current_device,
    Status::not_found,
    Status::too_many_open,
    Status::no_cursor,
    Status::unsupported,
    Status::read_only,
    Status::bad_text,
    Status::exists,
    Status::misaligned,
    Status::out_of_range,
    Status::mismatch,
    Status::busy,
    Status::no_space,
};

bool is_one_of(Op operation, std::initializer_list<Op> list) {
  return std::ranges::find(list, operation) != list.end();
}

/// Writes, swaps and appends, and what writes as they do: a failure leaves the device without a cursor.
bool writes_at_cursor(Op operation) {
  return is_one_of(operation, {Op::write_byte, Op::write_bytes, Op::write_block, Op::swap_byte, Op::swap_bytes,
                               Op::swap_block, Op::append_bytes, Op::clear_extents, Op::copy_bytes});
}

bool names_device(const Instruction& i) {
  return i.has_device || i.operation == Op::open_device || i.operation == Op::create_device ||
         (i.operation == Op::snapshot && i.count > 0);
}

}  // namespace

const ModelDevice* Model::find(const Uuid& uuid) const { return pointer(uuid).get(); }

ModelDevicePointer Model::pointer(const Uuid& uuid) const {
  for (const auto& [name, device] : devices_) {
    if (device->uuid == uuid) return device;
  }
  return nullptr;
}

Model Model::copy() const {
  Model other(*this);
  std::map<const ModelDevice*, ModelDevicePointer> copies;
  const auto copy_of = [&copies](const ModelDevicePointer& device) {
    ModelDevicePointer& made = copies[device.get()];
    if (made == nullptr) made = std::make_shared<ModelDevice>(*device);
    return made;
  };
  for (auto& [name, device] : other.devices_) device = copy_of(device);
  for (auto& [number, session] : other.sessions_) {
    for (auto& [uuid, open] : session.open) open.device = copy_of(open.device);
  }
  return other;
}

std::string Model::judge(std::size_t session, const Instruction& instruction, const Answer& actual) {
  Case c{instruction, actual, sessions_[session], session, {}, nullptr, nullptr, 0, {}, {}, false, {}};
  ModelSession& registers = c.session;
  const Op op = instruction.operation;

  find_early_faults(c);
  if (is_one_of(op, {Op::begin, Op::commit, Op::abort, Op::commit_with_token, Op::sync})) return judge_control(c);
  if (registers.failed_transaction || registers.in_transaction) {
    if (c.wrong.contains(Status::too_large)) return finish(c, Status::too_large);
    if (op == Op::flush_device) return finish(c, Status::out_of_sequence);
  }
  if (registers.failed_transaction) return finish(c, Status::aborted);
  if (op == Op::outcome_of_token) {
    const auto found = tokens_.find(std::string(instruction.payload.begin(), instruction.payload.end()));
    c.result = {found == tokens_.end() ? std::uint8_t{0} : found->second};
    return finish(c, Status::ok);
  }
  find_faults(c);

  Status expected = Status::ok;
  for (Status status : priority) {
    if (!c.wrong.contains(status)) continue;
    expected = status;
    break;
  }
  // A transaction has to fit into memory; how much of it there is the contract leaves open.
  if (registers.in_transaction && expected == Status::ok && actual.status == Status::too_large)
    expected = actual.status;
  const bool is_anew = registers.in_transaction && op == Op::roll_back_device && actual.status == Status::unsupported;
  if (is_anew && expected == Status::ok) expected = actual.status;
  // A transaction that is not committed keeps the file that it has opened, or that it gives up with a device.
  const bool may_be_held = op == Op::create_device && c.instruction.options.find("kind=file") != std::string_view::npos;
  if (may_be_held && expected == Status::ok && actual.status == Status::busy) expected = actual.status;
  // What a check compares has to be read first.
  const bool reads = expected == Status::ok || expected == Status::mismatch;
  if (reads && tolerated_.contains(actual.status)) expected = actual.status;
  if (expected != Status::ok) {
    after_failure(c);
  } else if (actual.ok()) {
    carry_out_on_data(c);
    carry_out_on_metadata(c);
    carry_out_on_device(c);
    carry_out_on_catalogue(c);
  }
  return finish(c, expected);
}

/// What concerns transactions. That all of one happens or nothing, whoever keeps this model looks after: with a `copy`
/// that becomes the model or is thrown away.
std::string Model::judge_control(Case& c) {
  ModelSession& registers = c.session;
  const Op op = c.instruction.operation;
  const bool inside = registers.in_transaction || registers.failed_transaction;
  const bool outside_only = op == Op::begin || op == Op::sync;
  if (inside == outside_only) return finish(c, Status::out_of_sequence);
  if (op == Op::sync && tolerated_.contains(c.actual.status)) return finish(c, c.actual.status);
  if (op == Op::begin) registers.in_transaction = true;
  if (outside_only) return finish(c, Status::ok);
  const bool again = op == Op::commit_with_token && has_committed(c.instruction.payload);
  const bool fails = registers.failed_transaction && op != Op::abort && !again;
  registers.in_transaction = registers.failed_transaction = false;
  if (op == Op::commit_with_token) note_token(c.instruction.payload, !fails);
  return finish(c, fails ? Status::aborted : Status::ok);
}

void Model::find_faults(Case& c) {
  if (c.wrong.empty()) {
    take_devices(c);
    find_catalogue_faults(c);
  }
  if (c.first == nullptr) return;
  take_offset(c);
  find_device_faults(c);
  if (!c.wrong.contains(Status::no_cursor)) find_range_faults(c);
}

bool Model::is_sound(std::size_t session, const Instruction& instruction) {
  const Operation op = instruction.operation;
  if (is_one_of(op, {Op::begin, Op::sync, Op::flush_device})) return !sessions_[session].in_transaction;
  if (is_one_of(op, {Op::commit, Op::commit_with_token, Op::abort})) return sessions_[session].in_transaction;
  const Answer nothing{};
  ModelSession registers = sessions_[session];
  Case c{instruction, nothing, registers, session, {}, nullptr, nullptr, 0, {}, {}, false, {}};
  find_early_faults(c);
  find_faults(c);
  return c.wrong.empty();
}

std::string Model::judge_too_large(std::size_t session, const Instruction& instruction, const Answer& actual) {
  Case c{instruction, actual, sessions_[session], session, {}, nullptr, nullptr, 0, {}, {}, false, {}};
  if (!c.session.failed_transaction && !c.session.in_transaction) after_failure(c);
  return finish(c, Status::too_large);
}

std::string Model::finish(Case& c, Status expected) {
  const std::string_view name = row_of(c.instruction.operation).mnemonic;
  if (c.actual.status != expected) {
    return fmt::format("{}: status {} where {} was expected ({})", name, static_cast<int>(c.actual.status),
                       static_cast<int>(expected), c.actual.message);
  }
  if (expected != Status::ok) {
    return c.actual.message.empty() ? fmt::format("{}: no message behind status {}", name, static_cast<int>(expected))
                                    : "";
  }
  if (!c.problem.empty()) return fmt::format("{}: {}", name, c.problem);
  if (!c.result_judged && !std::ranges::equal(c.actual.result, c.result)) {
    return fmt::format("{}: the result of {} bytes is not the {} bytes expected", name, c.actual.result.size(),
                       c.result.size());
  }
  return {};
}

/// What a failure does to the registers.
void Model::after_failure(Case& c) {
  const Instruction& i = c.instruction;
  const bool unseen = c.wrong.empty() && !tolerated_.contains(c.actual.status);
  const bool never_reached = unseen || c.wrong.contains(Status::too_large) || c.wrong.contains(Status::denied) ||
                             c.wrong.contains(Status::not_found) || c.wrong.contains(Status::too_many_open) ||
                             i.operation == Op::open_device || i.operation == Op::create_device;
  if (names_device(i) && never_reached) {
    c.session.current.reset();
    c.session.current_deleted = false;
    return;
  }
  if (!writes_at_cursor(i.operation) || !c.session.current) return;
  c.session.open.at(*c.session.current).cursor.reset();
}

ModelSession::Open* Model::take(Case& c, const Uuid& uuid) {
  const ModelDevicePointer device = pointer(uuid);
  if (device == nullptr) {
    c.wrong.insert(Status::not_found);
    return nullptr;
  }
  auto& open = c.session.open;
  if (!open.contains(uuid) && open.size() >= limits::most_open_devices) {
    c.wrong.insert(Status::too_many_open);
    return nullptr;
  }
  open.try_emplace(uuid, ModelSession::Open{device, 0});
  c.session.current = uuid;
  c.session.current_deleted = false;
  return &open.at(uuid);
}

void Model::take_devices(Case& c) {
  const Instruction& i = c.instruction;
  const Row& row = row_of(i.operation);
  if (is_one_of(i.operation, {Op::open_device, Op::create_device, Op::list_devices, Op::hello, Op::describe_store,
                              Op::sync, Op::extension, Op::journal_record})) {
    return;
  }
  if (i.operation == Op::snapshot) {
    std::size_t at = 0;
    for (std::uint64_t n = 0; n < i.count && c.wrong.empty(); ++n) {
      Uuid uuid{};
      std::copy_n(i.payload.begin() + static_cast<std::ptrdiff_t>(at), 16, uuid.begin());
      const std::size_t length = i.payload[at + 16] + 256u * i.payload[at + 17];
      const auto* const name = reinterpret_cast<const char*>(i.payload.data() + at + 18);
      at += 18 + length;
      if (take(c, uuid) != nullptr) c.origins.emplace_back(pointer(uuid), std::string(name, length));
    }
    return;
  }
  if (i.has_device) {
    c.first = take(c, i.device);
    if (c.first != nullptr && row.operands.has(Operand::second_device)) {
      c.second = take(c, i.second_device);
      if (c.second == nullptr) c.first = nullptr;
    }
    return;
  }
  if (c.session.current) {
    c.first = &c.session.open.at(*c.session.current);
  } else {
    c.wrong.insert(c.session.current_deleted ? Status::not_found : Status::no_current_device);
  }
}

void Model::take_offset(Case& c) {
  const Op op = c.instruction.operation;
  c.offset = c.instruction.offset;
  if (c.instruction.has_offset || !row_of(op).has(properties::moves_cursor)) return;
  if (op == Op::append_bytes) {
    c.offset = c.first->device->length;
  } else if (c.first->cursor) {
    c.offset = *c.first->cursor;
  } else {
    c.wrong.insert(Status::no_cursor);
  }
}

}  // namespace chimera::vm::testing
