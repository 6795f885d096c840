#include "vm/run_ahead.h"

#include <algorithm>

#include "isa/decoder.h"
#include "isa/limits.h"
#include "isa/opcodes.h"

namespace chimera::vm {

using devices::Device;
using devices::Plane;

namespace {

constexpr std::uint64_t block_size = limits::block_size;

/// A write needs the map, and what it leaves of a block that it does not overwrite wholly.
bool prefetch_for_write(Device& device, Plane plane, std::uint64_t offset, std::uint64_t count) {
  const std::uint64_t last = offset + (count - 1);
  const bool cut_first = offset % block_size != 0;
  const bool cut_last = (last + 1) % block_size != 0;
  const bool one_block = offset / block_size == last / block_size;
  bool complete = device.prefetch(plane, offset, count, Device::Depth::maps);
  if (cut_first || (one_block && cut_last)) complete &= device.prefetch(plane, offset, 1, Device::Depth::blocks);
  if (cut_last && !one_block) complete &= device.prefetch(plane, last, 1, Device::Depth::blocks);
  return complete;
}

}  // namespace

void RunAhead::run(const Instruction& waiting, const Place& place, Registers& registers, devices::Store& store) {
  const std::uint64_t behind = place.position + place.size;
  forget_before(behind);
  if (next_ < behind) {
    start_over(place, registers);
    if (!follow(waiting, registers, store, false)) next_ = place.position;  // not past it
  }
  if (next_ < behind) return;
  go_on_with_unfinished(store);
  while (passed_count_ < most_instructions && passed_bytes_ < most_bytes) {
    const std::uint64_t seen = next_ - behind;
    if (seen >= place.behind.size()) return;
    Instruction instruction;
    const Decoded decoded = decode(place.behind.subspan(static_cast<std::size_t>(seen)), instruction);
    if (decoded.kind != Decoded::Kind::complete) return;
    const std::optional<std::uint64_t> bytes = follow(instruction, registers, store, true);
    if (!bytes) return;
    note(next_, *bytes);
    next_ += decoded.size;
  }
}

void RunAhead::start_over(const Place& place, Registers& registers) {
  next_ = place.position + place.size;
  first_passed_ = passed_count_ = 0;
  passed_bytes_ = 0;
  unfinished_.clear();
  cursors_.clear();
  current_.reset();
  if (registers.current() != nullptr) current_ = registers.current()->uuid;
}

void RunAhead::forget_before(std::uint64_t position) {
  while (passed_count_ > 0 && passed_[first_passed_].position < position) {
    passed_bytes_ -= passed_[first_passed_].bytes;
    first_passed_ = (first_passed_ + 1) % most_instructions;
    --passed_count_;
  }
}

bool RunAhead::start_reads(Device& device, const Unfinished& what) {
  if (what.reads) return device.prefetch(what.plane, what.offset, what.count, Device::Depth::blocks);
  return prefetch_for_write(device, what.plane, what.offset, what.count);
}

void RunAhead::go_on_with_unfinished(devices::Store& store) {
  const std::uint64_t first = passed_count_ > 0 ? passed_[first_passed_].position : next_;
  std::erase_if(unfinished_, [&](const Unfinished& what) {
    Device* const device = what.position < first ? nullptr : store.find(what.device);
    return device == nullptr || start_reads(*device, what);
  });
}

void RunAhead::note(std::uint64_t position, std::uint64_t bytes) {
  passed_[(first_passed_ + passed_count_) % most_instructions] = {position, bytes};
  ++passed_count_;
  passed_bytes_ += bytes;
}

RunAhead::Offset RunAhead::cursor_of(const Uuid& uuid, Registers& registers) const {
  if (const auto moved = cursors_.find(uuid); moved != cursors_.end()) return moved->second;
  const Handle* const handle = registers.find(uuid);
  if (handle == nullptr) return 0;  // it will be opened
  return handle->cursor == Handle::no_cursor ? Offset() : handle->cursor;
}

std::optional<std::uint64_t> RunAhead::follow(const Instruction& instruction, Registers& registers,
                                              devices::Store& store, bool prefetch) {
  const Row& row = row_of(instruction.operation);
  if (instruction.has_device) current_ = instruction.device;
  if (row.has(properties::moves_cursor) || row.has(properties::metadata)) {
    return follow_access(instruction, registers, store, prefetch);
  }
  return follow_other(instruction, store) ? std::optional<std::uint64_t>(0) : std::nullopt;
}

std::optional<std::uint64_t> RunAhead::follow_access(const Instruction& instruction, Registers& registers,
                                                     devices::Store& store, bool prefetch) {
  if (!current_) return 0;
  const Row& row = row_of(instruction.operation);
  const bool metadata = row.has(properties::metadata);
  const std::uint64_t count = instruction.count;
  Offset offset;
  if (instruction.has_offset) {
    offset = instruction.offset;
  } else if (instruction.operation != Operation::append_bytes) {
    offset = cursor_of(*current_, registers);
  }
  const bool in_range = offset && count > 0 &&
                        count - 1 <= (metadata ? ~std::uint64_t{0} : limits::greatest_length) - *offset &&
                        (metadata || *offset <= limits::greatest_length);
  if (!metadata) {
    // Extents may cover less than asked, so where the cursor goes is not known.
    const bool known = offset && instruction.operation != Operation::read_extents;
    cursors_[*current_] = known ? Offset(*offset + count) : Offset();
  }
  // What works from the maps alone, and what is too large, loads for itself.
  const bool touches_bytes = row.access != Access::counted || count <= limits::largest_transfer;
  const bool from_maps =
      instruction.operation == Operation::read_extents || instruction.operation == Operation::clear_extents ||
      instruction.operation == Operation::read_metadata_extents || instruction.operation == Operation::clear_metadata;
  if (!prefetch || !in_range || !touches_bytes || from_maps) return 0;
  Device* const device = store.find(*current_);
  if (device == nullptr) return 0;
  const Plane plane = metadata ? Plane::metadata : Plane::data;
  const Unfinished what{next_, *current_, plane, row.has(properties::reads), *offset, count};
  if (!start_reads(*device, what)) unfinished_.push_back(what);
  return what.reads ? (count + block_size - 1) / block_size * block_size : 2 * block_size;
}

/// Instructions that do not move a cursor along. False where the registers behind it are not known.
bool RunAhead::follow_other(const Instruction& instruction, devices::Store& store) {
  switch (instruction.operation) {
    case Operation::open_device: {
      const Device* const device = store.find(instruction.name);
      if (device == nullptr) return false;
      current_ = device->uuid();
      return true;
    }
    case Operation::close_device:
      if (current_) cursors_[*current_] = 0;
      current_.reset();
      return true;
    case Operation::select_offset:
      if (current_) cursors_[*current_] = instruction.offset;
      return true;
    case Operation::read_digest: cursors_[instruction.device] = instruction.offset + instruction.count; return true;
    case Operation::copy_bytes:
      cursors_[instruction.device] = instruction.offset + instruction.count;
      current_ = instruction.second_device;
      cursors_[instruction.second_device] = instruction.second_offset + instruction.count;
      return true;
    case Operation::create_device:
    case Operation::compare_devices:
    case Operation::roll_back_device:
    case Operation::snapshot:
    case Operation::delete_device:
    case Operation::delete_device_by_force:
    case Operation::begin:
    case Operation::commit:
    case Operation::commit_with_token:
    case Operation::abort: return false;
    default: return true;
  }
}

}  // namespace chimera::vm
