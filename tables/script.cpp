#include "tables/script.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "isa/decoder.h"
#include "isa/limits.h"

namespace chimera::tables {
namespace {

// The forms that name device and offset; the contract fixes them. Written here without the encoder, which looks for
// the form each time: a read of a row is a handful of them.
constexpr std::uint8_t opcode_read_bytes = 0x13, opcode_read_block = 0x20, opcode_check_bytes = 0x1B,
                       opcode_write_bytes = 0x90, opcode_read_metadata_bytes = 0x68, opcode_write_metadata_bytes = 0xE8,
                       opcode_begin = 0xF8, opcode_commit = 0xF9, opcode_abort = 0xFA;
constexpr std::size_t place_size = 1 + sizeof(Uuid) + sizeof(std::uint64_t);

bool changes_something(const chimera::Row& row) {
  return row.has(properties::writes | properties::protects) || row.operation == Operation::create_device ||
         row.operation == Operation::clone_device || row.operation == Operation::snapshot;
}

std::uint32_t size_of_result(const Instruction& instruction) {
  switch (row_of(instruction.operation).result) {
    case chimera::Result::none: return 0;
    case chimera::Result::byte: return 1;
    case chimera::Result::bytes: return static_cast<std::uint32_t>(instruction.count);
    case chimera::Result::block: return limits::block_size;
    case chimera::Result::uuid: return sizeof(Uuid);
    case chimera::Result::uuids: return static_cast<std::uint32_t>(instruction.count * sizeof(Uuid));
    case chimera::Result::u64: return sizeof(std::uint64_t);
    case chimera::Result::digest: return 32;
    case chimera::Result::greeting: return 31;
    case chimera::Result::text:
    case chimera::Result::extents:
    case chimera::Result::devices: break;
  }
  return Script::Question::counted;
}

void put_place(std::uint8_t* at, std::uint8_t opcode, const Uuid& device, std::uint64_t offset) {
  at[0] = opcode;
  std::memcpy(at + 1, device.data, sizeof(Uuid));
  std::memcpy(at + 1 + sizeof(Uuid), &offset, sizeof offset);
}

}  // namespace

void Script::clear() {
  stream_.clear();
  questions_.clear();
  notes_.clear();
  changes_ = false;
}

std::string_view Script::note_of(std::size_t instruction) const {
  std::string_view words;
  for (const Note& note : notes_) {
    if (note.instruction <= instruction) words = note.words;
  }
  return words;
}

void Script::close(Operation operation, std::uint32_t result_size) {
  questions_.push_back({operation, result_size, stream_.size()});
}

/// Opcode, device, offset, count, and room for a payload, which is returned.
std::uint8_t* Script::add_counted(std::uint8_t opcode, const Uuid& device, std::uint64_t offset, std::uint32_t count,
                                  std::size_t payload) {
  assert(count <= limits::largest_transfer);
  const std::size_t start = stream_.size();
  stream_.resize(start + place_size + sizeof count + payload);
  std::uint8_t* const at = stream_.data() + start;
  put_place(at, opcode, device, offset);
  std::memcpy(at + place_size, &count, sizeof count);
  return at + place_size + sizeof count;
}

void Script::read_bytes(const Uuid& device, std::uint64_t offset, std::uint32_t count) {
  add_counted(opcode_read_bytes, device, offset, count, 0);
  close(Operation::read_bytes, count);
}

void Script::read_block(const Uuid& device, std::uint64_t offset) {
  const std::size_t start = stream_.size();
  stream_.resize(start + place_size);
  put_place(stream_.data() + start, opcode_read_block, device, offset);
  close(Operation::read_block, limits::block_size);
}

void Script::check_bytes(const Uuid& device, std::uint64_t offset, Bytes bytes) {
  const auto count = static_cast<std::uint32_t>(bytes.size());
  std::uint8_t* const room = add_counted(opcode_check_bytes, device, offset, count, bytes.size());
  std::copy(bytes.begin(), bytes.end(), room);
  close(Operation::check_bytes, 0);
}

void Script::write_bytes(const Uuid& device, std::uint64_t offset, Bytes bytes) {
  const std::span<std::uint8_t> room = write_room(device, offset, static_cast<std::uint32_t>(bytes.size()));
  std::copy(bytes.begin(), bytes.end(), room.begin());
}

std::span<std::uint8_t> Script::write_room(const Uuid& device, std::uint64_t offset, std::uint32_t count) {
  std::uint8_t* const room = add_counted(opcode_write_bytes, device, offset, count, count);
  close(Operation::write_bytes, 0);
  changes_ = true;
  return {room, count};
}

void Script::read_metadata_bytes(const Uuid& device, std::uint64_t offset, std::uint32_t count) {
  add_counted(opcode_read_metadata_bytes, device, offset, count, 0);
  close(Operation::read_metadata_bytes, count);
}

void Script::write_metadata_bytes(const Uuid& device, std::uint64_t offset, Bytes bytes) {
  const auto count = static_cast<std::uint32_t>(bytes.size());
  std::uint8_t* const room = add_counted(opcode_write_metadata_bytes, device, offset, count, bytes.size());
  std::copy(bytes.begin(), bytes.end(), room);
  close(Operation::write_metadata_bytes, 0);
  changes_ = true;
}

void Script::check_metadata_bytes(const Uuid& device, std::uint64_t offset, Bytes bytes) {
  add(Program().check_metadata_bytes(device, offset, bytes));
}

void Script::begin() {
  stream_.push_back(opcode_begin);
  close(Operation::begin, 0);
}

void Script::commit() {
  stream_.push_back(opcode_commit);
  close(Operation::commit, 0);
}

void Script::abort() {
  stream_.push_back(opcode_abort);
  close(Operation::abort, 0);
}

void Script::add(const Program& program) {
  Bytes rest = program.bytes();
  while (!rest.empty()) {
    Instruction instruction;
    const Decoded decoded = decode(rest, instruction);
    assert(decoded.kind == Decoded::Kind::complete);
    const auto size = static_cast<std::size_t>(decoded.size);
    stream_.insert(stream_.end(), rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(size));
    close(instruction.operation, size_of_result(instruction));
    changes_ |= changes_something(row_of(instruction.operation));
    rest = rest.subspan(size);
  }
}

}  // namespace chimera::tables
