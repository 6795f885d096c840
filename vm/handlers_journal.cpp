// The instructions that only a journal holds (devices/journal_format.h). They are run while a store is being opened, by
// the session that replays its journal, and denied to everybody else.

#include <algorithm>
#include <cstring>
#include <set>
#include <vector>

#include "devices/pool.h"
#include "isa/text.h"
#include "vm/dispatcher.h"

namespace chimera::vm {

using devices::JournalEntry;
using devices::JournalOpcode;
using devices::PoolDevice;

namespace {

/// Takes fixed operands from the front of the payload; false once it is too short.
class Operands {
 public:
  explicit Operands(std::span<const std::uint8_t> payload) : rest_(payload) {}

  template <typename Value>
  bool take(Value& value) {
    if (rest_.size() < sizeof value) return false;
    std::memcpy(&value, rest_.data(), sizeof value);
    rest_ = rest_.subspan(sizeof value);
    return true;
  }
  [[nodiscard]] std::span<const std::uint8_t> rest() const { return rest_; }

 private:
  std::span<const std::uint8_t> rest_;
};

constexpr const char* no_device = "it names a device that is not there";

bool is_range_of_blocks(std::uint64_t offset, std::uint64_t count) {
  const bool is_aligned = (offset | count) % limits::block_size == 0;
  return is_aligned && count > 0 && offset < limits::greatest_length && count <= limits::greatest_length - offset;
}

}  // namespace

Dispatcher::Outcome Dispatcher::journal_record(const Instruction& instruction) {
  if (!core_.store().needs_replay()) {
    return fail(Status::denied, "7F {:02X} is a journal's own record; no session may send it", instruction.extension);
  }
  Operands operands(instruction.payload);
  switch (static_cast<JournalOpcode>(instruction.extension)) {
    case JournalOpcode::keep_outcome: return keep_outcome(instruction);
    case JournalOpcode::roll_back_all: return roll_back_all(instruction);
    case JournalOpcode::let_go: return let_go(instruction);
    default: break;
  }
  Uuid uuid{};
  Device* const found = operands.take(uuid) ? core_.store().find(uuid) : nullptr;
  PoolDevice* const part = found != nullptr ? devices::Store::part_of(*found) : nullptr;
  if (part == nullptr) return fail(Status::not_found, no_device);
  PoolDevice& device = *part;
  Outcome outcome = fail(Status::illegal_instruction, "7F {:02X} has operands that cannot be", instruction.extension);
  switch (static_cast<JournalOpcode>(instruction.extension)) {
    case JournalOpcode::place_blocks: {
      devices::Plane plane{};
      if (!operands.take(plane) || plane > devices::Plane::columns) break;
      if (operands.rest().size() % sizeof(JournalEntry) != 0) break;
      std::vector<JournalEntry> entries(operands.rest().size() / sizeof(JournalEntry));
      if (!entries.empty()) std::memcpy(entries.data(), operands.rest().data(), entries.size() * sizeof(JournalEntry));
      // Others have not been claimed when the journal was opened.
      if (!std::ranges::all_of(entries, &JournalEntry::can_be)) break;
      outcome = device.place(waiter_, plane, entries);
      break;
    }
    case JournalOpcode::clone_as: {
      devices::SnapshotTarget clone{&device, {}, Uuid{}};
      std::uint16_t length = 0;
      if (!operands.take(*clone.uuid) || !operands.take(length) || operands.rest().size() != length) break;
      clone.name.assign(operands.rest().begin(), operands.rest().end());
      if (!is_valid_name(clone.name)) break;
      std::vector<Device*> made;
      outcome = core_.store().snapshot(waiter_, {&clone, 1}, made);
      break;
    }
    case JournalOpcode::write_columns: {
      std::uint64_t offset = 0;
      if (!operands.take(offset) || offset > limits::largest_transfer) break;
      if (operands.rest().size() > limits::largest_transfer - offset) break;
      outcome = device.prepare(waiter_, Plane::columns, offset, operands.rest().size());
      if (outcome.is_ready()) device.write(Plane::columns, offset, operands.rest());
      break;
    }
    case JournalOpcode::hold: {
      std::uint64_t number = 0;
      if (!operands.take(number) || !operands.rest().empty()) break;
      outcome = device.hold(waiter_, number);
      break;
    }
    case JournalOpcode::copy_held: {
      struct {
        std::uint64_t offset, number, from_offset, count;
      } copy{};
      if (!operands.take(copy) || !operands.rest().empty()) break;
      if (!is_range_of_blocks(copy.offset, copy.count) || !is_range_of_blocks(copy.from_offset, copy.count)) break;
      outcome = device.share_held(waiter_, copy.offset, copy.number, copy.from_offset, copy.count);
      break;
    }
    case JournalOpcode::keep_outcome:
    case JournalOpcode::roll_back_all:
    case JournalOpcode::let_go: break;  // begin with no device of their own
    case JournalOpcode::set_lengths: {
      std::uint64_t length = 0;
      std::uint64_t columns_length = 0;
      if (!operands.take(length) || !operands.take(columns_length)) break;
      if (length > limits::greatest_length || columns_length > limits::largest_transfer) break;
      device.set_lengths(length, columns_length);
      outcome = Outcome::ready();
      break;
    }
    case JournalOpcode::cut_file: {
      std::uint64_t cut = 0;
      if (device.path().empty() || !operands.take(cut) || !operands.rest().empty()) break;
      if (cut > limits::greatest_length + 1) break;
      device.set_cut(cut == 0 ? std::nullopt : std::optional(cut - 1));
      outcome = Outcome::ready();
      break;
    }
  }
  if (outcome.is_ready()) answers_.succeed();
  return outcome;
}

Dispatcher::Outcome Dispatcher::keep_outcome(const Instruction& instruction) {
  Operands operands(instruction.payload);
  devices::Outcomes::Token token{};
  std::uint64_t sequence = 0;
  if (!operands.take(token) || !operands.take(sequence) || !operands.rest().empty() || sequence == 0) {
    return fail(Status::illegal_instruction, "7F {:02X} has operands that cannot be", instruction.extension);
  }
  devices::Outcomes& outcomes = core_.store().outcomes();
  if (const Outcome loaded = outcomes.load(waiter_); !loaded.is_ready()) return loaded;
  if (const Outcome prepared = outcomes.prepare(waiter_, sequence); !prepared.is_ready()) return prepared;
  outcomes.keep(token, sequence);
  answers_.succeed();
  return Outcome::ready();
}

Dispatcher::Outcome Dispatcher::roll_back_all(const Instruction& instruction) {
  Operands operands(instruction.payload);
  std::vector<devices::Store::RollBack> pairs;
  std::set<const Device*> rolled_back;
  while (!operands.rest().empty()) {
    Uuid uuid{}, content_uuid{};
    const bool good = operands.take(uuid) && operands.take(content_uuid);
    Device* const device = core_.store().find(uuid);
    Device* const content = core_.store().find(content_uuid);
    const bool are_there = good && device != nullptr && content != nullptr;
    if (!are_there || device->kind() != devices::Kind::pool) return fail(Status::not_found, no_device);
    if (device == content || !rolled_back.insert(device).second) {
      return fail(Status::illegal_instruction, "7F {:02X} rolls a device back twice, or to itself",
                  instruction.extension);
    }
    pairs.push_back({device, content});
  }
  const Outcome outcome = core_.store().roll_back(waiter_, pairs);
  if (outcome.is_ready()) answers_.succeed();
  return outcome;
}

Dispatcher::Outcome Dispatcher::let_go(const Instruction& instruction) {
  Operands operands(instruction.payload);
  std::uint64_t number = 0;
  if (!operands.take(number) || !operands.rest().empty()) {
    return fail(Status::illegal_instruction, "7F {:02X} has operands that cannot be", instruction.extension);
  }
  core_.store().pool()->let_go(number);
  answers_.succeed();
  return Outcome::ready();
}

}  // namespace chimera::vm
