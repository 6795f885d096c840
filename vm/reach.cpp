// What comes before an instruction's own work: its devices, its cursor, and the checks of its operands. The order in
// which the handlers call these is the order of the statuses in the contract.

#include <fmt/format.h>

#include <boost/uuid/uuid_io.hpp>
#include <string>

#include "isa/opcodes.h"
#include "isa/text.h"
#include "vm/dispatcher.h"

namespace chimera::vm {

using devices::Outcome;

namespace {

/// Whether the instruction asks for the data of its device, or their length.
bool uses_data(const Instruction& instruction) {
  switch (instruction.operation) {
    case Operation::read_length:
    case Operation::write_length:
    case Operation::flush_device:
    case Operation::read_digest:
    case Operation::copy_bytes: return true;
    default: return row_of(instruction.operation).has(properties::moves_cursor);
  }
}

}  // namespace

devices::Catalogue& Dispatcher::catalogue() {
  return transaction_ != nullptr ? static_cast<devices::Catalogue&>(*transaction_) : core_.store();
}

/// What an instruction works on: within a transaction its view of the device.
devices::Device& Dispatcher::device_of(const Handle& handle) {
  return transaction_ != nullptr ? transaction_->view(*handle.device) : *handle.device;
}

/// Bytes of a device have been changed. What a transaction does nobody sees before its commit.
void Dispatcher::changed(const Target& target, Plane plane) {
  if (transaction_ == nullptr) core_.transactions().changed_bytes(*target.device, plane, target.offset, target.count);
}

/// The device as such has been changed.
void Dispatcher::reshaped(const Device& device) {
  if (transaction_ == nullptr) core_.transactions().reshaped(device);
}

void Dispatcher::renamed(std::string_view name) {
  if (transaction_ == nullptr) core_.transactions().renamed(name);
}

/// The instruction's answer depends on the length.
void Dispatcher::uses_length(const Target& target) {
  if (transaction_ != nullptr) static_cast<View*>(target.device)->note_length();
}

Outcome Dispatcher::check_may_open() {
  const std::size_t open = registers_.open_count();
  if (open < Machine::freely_open_handles || core_.store().needs_replay()) return Outcome::ready();
  if (core_.open_handles() >= Machine::most_open_handles) {
    return fail(Status::too_many_open, "all sessions together have {} devices open, the most that they may; close some",
                core_.open_handles());
  }
  if (open < limits::most_open_devices) return Outcome::ready();
  return fail(Status::too_many_open, "this session has {} devices open, the most that it may; close some first",
              registers_.open_count());
}

Outcome Dispatcher::reach_named(const Uuid& uuid, Target& target) {
  target.handle = registers_.find(uuid);
  if (target.handle == nullptr) {
    Device* const device = catalogue().find(uuid);
    if (device == nullptr) return fail(Status::not_found, "there is no device {}", to_string(uuid));
    if (const Outcome room = check_may_open(); !room.is_ready()) return room;
    target.handle = registers_.open(*device);
    core_.transactions().opened(*device);
  }
  registers_.make_current(target.handle);
  target.device = &device_of(*target.handle);
  return Outcome::ready();
}

Outcome Dispatcher::reach(const Instruction& instruction, Target& target) {
  target.count = instruction.count;
  if (instruction.has_device) {
    if (const Outcome named = reach_named(instruction.device, target); !named.is_ready()) return named;
  } else if (registers_.current() != nullptr) {
    target.handle = registers_.current();
    target.device = &device_of(*target.handle);
  } else if (registers_.current_is_gone()) {
    return fail(Status::not_found, "the current device has been deleted; open another one");
  } else {
    return fail(Status::no_current_device, "there is no current device: open one, or name it by its UUID");
  }
  reached_ = true;
  return uses_data(instruction) ? reach_data(target) : Outcome::ready();
}

/// A file may have to be looked for, and may not be there.
Outcome Dispatcher::reach_data(Target& target) {
  if (target.device->kind() != devices::Kind::file) return Outcome::ready();
  const Outcome there = target.handle->device->available(waiter_);
  if (there.is_ready()) target.device = &device_of(*target.handle);
  return there;
}

Outcome Dispatcher::reach_both(const Instruction& instruction, Target& first, Target& second) {
  if (const Outcome named = reach_named(instruction.device, first); !named.is_ready()) return named;
  if (const Outcome named = reach_named(instruction.second_device, second); !named.is_ready()) return named;
  first.handle = registers_.find(instruction.device);  // opening the second may have moved it
  first.count = second.count = instruction.count;
  reached_ = true;
  if (!uses_data(instruction)) return Outcome::ready();
  const Outcome there = reach_data(first);
  return there.is_ready() ? reach_data(second) : there;
}

Outcome Dispatcher::locate(const Instruction& instruction, Target& target) {
  target.offset = instruction.has_offset ? instruction.offset : target.handle->cursor;
  if (target.offset != Handle::no_cursor || instruction.has_offset) return Outcome::ready();
  return fail(Status::no_cursor, "a write to \"{}\" has failed, so it has no cursor: give an offset",
              target.device->name());
}

Outcome Dispatcher::check_not_file(const Device& device, std::string_view what) {
  if (device.kind() != devices::Kind::file) return Outcome::ready();
  return fail(Status::unsupported, "\"{}\" is a file that is served in place: {}", device.name(), what);
}

Outcome Dispatcher::check_writable(const Device& device) {
  if (const Outcome writable = check_store_writable(); !writable.is_ready()) return writable;
  if (!device.read_only()) return Outcome::ready();
  return fail(Status::read_only, "\"{}\" is protected: read only", device.name());
}

Outcome Dispatcher::check_store_writable() {
  if (!core_.store().read_only()) return Outcome::ready();
  return fail(Status::read_only, "the store is open for reading only");
}

Outcome Dispatcher::check_name(std::string_view name, std::string_view what) {
  if (is_valid_name(name)) return Outcome::ready();
  std::string wrong = "holds a control character";
  if (name.empty()) {
    wrong = "is empty";
  } else if (name.size() > limits::longest_name) {
    wrong = fmt::format("has {} bytes", name.size());
  } else if (!is_utf8(name)) {
    wrong = "is not UTF-8";
  }
  return fail(Status::bad_text, "{} is 1 to {} bytes of UTF-8 without control characters; this one {}", what,
              limits::longest_name, wrong);
}

Outcome Dispatcher::check_aligned(const Target& target) {
  if (target.offset % limits::block_size == 0) return Outcome::ready();
  return fail(Status::misaligned, "offset {} of \"{}\" is not a multiple of {}", target.offset, target.device->name(),
              limits::block_size);
}

Outcome Dispatcher::check_range(const Target& target) {
  if (target.offset <= limits::greatest_length && target.count <= limits::greatest_length - target.offset) {
    return Outcome::ready();
  }
  return fail(Status::out_of_range, "{} at offset {} of \"{}\": past the greatest length, {}", in_bytes(target.count),
              target.offset, target.device->name(), limits::greatest_length);
}

Outcome Dispatcher::check_within_length(const Target& target) {
  if (const Outcome range = check_range(target); !range.is_ready()) return range;
  if (target.offset + target.count <= target.device->length()) return Outcome::ready();
  return fail(Status::out_of_range, "{} at offset {}: past the length of \"{}\", {}", in_bytes(target.count),
              target.offset, target.device->name(), target.device->length());
}

Outcome Dispatcher::check_metadata_range(const Target& target) {
  if (target.count == 0 || target.count - 1 <= ~target.offset) return Outcome::ready();
  return fail(Status::out_of_range, "{} at offset {} of the metadata of \"{}\": past 2^64", in_bytes(target.count),
              target.offset, target.device->name());
}

}  // namespace chimera::vm
