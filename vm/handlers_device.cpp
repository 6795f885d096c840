// Devices as such: opening, making, deleting; their shape, length and text.

#include <cstring>
#include <vector>

#include "isa/clone_option.h"
#include "isa/text.h"
#include "vm/dispatcher.h"

namespace chimera::vm {

using devices::Outcome;

namespace {

std::span<const std::uint8_t> bytes_of(const Uuid& uuid) { return {uuid.data, sizeof uuid.data}; }

std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

devices::Kind kind_of(DeviceKind kind) {
  switch (kind) {
    case DeviceKind::pool: return devices::Kind::pool;
    case DeviceKind::memory: return devices::Kind::memory;
    case DeviceKind::file: return devices::Kind::file;
  }
  return devices::Kind::pool;
}

}  // namespace

Outcome Dispatcher::open_device(const Instruction& instruction) {
  Device* const device = catalogue().find(instruction.name);
  if (device == nullptr) {
    return is_valid_name(instruction.name)
               ? fail(Status::not_found, "there is no device named \"{}\"", instruction.name)
               : fail(Status::not_found,
                      "there is no device of that name, and no name is like that: it is 1 to {} bytes "
                      "of UTF-8 without control characters",
                      limits::longest_name);
  }
  if (!registers_.has_open(*device)) {
    if (const Outcome room = check_may_open(); !room.is_ready()) return room;
    core_.transactions().opened(*device);
  }
  registers_.open(*device);
  reached_ = true;
  answers_.succeed(bytes_of(device->uuid()));
  return Outcome::ready();
}

Outcome Dispatcher::list_devices(const Instruction& instruction) {
  if (!instruction.name.empty()) {
    if (const Outcome valid = check_name(instruction.name, "a prefix"); !valid.is_ready()) return valid;
  }
  if (!instruction.second_name.empty()) {
    if (const Outcome valid = check_name(instruction.second_name); !valid.is_ready()) return valid;
  }
  const std::size_t most = std::min<std::uint64_t>(instruction.count, limits::most_listed);
  const std::vector<Device*> found = catalogue().list(instruction.name, instruction.second_name, most);
  std::size_t size = sizeof(std::uint32_t);
  for (const Device* device : found) size += sizeof(Uuid) + sizeof(std::uint16_t) + device->name().size();
  std::uint8_t* to = answers_.succeed_with_room(size).data();
  const auto put = [&to](const void* from, std::size_t bytes) {
    std::memcpy(to, from, bytes);
    to += bytes;
  };
  const auto count = static_cast<std::uint32_t>(found.size());
  put(&count, sizeof count);
  for (const Device* device : found) {
    const auto length = static_cast<std::uint16_t>(device->name().size());
    put(device->uuid().data, sizeof(Uuid));
    put(&length, sizeof length);
    put(device->name().data(), length);
  }
  return Outcome::ready();
}

Outcome Dispatcher::create_device(const Instruction& instruction) {
  if (const Outcome room = check_may_open(); !room.is_ready()) return room;
  devices::CreateOptions options;
  const auto parsed = instruction.has_options ? parse_create_options(instruction.options) : CreateOptions();
  if (const Outcome writable = check_store_writable(); !writable.is_ready()) return writable;
  if (const Outcome valid = check_name(instruction.name); !valid.is_ready()) return valid;
  const auto origin = parse_clone_option(instruction.options);
  if (origin && !instruction.text.empty()) {
    return fail(Status::bad_text, "a clone has its origin's columns: give none");
  }
  if (instruction.has_options && !origin) {
    if (!parsed) return fail(Status::bad_text, "{}", parsed.error());
    options.kind = kind_of(parsed->kind);
    options.path = parsed->path;
    options.fixed_length = parsed->size.has_value();
    options.length = parsed->size.value_or(0);
  }
  if (instruction.has_device) options.uuid = instruction.device;
  Device* made = nullptr;
  if (origin) {
    // A clone whose UUID may be chosen, which `clone device` cannot say.
    Target target;
    if (const Outcome reached = reach_named(*origin, target); !reached.is_ready()) return reached;
    if (const Outcome is = check_not_file(*target.device, not_cloned); !is.is_ready()) return is;
    const devices::SnapshotTarget clone{target.device, std::string(instruction.name), options.uuid};
    std::vector<Device*> clones;
    if (const Outcome cloned = catalogue().snapshot(waiter_, {&clone, 1}, clones); !cloned.is_ready()) return cloned;
    made = clones.front();
  } else {
    const Outcome created = catalogue().create(waiter_, instruction.name, bytes_of(instruction.text), options, made);
    if (!created.is_ready()) return created;
  }
  renamed(instruction.name);
  registers_.open(*made);
  reached_ = true;
  answers_.succeed(bytes_of(made->uuid()));
  return Outcome::ready();
}

Outcome Dispatcher::clone_device(const Instruction& instruction) {
  Target target;
  if (const Outcome reached = reach(instruction, target); !reached.is_ready()) return reached;
  if (const Outcome is = check_not_file(*target.device, not_cloned); !is.is_ready()) return is;
  if (const Outcome writable = check_store_writable(); !writable.is_ready()) return writable;
  if (const Outcome valid = check_name(instruction.name); !valid.is_ready()) return valid;
  const devices::SnapshotTarget clone{target.device, std::string(instruction.name)};
  std::vector<Device*> made;
  const Outcome cloned = catalogue().snapshot(waiter_, {&clone, 1}, made);
  if (!cloned.is_ready()) return cloned;
  renamed(instruction.name);
  answers_.succeed(bytes_of(made.front()->uuid()));
  return Outcome::ready();
}

Outcome Dispatcher::close_device(const Instruction& instruction) {
  Target target;
  if (const Outcome reached = reach(instruction, target); !reached.is_ready()) return reached;
  registers_.close(target.handle);
  answers_.succeed();
  return Outcome::ready();
}

Outcome Dispatcher::delete_device(const Instruction& instruction, bool by_force) {
  Target target;
  if (const Outcome reached = reach(instruction, target); !reached.is_ready()) return reached;
  Device& device = *target.device;
  if (const Outcome writable = check_writable(device); !writable.is_ready()) return writable;
  // What it was must be known when it is gone, to take it from the registers.
  const Device* const gone = target.handle->device;
  const Uuid uuid = device.uuid();
  const std::string name = device.name();
  if (!by_force && core_.open_elsewhere(session_, *gone)) {
    return fail(Status::busy, "another session has \"{}\" open; wait until it has closed it, or delete by force", name);
  }
  if (transaction_ != nullptr) {
    if (by_force) transaction_->remove_by_force(device);
  } else if (by_force) {
    core_.interrupt_users(session_, device);
    core_.store().give_up(device, true);
  }
  const Outcome removed = catalogue().remove(waiter_, device);
  if (!removed.is_ready()) return removed;
  if (transaction_ == nullptr) {
    core_.transactions().reshaped(*gone);
    core_.forget(session_, uuid, gone);
  }
  renamed(name);
  registers_.close(registers_.find(uuid));
  answers_.succeed();
  return Outcome::ready();
}

Outcome Dispatcher::read_columns(const Instruction& instruction) {
  Target target;
  if (const Outcome reached = reach(instruction, target); !reached.is_ready()) return reached;
  const std::uint64_t length = target.device->columns_length();
  const Outcome fetched = target.device->fetch(waiter_, Plane::columns, 0, length);
  if (!fetched.is_ready()) return fetched;
  const auto size = static_cast<std::uint32_t>(length);
  const std::span<std::uint8_t> to = answers_.succeed_with_room(sizeof size + size);
  std::memcpy(to.data(), &size, sizeof size);
  target.device->read(Plane::columns, 0, to.subspan(sizeof size));
  return Outcome::ready();
}

std::uint64_t Dispatcher::columns_length(const Instruction& instruction) {
  if (transaction_ != nullptr) return limits::largest_transfer;
  const Handle* const current = registers_.current();
  const Device* device = current != nullptr ? current->device : nullptr;
  if (instruction.has_device) device = core_.store().find(instruction.device);
  return device != nullptr ? device->columns_length() : 0;
}

Outcome Dispatcher::write_columns(const Instruction& instruction) {
  Target target;
  if (const Outcome reached = reach(instruction, target); !reached.is_ready()) return reached;
  if (const Outcome writable = check_writable(*target.device); !writable.is_ready()) return writable;
  const std::span<const std::uint8_t> columns = bytes_of(instruction.text);
  const Outcome prepared = target.device->prepare(waiter_, Plane::columns, 0, columns.size());
  if (!prepared.is_ready()) return prepared;
  target.device->write(Plane::columns, 0, columns);
  target.device->set_columns_length(columns.size());
  reshaped(*target.device);
  answers_.succeed();
  return Outcome::ready();
}

Outcome Dispatcher::read_length(const Instruction& instruction) {
  Target target;
  if (const Outcome reached = reach(instruction, target); !reached.is_ready()) return reached;
  uses_length(target);
  answers_.succeed_with_u64(target.device->length());
  return Outcome::ready();
}

Outcome Dispatcher::write_length(const Instruction& instruction) {
  Target target;
  if (const Outcome reached = reach(instruction, target); !reached.is_ready()) return reached;
  if (const Outcome writable = check_writable(*target.device); !writable.is_ready()) return writable;
  if (target.device->fixed_length()) {
    return fail(Status::out_of_range, "\"{}\" was created with the fixed length {}", target.device->name(),
                target.device->length());
  }
  target.offset = instruction.offset;
  if (const Outcome range = check_range(target); !range.is_ready()) return range;
  const std::uint64_t before = target.device->length();
  const Outcome set = target.device->set_length(waiter_, target.offset);
  if (!set.is_ready()) return set;
  target.count = std::max(before, target.offset) - target.offset + 1;
  changed(target, Plane::data);
  answers_.succeed();
  return set;
}

Outcome Dispatcher::describe_device(const Instruction& instruction) {
  Target target;
  if (const Outcome reached = reach(instruction, target); !reached.is_ready()) return reached;
  uses_length(target);
  answers_.succeed_with_text(core_.store().describe(*target.device));
  return Outcome::ready();
}

Outcome Dispatcher::flush_device(const Instruction& instruction) {
  Target target;
  if (const Outcome reached = reach(instruction, target); !reached.is_ready()) return reached;
  // A checkpoint is of the whole store, so a flush of one device is one of all.
  if (target.device->kind() == devices::Kind::pool) return flushes_.flush(waiter_, began_ns());
  if (target.device->kind() == devices::Kind::file) {
    return flushes_.flush(waiter_, began_ns(), {}, {.all_files = false, .file = target.device->uuid()});
  }
  answers_.succeed();
  return Outcome::ready();
}

Outcome Dispatcher::select_device(const Instruction& instruction) {
  Target target;
  const Outcome reached = reach(instruction, target);
  if (reached.is_ready()) answers_.succeed();
  return reached;
}

Outcome Dispatcher::select_offset(const Instruction& instruction) {
  Target target;
  // The offset is an operand here, not a place to reach.
  if (const Outcome reached = reach(instruction, target); !reached.is_ready()) return reached;
  // The one offset that means "none" is as far out of every range as the block before it.
  target.handle->cursor =
      instruction.offset == Handle::no_cursor ? instruction.offset - limits::block_size : instruction.offset;
  answers_.succeed();
  return Outcome::ready();
}

}  // namespace chimera::vm
