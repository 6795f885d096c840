// Extents, digests, clearing, and the metadata.

#include <array>
#include <cstring>
#include <vector>

#include "vm/dispatcher.h"

namespace chimera::vm {

using devices::Extent;
using devices::Outcome;

namespace {

std::uint64_t total(std::span<const Extent> extents) {
  std::uint64_t sum = 0;
  for (const Extent& extent : extents) sum += extent.length;
  return sum;
}

}  // namespace

void Dispatcher::answer_extents(std::span<const Extent> extents) {
  const auto count = static_cast<std::uint32_t>(extents.size());
  constexpr std::size_t item = sizeof Extent::length + sizeof Extent::flags;
  std::uint8_t* to = answers_.succeed_with_room(sizeof count + item * count).data();
  std::memcpy(to, &count, sizeof count);
  to += sizeof count;
  for (const Extent& extent : extents) {
    std::memcpy(to, &extent.length, sizeof extent.length);
    std::memcpy(to + sizeof extent.length, &extent.flags, sizeof extent.flags);
    to += item;
  }
}

Outcome Dispatcher::read_extents(const Instruction& instruction, Plane plane) {
  Target target;
  if (const Outcome reached = reach(instruction, target); !reached.is_ready()) return reached;
  if (const Outcome located = locate(instruction, target); !located.is_ready()) return located;
  const Outcome range = plane == Plane::data ? check_within_length(target) : check_metadata_range(target);
  if (!range.is_ready()) return range;
  std::vector<Extent> extents;
  if (target.count > 0) {
    const Outcome found = target.device->extents(waiter_, plane, target.offset, target.count, extents);
    if (!found.is_ready()) return found;
  }
  if (plane == Plane::data) target.handle->cursor = target.offset + total(extents);
  answer_extents(extents);
  return Outcome::ready();
}

Outcome Dispatcher::compare_devices(const Instruction& instruction) {
  Target first;
  Target second;
  if (const Outcome reached = reach_both(instruction, first, second); !reached.is_ready()) return reached;
  first.offset = second.offset = instruction.offset;
  if (first.device->kind() != second.device->kind()) {
    return fail(Status::unsupported, "\"{}\" and \"{}\" are of different kinds and share nothing to compare",
                first.device->name(), second.device->name());
  }
  const Outcome is = check_not_file(*first.device, "it has no map that could be compared");
  if (!is.is_ready()) return is;
  if (const Outcome range = check_within_length(first); !range.is_ready()) return range;
  if (const Outcome range = check_within_length(second); !range.is_ready()) return range;
  std::vector<Extent> extents;
  if (first.count > 0) {
    const Outcome found = first.device->differences(waiter_, *second.device, first.offset, first.count, extents);
    if (!found.is_ready()) return found;
  }
  first.handle->cursor = second.handle->cursor = first.offset + total(extents);
  answer_extents(extents);
  return Outcome::ready();
}

Outcome Dispatcher::clear_extents(const Instruction& instruction) {
  Target target;
  if (const Outcome reached = reach(instruction, target); !reached.is_ready()) return reached;
  if (const Outcome located = locate(instruction, target); !located.is_ready()) return located;
  if (const Outcome writable = check_writable(*target.device); !writable.is_ready()) return writable;
  if (const Outcome range = check_range(target); !range.is_ready()) return range;
  if (target.count > 0) {
    const Outcome cleared = target.device->clear(waiter_, Plane::data, target.offset, target.count);
    if (!cleared.is_ready()) return cleared;
    changed(target, Plane::data);
  }
  target.handle->cursor = target.offset + target.count;
  answers_.succeed();
  return Outcome::ready();
}

Outcome Dispatcher::read_digest(const Instruction& instruction) {
  Target target;
  if (const Outcome reached = reach(instruction, target); !reached.is_ready()) return reached;
  target.offset = instruction.offset;
  if (const Outcome range = check_within_length(target); !range.is_ready()) return range;
  std::array<std::uint8_t, 32> digest{};
  const Outcome digested = target.device->digest(waiter_, target.offset, target.count, digest);
  if (!digested.is_ready()) return digested;
  target.handle->device->count_read(target.count);
  target.handle->cursor = target.offset + target.count;
  answers_.succeed(digest);
  return Outcome::ready();
}

Outcome Dispatcher::read_metadata(const Instruction& instruction) {
  Target target;
  if (const Outcome reached = reach(instruction, target); !reached.is_ready()) return reached;
  target.offset = instruction.offset;
  if (const Outcome range = check_metadata_range(target); !range.is_ready()) return range;
  const Outcome fetched = target.device->fetch(waiter_, Plane::metadata, target.offset, target.count);
  if (!fetched.is_ready()) return fetched;
  target.device->read(Plane::metadata, target.offset,
                      answers_.succeed_with_room(static_cast<std::size_t>(target.count)));
  return Outcome::ready();
}

Outcome Dispatcher::check_metadata(const Instruction& instruction) {
  Target target;
  if (const Outcome reached = reach(instruction, target); !reached.is_ready()) return reached;
  target.offset = instruction.offset;
  if (const Outcome range = check_metadata_range(target); !range.is_ready()) return range;
  const Outcome fetched = target.device->fetch(waiter_, Plane::metadata, target.offset, target.count);
  if (!fetched.is_ready()) return fetched;
  const Outcome compared = compare_to_payload(target, Plane::metadata, instruction.payload);
  if (compared.is_ready()) answers_.succeed();
  return compared;
}

Outcome Dispatcher::write_metadata(const Instruction& instruction) {
  Target target;
  if (const Outcome reached = reach(instruction, target); !reached.is_ready()) return reached;
  target.offset = instruction.offset;
  if (const Outcome writable = check_writable(*target.device); !writable.is_ready()) return writable;
  if (const Outcome range = check_metadata_range(target); !range.is_ready()) return range;
  if (target.count > 0) {
    const Outcome prepared = target.device->prepare(waiter_, Plane::metadata, target.offset, target.count);
    if (!prepared.is_ready()) return prepared;
    target.device->write(Plane::metadata, target.offset, instruction.payload);
    changed(target, Plane::metadata);
  }
  answers_.succeed();
  return Outcome::ready();
}

Outcome Dispatcher::clear_metadata(const Instruction& instruction) {
  Target target;
  if (const Outcome reached = reach(instruction, target); !reached.is_ready()) return reached;
  target.offset = instruction.offset;
  if (const Outcome writable = check_writable(*target.device); !writable.is_ready()) return writable;
  if (const Outcome range = check_metadata_range(target); !range.is_ready()) return range;
  if (target.count > 0) {
    const Outcome cleared = target.device->clear(waiter_, Plane::metadata, target.offset, target.count);
    if (!cleared.is_ready()) return cleared;
    changed(target, Plane::metadata);
  }
  answers_.succeed();
  return Outcome::ready();
}

}  // namespace chimera::vm
