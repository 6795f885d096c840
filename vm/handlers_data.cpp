// Reading, checking, writing and swapping data: bytes and blocks.

#include <algorithm>
#include <cassert>
#include <cstring>
#include <memory>

#include "isa/opcodes.h"
#include "vm/dispatcher.h"

namespace chimera::vm {

using devices::Outcome;

namespace {

bool is_block(const Instruction& instruction) { return row_of(instruction.operation).access == Access::block; }

/// How many of `count` bytes at `offset` lie within the length.
std::uint64_t within_length(const devices::Device& device, std::uint64_t offset, std::uint64_t count) {
  return offset < device.length() ? std::min(count, device.length() - offset) : 0;
}

}  // namespace

/// The range of a read or check. Blocks past the length are there, as zeros.
Outcome Dispatcher::plan_read(const Instruction& instruction, Target& target) {
  if (const Outcome reached = reach(instruction, target); !reached.is_ready()) return reached;
  if (const Outcome located = locate(instruction, target); !located.is_ready()) return located;
  if (!is_block(instruction)) return check_within_length(target);
  if (const Outcome aligned = check_aligned(target); !aligned.is_ready()) return aligned;
  return check_range(target);
}

/// The range of a write. A block's part past a fixed length is cut off: target.count is what is to be written.
Outcome Dispatcher::plan_write(const Instruction& instruction, Target& target) {
  if (const Outcome reached = reach(instruction, target); !reached.is_ready()) return reached;
  if (const Outcome located = locate(instruction, target); !located.is_ready()) return located;
  if (const Outcome writable = check_writable(*target.device); !writable.is_ready()) return writable;
  if (is_block(instruction)) {
    if (const Outcome aligned = check_aligned(target); !aligned.is_ready()) return aligned;
  }
  if (const Outcome range = check_range(target); !range.is_ready()) return range;
  if (!is_block(instruction)) return check_fixed_length(target);
  if (target.device->fixed_length()) target.count = within_length(*target.device, target.offset, target.count);
  return Outcome::ready();
}

/// As a write; but bytes, unlike blocks, must stand within the length.
Outcome Dispatcher::plan_swap(const Instruction& instruction, Target& target) {
  if (const Outcome planned = plan_write(instruction, target); !planned.is_ready()) return planned;
  return is_block(instruction) ? Outcome::ready() : check_within_length(target);
}

Outcome Dispatcher::check_fixed_length(const Target& target) {
  const Device& device = *target.device;
  if (!device.fixed_length() || target.offset + target.count <= device.length()) return Outcome::ready();
  return fail(Status::out_of_range, "{} at offset {}: past the fixed length of \"{}\", {}", in_bytes(target.count),
              target.offset, device.name(), device.length());
}

Outcome Dispatcher::read_data(const Instruction& instruction) {
  Target target;
  if (const Outcome planned = plan_read(instruction, target); !planned.is_ready()) return planned;
  const Outcome fetched = target.device->fetch(waiter_, Plane::data, target.offset, target.count);
  if (!fetched.is_ready()) return fetched;
  target.device->read(Plane::data, target.offset, answers_.succeed_with_room(static_cast<std::size_t>(target.count)));
  target.handle->device->count_read(target.count);
  target.handle->cursor = target.offset + target.count;
  return Outcome::ready();
}

/// Mismatch unless the device holds the payload at the target's offset; says where they part.
Outcome Dispatcher::compare_to_payload(const Target& target, Plane plane, std::span<const std::uint8_t> payload) {
  if (target.device->equal(plane, target.offset, payload)) return Outcome::ready();
  std::uint8_t held[limits::block_size];
  for (std::size_t done = 0; done < payload.size(); done += sizeof held) {
    const std::size_t size = std::min(sizeof held, payload.size() - done);
    target.device->read(plane, target.offset + done, {held, size});
    const auto [mine, theirs] = std::mismatch(held, held + size, payload.data() + done);
    if (mine == held + size) continue;
    return fail(Status::mismatch, "the byte at offset {} of \"{}\" is 0x{:02X}, not 0x{:02X}",
                target.offset + done + static_cast<std::size_t>(mine - held), target.device->name(), *mine, *theirs);
  }
  assert(!"what is not equal differs somewhere");
  return Outcome::fail(Status::mismatch);
}

Outcome Dispatcher::check_data(const Instruction& instruction) {
  Target target;
  if (const Outcome planned = plan_read(instruction, target); !planned.is_ready()) return planned;
  const Outcome fetched = target.device->fetch(waiter_, Plane::data, target.offset, target.count);
  if (!fetched.is_ready()) return fetched;
  const Outcome compared = compare_to_payload(target, Plane::data, instruction.payload);
  if (!compared.is_ready()) return compared;
  target.handle->device->count_read(target.count);
  target.handle->cursor = target.offset + target.count;
  answers_.succeed();
  return Outcome::ready();
}

Outcome Dispatcher::write_data(const Instruction& instruction) {
  Target target;
  if (const Outcome planned = plan_write(instruction, target); !planned.is_ready()) return planned;
  if (target.count > 0) {
    const Outcome prepared = target.device->prepare(waiter_, Plane::data, target.offset, target.count);
    if (!prepared.is_ready()) return prepared;
    target.device->write(Plane::data, target.offset, instruction.payload.first(static_cast<std::size_t>(target.count)));
    changed(target, Plane::data);
  }
  target.handle->device->count_write(target.count);
  target.handle->cursor = target.offset + instruction.count;
  answers_.succeed();
  return Outcome::ready();
}

Outcome Dispatcher::swap_data(const Instruction& instruction) {
  Target target;
  if (const Outcome planned = plan_swap(instruction, target); !planned.is_ready()) return planned;
  Device& device = *target.device;
  const Outcome fetched = device.fetch(waiter_, Plane::data, target.offset, instruction.count);
  if (!fetched.is_ready()) return fetched;
  if (target.count > 0) {
    const Outcome prepared = device.prepare(waiter_, Plane::data, target.offset, target.count);
    if (!prepared.is_ready()) return prepared;
  }
  device.read(Plane::data, target.offset, answers_.succeed_with_room(static_cast<std::size_t>(instruction.count)));
  if (target.count > 0) {
    device.write(Plane::data, target.offset, instruction.payload.first(static_cast<std::size_t>(target.count)));
    changed(target, Plane::data);
  }
  target.handle->device->count_read(instruction.count);
  target.handle->device->count_write(target.count);
  target.handle->cursor = target.offset + instruction.count;
  return Outcome::ready();
}

Outcome Dispatcher::append_bytes(const Instruction& instruction) {
  Target target;
  if (const Outcome reached = reach(instruction, target); !reached.is_ready()) return reached;
  if (const Outcome writable = check_writable(*target.device); !writable.is_ready()) return writable;
  target.offset = target.device->length();
  uses_length(target);
  if (const Outcome range = check_range(target); !range.is_ready()) return range;
  if (const Outcome range = check_fixed_length(target); !range.is_ready()) return range;
  if (target.count > 0) {
    const Outcome prepared = target.device->prepare(waiter_, Plane::data, target.offset, target.count);
    if (!prepared.is_ready()) return prepared;
    target.device->write(Plane::data, target.offset, instruction.payload);
    changed(target, Plane::data);
  }
  target.handle->device->count_write(target.count);
  target.handle->cursor = target.offset + target.count;
  answers_.succeed_with_u64(target.offset);
  return Outcome::ready();
}

Outcome Dispatcher::copy_bytes(const Instruction& instruction) {
  Target from;
  Target to;
  if (const Outcome reached = reach_both(instruction, from, to); !reached.is_ready()) return reached;
  from.offset = instruction.offset;
  to.offset = instruction.second_offset;
  const devices::Kind kind = from.device->kind();
  const bool can_share = kind == to.device->kind() && kind != devices::Kind::file;
  if (instruction.count > limits::largest_transfer && !can_share) {
    return fail(Status::unsupported, "\"{}\" and \"{}\" share no blocks, so at most {} bytes are copied at once",
                from.device->name(), to.device->name(), limits::largest_transfer);
  }
  if (const Outcome writable = check_writable(*to.device); !writable.is_ready()) return writable;
  if (const Outcome range = check_within_length(from); !range.is_ready()) return range;
  if (const Outcome range = check_range(to); !range.is_ready()) return range;
  if (const Outcome range = check_fixed_length(to); !range.is_ready()) return range;
  if (to.count > 0) {
    const bool whole_blocks = (from.offset | to.offset | from.count) % limits::block_size == 0;
    const Outcome copied = can_share && whole_blocks
                               ? to.device->share(waiter_, to.offset, *from.device, from.offset, from.count)
                               : move_bytes(from, to);
    if (!copied.is_ready()) return copied;
    changed(to, Plane::data);
  }
  from.handle->cursor = from.offset + from.count;
  to.handle->cursor = to.offset + to.count;
  answers_.succeed();
  return Outcome::ready();
}

/// At most the largest transfer, through a buffer: the ranges may overlap.
Outcome Dispatcher::move_bytes(const Target& from, const Target& to) {
  const Outcome fetched = from.device->fetch(waiter_, Plane::data, from.offset, from.count);
  if (!fetched.is_ready()) return fetched;
  const Outcome prepared = to.device->prepare(waiter_, Plane::data, to.offset, to.count);
  if (!prepared.is_ready()) return prepared;
  const auto size = static_cast<std::size_t>(from.count);
  const auto buffer = std::make_unique_for_overwrite<std::uint8_t[]>(size);
  from.device->read(Plane::data, from.offset, {buffer.get(), size});
  to.device->write(Plane::data, to.offset, {buffer.get(), size});
  from.handle->device->count_read(size);
  to.handle->device->count_write(size);
  return Outcome::ready();
}

}  // namespace chimera::vm
