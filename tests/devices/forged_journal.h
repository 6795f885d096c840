#pragma once
// A store whose journal holds records that are made up, every checksum of which is right.

#include <algorithm>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "devices/journal_format.h"
#include "io/disk_image.h"
#include "isa/builder.h"

namespace chimera::devices::testing {

class ForgedJournal {
 public:
  /// A store in which no record waits.
  explicit ForgedJournal(io::DiskImage image) : image_(std::move(image)) {
    for (const std::uint64_t place : superblock_places) {
      Superblock found;
      image_.read_block(place, std::as_writable_bytes(std::span(&found, 1)).first<block_size>());
      if (found.generation > superblock.generation) superblock = found;
    }
    next = superblock.journal;
  }

  /// Writes one more record, which says that so many are durable, and says where.
  std::uint64_t add(std::span<const std::uint8_t> instructions, std::uint64_t durable = 0) {
    const std::uint64_t place = place_of(next.block);
    const JournalHeader header = journal_header(next, durable, place, instructions);
    put(header, instructions);
    next.block += (sizeof header + instructions.size() + block_size - 1) / block_size;
    ++next.sequence;
    next.chain = header.checksum;
    return place;
  }
  /// The same, and another one behind it that calls it durable.
  void add_durable(std::span<const std::uint8_t> instructions) {
    add(instructions);
    add({}, next.sequence - 1);
  }
  /// Writes a header and what follows it where the next record belongs, and goes on nowhere.
  void put(const JournalHeader& header, std::span<const std::uint8_t> instructions) {
    std::vector<std::byte> bytes(sizeof header + instructions.size());
    std::memcpy(bytes.data(), &header, sizeof header);
    std::ranges::copy(std::as_bytes(instructions), bytes.begin() + sizeof header);
    bytes.resize((bytes.size() + block_size - 1) / block_size * block_size);
    for (std::size_t done = 0; done < bytes.size(); done += block_size) {
      image_.write_block(place_of(next.block + done / block_size), std::span(bytes).subspan(done).first<block_size>());
    }
  }
  void write_block(std::uint64_t block, std::span<const std::uint8_t, block_size> bytes) {
    image_.write_block(block, std::as_bytes(bytes));
  }
  /// The superblock as it has been changed, in both places.
  void publish() {
    superblock.checksum = crc32c(0, &superblock, offsetof(Superblock, checksum));
    for (const std::uint64_t place : superblock_places) {
      image_.write_block(place, std::as_bytes(std::span(&superblock, 1)).first<block_size>());
    }
  }
  [[nodiscard]] std::uint64_t place_of(std::uint64_t block) const {
    return superblock.journal_first_block + block % superblock.journal_blocks;
  }
  [[nodiscard]] const io::DiskImage& image() const { return image_; }

  Superblock superblock{};
  JournalPosition next{};

 private:
  io::DiskImage image_;
};

[[nodiscard]] inline std::vector<std::uint8_t> bytes_of(const Program& program) {
  return {program.bytes().begin(), program.bytes().end()};
}

/// The operands of a journal's own instruction, one after the other.
class Operands {
 public:
  template <typename Value>
  Operands& put(const Value& value) {
    const auto* const begin = reinterpret_cast<const std::uint8_t*>(&value);
    bytes_.insert(bytes_.end(), begin, begin + sizeof value);
    return *this;
  }
  Operands& text(std::string_view text) {
    bytes_.insert(bytes_.end(), text.begin(), text.end());
    return *this;
  }
  [[nodiscard]] std::vector<std::uint8_t> of(JournalOpcode opcode) const {
    return bytes_of(Program().extension(static_cast<std::uint8_t>(opcode), bytes_));
  }

 private:
  std::vector<std::uint8_t> bytes_;
};

}  // namespace chimera::devices::testing
