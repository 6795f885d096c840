#pragma once
// How a record of the journal begins, and the instructions of a journal's own (7F 80 to 89); docs/store-format.md
// describes them. Other instructions stand in it as in any stream.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>

#include "devices/crc32c.h"
#include "devices/layout.h"

namespace chimera::devices {

enum class JournalOpcode : std::uint8_t {
  place_blocks = 0x80,   ///< D, plane u8, then entries: whole blocks that lie where the record says
  clone_as = 0x81,       ///< D of an origin, D of its clone, name: several in a row are one snapshot
  write_columns = 0x82,  ///< D, offset u64, bytes: a part of the columns
  set_lengths = 0x83,    ///< D, length u64, columns length u64
  keep_outcome = 0x84,   ///< token 16, sequence u64: the commit with this token is in the same record
  roll_back_all = 0x85,  ///< pairs of D: each first one takes what its second one had before all of it
  hold = 0x86,           ///< D, number u64: keeps the device's data as it is, under this number
  copy_held = 0x87,      ///< D, offset u64, number u64, offset u64, count u64: whole blocks of what is held; lets it go
  let_go = 0x88,         ///< number u64: what is held is not needed
  cut_file = 0x89,       ///< D of a file, u64: 0, or 1 + the length that it is to be cut to before its blocks count
};

struct JournalEntry {
  std::uint64_t index;  ///< of the block in its plane
  Slot slot;            ///< never empty

  [[nodiscard]] bool can_be() const { return !slot.empty() && slot.well_formed(Slot::most_generation); }
};
static_assert(sizeof(JournalEntry) == 24);

/// What one instruction adds to a window at most: a name for each block of the largest transfer, the ends of it, and
/// some instructions around them.
inline constexpr std::uint64_t largest_addition =
    (limits::largest_transfer / block_size + 2) * sizeof(JournalEntry) + 4 * block_size;
/// A window takes instructions while it has fewer bytes than this part of the ring.
inline constexpr std::uint64_t windows_in_ring = 4;
/// A transaction adds at most this part of the ring to a record.
inline constexpr std::uint64_t transactions_in_ring = 8;
/// The longest record of a ring, both in blocks.
[[nodiscard]] constexpr std::uint64_t longest_record(std::uint64_t ring) {
  const std::uint64_t addition = std::max(largest_addition, ring * block_size / transactions_in_ring);
  return ring / windows_in_ring + (sizeof(JournalHeader) + addition) / block_size + 1;
}

/// The checksum of a header whose record begins at this block of the disk.
[[nodiscard]] inline std::uint32_t header_checksum(const JournalHeader& header, std::uint64_t address) {
  return crc32c(crc32c(0, &address, sizeof address), &header, offsetof(JournalHeader, checksum));
}

[[nodiscard]] inline JournalHeader journal_header(const JournalPosition& at, std::uint64_t durable,
                                                  std::uint64_t address, std::span<const std::uint8_t> instructions) {
  JournalHeader header{};
  header.magic = JournalHeader::right_magic;
  header.sequence = at.sequence;
  header.durable = durable;
  header.epoch = at.epoch;
  header.chain = at.chain;
  header.length = instructions.size();
  header.content = crc32c(0, instructions.data(), instructions.size());
  header.checksum = header_checksum(header, address);
  return header;
}

}  // namespace chimera::devices
