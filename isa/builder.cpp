#include "isa/builder.h"

#include <cassert>
#include <limits>

#include "isa/bytes.h"
#include "isa/encoder.h"

namespace chimera {
namespace {

using Device = Program::Device;
using Offset = Program::Offset;
using Bytes = Program::Bytes;

Instruction make(Operation operation, Device device = implied, Offset offset = implied) {
  Instruction instruction;
  instruction.operation = operation;
  instruction.has_device = device.has_value();
  instruction.has_offset = offset.has_value();
  instruction.device = device.value_or(Uuid{});
  instruction.offset = offset.value_or(0);
  return instruction;
}

Instruction with_count(Instruction instruction, std::uint64_t count) {
  instruction.count = count;
  return instruction;
}

Instruction with_payload(Instruction instruction, Bytes payload) {
  instruction.payload = payload;
  return instruction;
}

Instruction with_name(Instruction instruction, std::string_view name) {
  instruction.name = name;
  return instruction;
}

Instruction with_second_device(Instruction instruction, const Uuid& device) {
  instruction.second_device = device;
  return instruction;
}

}  // namespace

Program& Program::append(const Instruction& instruction) {
  encode(instruction, stream_);
  return *this;
}

// The functions whose operands are device, offset and one thing more.
#define CHIMERA_PLAIN(operation) \
  Program& Program::operation() { return append(make(Operation::operation)); }
#define CHIMERA_DEVICE(operation) \
  Program& Program::operation(Device device) { return append(make(Operation::operation, device)); }
#define CHIMERA_PLACE(operation)                               \
  Program& Program::operation(Device device, Offset offset) {  \
    return append(make(Operation::operation, device, offset)); \
  }
#define CHIMERA_VALUE(operation, OffsetType)                                                       \
  Program& Program::operation(Device device, OffsetType offset, std::uint8_t value) {              \
    return append(with_payload(make(Operation::operation, device, offset), std::span{&value, 1})); \
  }
#define CHIMERA_COUNT(operation, DeviceType, OffsetType, Count)                    \
  Program& Program::operation(DeviceType device, OffsetType offset, Count count) { \
    return append(with_count(make(Operation::operation, device, offset), count));  \
  }
#define CHIMERA_PAYLOAD(operation, DeviceType, OffsetType, Payload)                    \
  Program& Program::operation(DeviceType device, OffsetType offset, Payload payload) { \
    return append(with_payload(make(Operation::operation, device, offset), payload));  \
  }

CHIMERA_PLACE(read_byte)
CHIMERA_VALUE(check_byte, Offset)
CHIMERA_COUNT(read_bytes, Device, Offset, std::uint32_t)
CHIMERA_PAYLOAD(check_bytes, Device, Offset, Bytes)
CHIMERA_PLACE(read_block)
CHIMERA_PAYLOAD(check_block, Device, Offset, Block)
CHIMERA_DEVICE(read_columns)
CHIMERA_COUNT(read_extents, Device, Offset, std::uint64_t)
CHIMERA_DEVICE(read_length)
CHIMERA_DEVICE(describe_device)
CHIMERA_COUNT(read_metadata_bytes, Device, std::uint64_t, std::uint32_t)
CHIMERA_VALUE(write_byte, Offset)
CHIMERA_VALUE(swap_byte, Offset)
CHIMERA_PAYLOAD(write_bytes, Device, Offset, Bytes)
CHIMERA_PAYLOAD(swap_bytes, Device, Offset, Bytes)
CHIMERA_PAYLOAD(write_block, Device, Offset, Block)
CHIMERA_PAYLOAD(swap_block, Device, Offset, Block)
CHIMERA_COUNT(clear_extents, Device, Offset, std::uint64_t)
CHIMERA_DEVICE(close_device)
CHIMERA_DEVICE(flush_device)
CHIMERA_VALUE(write_metadata, std::uint64_t)
CHIMERA_PAYLOAD(write_metadata_bytes, Device, std::uint64_t, Bytes)
CHIMERA_DEVICE(delete_device)
CHIMERA_PLAIN(begin)
CHIMERA_PLAIN(commit)
CHIMERA_PLAIN(abort)
CHIMERA_PLAIN(sync)
CHIMERA_COUNT(read_digest, const Uuid&, std::uint64_t, std::uint64_t)
CHIMERA_COUNT(read_metadata_extents, const Uuid&, std::uint64_t, std::uint64_t)
CHIMERA_COUNT(clear_metadata, const Uuid&, std::uint64_t, std::uint64_t)
CHIMERA_PAYLOAD(check_metadata_bytes, const Uuid&, std::uint64_t, Bytes)
CHIMERA_PLAIN(describe_store)

#undef CHIMERA_PLAIN
#undef CHIMERA_DEVICE
#undef CHIMERA_PLACE
#undef CHIMERA_VALUE
#undef CHIMERA_COUNT
#undef CHIMERA_PAYLOAD

Program& Program::open_device(std::string_view name) { return append(with_name(make(Operation::open_device), name)); }

Program& Program::list_devices(std::string_view prefix, std::string_view after, std::uint32_t count) {
  Instruction instruction = with_count(with_name(make(Operation::list_devices), prefix), count);
  instruction.second_name = after;
  return append(instruction);
}

Program& Program::read_metadata(Device device, std::uint64_t offset) {
  return append(make(Operation::read_metadata, device, offset));
}

Program& Program::create_device(std::string_view name, std::string_view columns, std::string_view options,
                                Device uuid) {
  Instruction instruction = with_name(make(Operation::create_device, uuid), name);
  instruction.text = columns;
  instruction.options = options;
  instruction.has_options = !options.empty();
  return append(instruction);
}

Program& Program::clone_device(Device origin, std::string_view name) {
  return append(with_name(make(Operation::clone_device, origin), name));
}

Program& Program::write_columns(Device device, std::string_view columns) {
  Instruction instruction = make(Operation::write_columns, device);
  instruction.text = columns;
  return append(instruction);
}

Program& Program::write_length(Device device, std::uint64_t length) {
  return append(make(Operation::write_length, device, length));
}

Program& Program::append_bytes(Device device, Bytes payload) {
  return append(with_payload(make(Operation::append_bytes, device), payload));
}

Program& Program::copy_bytes(const Uuid& from, std::uint64_t from_offset, const Uuid& to, std::uint64_t to_offset,
                             std::uint64_t count) {
  Instruction instruction = with_second_device(make(Operation::copy_bytes, from, from_offset), to);
  instruction.second_offset = to_offset;
  return append(with_count(instruction, count));
}

Program& Program::hello(Bytes credentials) { return append(with_payload(make(Operation::hello), credentials)); }

Program& Program::select_device(const Uuid& device) { return append(make(Operation::select_device, device)); }

Program& Program::select_offset(std::uint64_t offset) {
  return append(make(Operation::select_offset, implied, offset));
}

Program& Program::compare_devices(const Uuid& device, const Uuid& other, std::uint64_t offset, std::uint64_t count) {
  return append(with_count(with_second_device(make(Operation::compare_devices, device, offset), other), count));
}

Program& Program::rename_device(const Uuid& device, std::string_view name) {
  return append(with_name(make(Operation::rename_device, device), name));
}

Program& Program::protect_device(const Uuid& device, bool read_only) {
  const std::uint8_t value = read_only ? 1 : 0;
  return append(with_payload(make(Operation::protect_device, device), std::span{&value, 1}));
}

Program& Program::roll_back_device(const Uuid& device, const Uuid& to_content_of) {
  return append(with_second_device(make(Operation::roll_back_device, device), to_content_of));
}

Program& Program::delete_device_by_force(const Uuid& device) {
  return append(make(Operation::delete_device_by_force, device));
}

Program& Program::snapshot(std::span<const DeviceName> devices) {
  std::vector<std::uint8_t> list;
  for (const auto& [device, name] : devices) {
    assert(name.size() <= std::numeric_limits<std::uint16_t>::max());
    list.insert(list.end(), device.begin(), device.end());
    append_integer(list, static_cast<std::uint16_t>(name.size()));
    list.insert(list.end(), name.begin(), name.end());
  }
  return append(with_count(with_payload(make(Operation::snapshot), list), devices.size()));
}

Program& Program::commit_with_token(const Token& token) {
  return append(with_payload(make(Operation::commit_with_token), token));
}

Program& Program::outcome_of_token(const Token& token) {
  return append(with_payload(make(Operation::outcome_of_token), token));
}

Program& Program::extension(std::uint8_t second, Bytes operands) {
  Instruction instruction = with_payload(make(form_of_extension(second).operation), operands);
  instruction.extension = second;
  return append(instruction);
}

}  // namespace chimera
