// What concerns the catalogue, the store as a whole, and the session itself.

#include <cstring>
#include <vector>

#include "isa/bytes.h"
#include "isa/json_text.h"
#include "vm/dispatcher.h"
#include "vm/version.h"

namespace chimera::vm {

using devices::Outcome;

Outcome Dispatcher::hello(const Instruction& instruction) {
  if (!instruction.payload.empty()) {
    return fail(Status::denied, "this machine knows no credentials; send none");
  }
  constexpr std::uint64_t features = 1;  // transactions
  std::vector<std::uint8_t> greeting(version.begin(), version.end());
  append_integer(greeting, limits::block_size);
  append_integer(greeting, limits::largest_transfer);
  append_integer(greeting, limits::most_open_devices);
  append_integer(greeting, session_number_);
  append_integer(greeting, features);
  answers_.succeed(greeting);
  return Outcome::ready();
}

Outcome Dispatcher::rename_device(const Instruction& instruction) {
  Target target;
  if (const Outcome reached = reach(instruction, target); !reached.is_ready()) return reached;
  if (const Outcome writable = check_store_writable(); !writable.is_ready()) return writable;
  if (const Outcome valid = check_name(instruction.name); !valid.is_ready()) return valid;
  const std::string before = target.device->name();
  const Outcome done = catalogue().rename(waiter_, *target.device, instruction.name);
  if (!done.is_ready()) return done;
  renamed(before);
  renamed(instruction.name);
  reshaped(*target.device);
  answers_.succeed();
  return done;
}

Outcome Dispatcher::protect_device(const Instruction& instruction) {
  Target target;
  if (const Outcome reached = reach(instruction, target); !reached.is_ready()) return reached;
  if (const Outcome writable = check_store_writable(); !writable.is_ready()) return writable;
  const std::uint8_t value = instruction.payload[0];
  if (value > 1) return fail(Status::out_of_range, "the value is 1 (read only) or 0 (not), not {}", value);
  const Outcome done = catalogue().protect(waiter_, *target.device, value == 1);
  if (!done.is_ready()) return done;
  reshaped(*target.device);
  answers_.succeed();
  return done;
}

Outcome Dispatcher::roll_back_device(const Instruction& instruction) {
  Target device;
  Target content;
  if (const Outcome reached = reach_both(instruction, device, content); !reached.is_ready()) return reached;
  const bool related =
      device.device->kind() == content.device->kind() && device.device->family() == content.device->family();
  if (related) {
    if (const Outcome writable = check_writable(*device.device); !writable.is_ready()) return writable;
  }
  const Outcome done = catalogue().roll_back(waiter_, *device.device, *content.device);
  if (!done.is_ready()) return done;
  reshaped(*device.device);
  answers_.succeed();
  return done;
}

Outcome Dispatcher::snapshot(const Instruction& instruction) {
  std::vector<devices::SnapshotTarget> targets;
  const std::uint8_t* at = instruction.payload.data();
  for (std::uint64_t i = 0; i < instruction.count; ++i) {
    Uuid uuid;
    std::memcpy(uuid.data, at, sizeof uuid.data);
    const auto length = load<std::uint16_t>(at + sizeof uuid);
    const char* const name = reinterpret_cast<const char*>(at) + sizeof uuid + sizeof length;
    at += sizeof uuid + sizeof length + length;
    Target target;
    if (const Outcome reached = reach_named(uuid, target); !reached.is_ready()) return reached;
    targets.push_back({target.device, std::string(name, length)});
  }
  reached_ = true;
  for (const devices::SnapshotTarget& target : targets) {
    if (const Outcome is = check_not_file(*target.origin, not_cloned); !is.is_ready()) return is;
  }
  if (const Outcome writable = check_store_writable(); !writable.is_ready()) return writable;
  for (const devices::SnapshotTarget& target : targets) {
    if (const Outcome valid = check_name(target.name); !valid.is_ready()) return valid;
  }
  std::vector<Device*> made;
  const Outcome done = catalogue().snapshot(waiter_, targets, made);
  if (!done.is_ready()) return done;
  for (const devices::SnapshotTarget& target : targets) renamed(target.name);
  std::uint8_t* to = answers_.succeed_with_room(made.size() * sizeof(Uuid)).data();
  for (const Device* clone : made) {
    std::memcpy(to, clone->uuid().data, sizeof(Uuid));
    to += sizeof(Uuid);
  }
  return Outcome::ready();
}

Outcome Dispatcher::describe_store() {
  devices::StoreFigures figures = core_.store().figures();
  if (transaction_ != nullptr) figures.devices = transaction_->device_count();
  JsonObject description = figures.to_json();
  description.number("sessions", core_.session_count()).json("stats", to_json(core_.measure()));
  answers_.succeed_with_text(description.end());
  return Outcome::ready();
}

}  // namespace chimera::vm
