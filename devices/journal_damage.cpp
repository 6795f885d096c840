#include "devices/journal_damage.h"

#include <algorithm>

#include <cstring>
#include <optional>
#include <set>
#include <span>

#include "devices/read_now.h"
#include "isa/decoder.h"
#include "isa/instruction.h"

namespace chimera::devices {
namespace {

std::optional<Uuid> uuid_at(std::span<const std::uint8_t> payload, std::size_t offset) {
  Uuid uuid;
  if (payload.size() < offset + sizeof uuid) return std::nullopt;
  std::memcpy(uuid.data, &payload[offset], sizeof uuid);
  return uuid;
}

/// Whether all devices that an instruction needs are there; notes those that it makes.
bool has_devices(const Instruction& instruction, std::set<Uuid>& devices) {
  if (instruction.operation == Operation::create_device) {
    devices.insert(instruction.device);
    return true;
  }
  if (instruction.operation != Operation::journal_record) {
    const bool has_second = row_of(instruction.operation).operands.has(Operand::second_device);
    return devices.contains(instruction.device) && (!has_second || devices.contains(instruction.second_device));
  }
  const auto opcode = static_cast<JournalOpcode>(instruction.extension);
  // It begins with a token, or a number.
  if (opcode == JournalOpcode::keep_outcome || opcode == JournalOpcode::let_go) return true;
  if (opcode == JournalOpcode::roll_back_all) {
    for (std::size_t at = 0; at < instruction.payload.size(); at += sizeof(Uuid)) {
      const auto device = uuid_at(instruction.payload, at);
      if (!device || !devices.contains(*device)) return false;
    }
    return true;
  }
  const auto device = uuid_at(instruction.payload, 0);
  if (!device || !devices.contains(*device)) return false;
  if (opcode != JournalOpcode::clone_as) return true;
  if (const auto clone = uuid_at(instruction.payload, sizeof(Uuid))) devices.insert(*clone);
  return true;
}

}  // namespace

std::vector<DamagedName> find_damaged_names(io::Loop& loop, io::Disk& disk, const JournalLog& log) {
  std::vector<DamagedName> names;
  std::vector<Slot> slots;
  for (const JournalRecord& record : log.records) {
    (void)each_named_block(record, [&](const Uuid& device, std::uint8_t plane, const JournalEntry& entry) {
      names.push_back({device, plane, entry.index, entry.slot.address(), record.position.sequence, false});
      slots.push_back(entry.slot);
    });
  }
  std::vector<std::uint64_t> addresses;
  for (const Slot& slot : slots) addresses.push_back(slot.address());
  std::vector<bool> is_damaged(slots.size());
  read_many(loop, disk, addresses, [&](std::size_t n, const Block* bytes) {
    names[n].is_readable = bytes != nullptr;
    is_damaged[n] =
        bytes == nullptr || block_checksum(slots[n].address(), slots[n].generation(), bytes) != slots[n].checksum();
  });
  std::size_t left = 0;
  for (std::size_t n = 0; n < names.size(); ++n) {
    if (is_damaged[n]) names[left++] = names[n];
  }
  names.resize(left);
  return names;
}

std::uint64_t first_record_without_device(const JournalLog& log, std::vector<Uuid> devices) {
  std::set<Uuid> known(devices.begin(), devices.end());
  for (const JournalRecord& record : log.records) {
    std::span<const std::uint8_t> rest(record.instructions);
    while (!rest.empty()) {
      Instruction instruction;
      const Decoded decoded = decode(rest, instruction);
      if (decoded.kind != Decoded::Kind::complete) break;
      rest = rest.subspan(static_cast<std::size_t>(decoded.size));
      if (!has_devices(instruction, known)) return record.position.sequence;
    }
  }
  return 0;
}

}  // namespace chimera::devices
