#pragma once
// How a store lies on its disk. docs/store-format.md describes it in prose; this file is what the code goes by.
// All integers are little-endian; the machine must be too.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "isa/limits.h"
#include "isa/uuid.h"

namespace chimera::devices {

static_assert(std::endian::native == std::endian::little, "the on-disk structures are read in place");

inline constexpr std::size_t block_size = limits::block_size;
using Block = std::array<std::byte, block_size>;

/// Where a block is and what it must look like: 16 bytes. All zeros is a hole.
class Slot {
 public:
  static constexpr std::uint64_t most_address = (std::uint64_t{1} << 40) - 1;
  static constexpr std::uint64_t most_generation = (std::uint64_t{1} << 48) - 1;

  Slot() = default;
  Slot(std::uint64_t address, std::uint64_t generation, std::uint32_t checksum)
      : low_(address | generation << 48), high_(generation >> 16 | std::uint64_t{checksum} << 32) {}

  [[nodiscard]] bool empty() const { return low_ == 0 && high_ == 0; }
  [[nodiscard]] std::uint64_t address() const { return low_ & most_address; }
  [[nodiscard]] std::uint64_t generation() const { return low_ >> 48 | (high_ & 0xFFFFFFFF) << 16; }
  [[nodiscard]] std::uint32_t checksum() const { return static_cast<std::uint32_t>(high_ >> 32); }
  /// In memory only: the block has changed since its checksum was taken. Never on the disk.
  [[nodiscard]] bool unsettled() const { return (low_ & unsettled_bit) != 0; }

  /// Of a slot on the disk, not empty: whether its flags are clear and its block was born no later than `newest`.
  [[nodiscard]] bool well_formed(std::uint64_t newest) const {
    return (low_ & flag_bits) == 0 && generation() >= 1 && generation() <= newest;
  }

  void unsettle() { low_ |= unsettled_bit; }
  void settle(std::uint32_t checksum) {
    low_ &= ~unsettled_bit;
    high_ = (high_ & 0xFFFFFFFF) | std::uint64_t{checksum} << 32;
  }
  bool operator==(const Slot&) const = default;

 private:
  static constexpr std::uint64_t flag_bits = std::uint64_t{0xFF} << 40;
  static constexpr std::uint64_t unsettled_bit = std::uint64_t{1} << 47;
  std::uint64_t low_ = 0;   ///< bits 0-39 address, 40-47 flags, 48-63 generation bits 0-15
  std::uint64_t high_ = 0;  ///< bits 0-31 generation bits 16-47, 32-63 CRC-32C
};
static_assert(sizeof(Slot) == 16);

inline constexpr unsigned slots_per_node = 256;
using Node = std::array<Slot, slots_per_node>;
static_assert(sizeof(Node) == block_size);

/// A tree of nodes: `height` 0 is a single block of data, each further level multiplies by 256. The highest, 7, spans
/// the whole 64-bit range of offsets.
inline constexpr unsigned most_height = 7;
struct TreeRoot {
  Slot slot;
  std::uint8_t height = 0;
};

/// One device (or the remains of a deleted one) in the manifest.
struct DeviceRecord {
  static constexpr std::uint8_t in_use = 1, fixed_length = 2, read_only = 4;
  /// Only the walk that frees its blocks still knows it.
  static constexpr std::uint8_t dying = 8;
  /// The store's own: the outcomes of tokens.
  static constexpr std::uint8_t internal = 16;
  /// Its data are a file that is served in place; the first tree holds what is still on its way there.
  static constexpr std::uint8_t file = 32;

  Uuid uuid;
  Uuid family;
  std::uint64_t length;
  std::uint64_t columns_length;
  std::uint64_t share_generation;  ///< blocks born in it or before may be shared with other devices
  std::uint8_t flags;
  std::array<std::uint8_t, 3> heights;  ///< data, metadata, columns
  std::uint8_t name_length;
  std::array<std::uint8_t, 3> reserved1;
  std::array<Slot, 3> roots;
  std::array<char, 255> name;
  std::uint8_t path_length;
  std::array<char, limits::longest_path> path;  ///< of a file
  std::uint64_t cut;                            ///< of a file: 0, or 1 + the length that it is to be cut to
  std::uint64_t reserved2;
};
static_assert(sizeof(DeviceRecord) == 512 && offsetof(DeviceRecord, roots) == 64 && offsetof(DeviceRecord, cut) == 496);

inline constexpr unsigned records_per_page = block_size / sizeof(DeviceRecord);
using ManifestPage = std::array<DeviceRecord, records_per_page>;

/// A group of blocks, or a page of 256 such entries: how much of it is free and which of its two homes is current.
struct SpaceEntry {
  static constexpr std::uint32_t second_home = 1;
  /// Never written: everything but the homes is free.
  static constexpr std::uint32_t fresh = 2;
  std::uint32_t checksum;
  std::uint32_t free_and_flags;  ///< free blocks (groups only) << 2 | flags
  std::uint64_t generation;

  [[nodiscard]] std::uint32_t free() const { return free_and_flags >> 2; }
  [[nodiscard]] bool is_fresh() const { return (free_and_flags & fresh) != 0; }
  [[nodiscard]] unsigned home() const { return free_and_flags & second_home; }
};
static_assert(sizeof(SpaceEntry) == 16);
inline constexpr unsigned entries_per_page = block_size / sizeof(SpaceEntry);

inline constexpr std::uint32_t group_blocks = block_size * 8;  ///< 128 MiB, a block of bitmap
/// The first blocks of group 0: superblocks, and room between them.
inline constexpr std::uint64_t superblock_places[2] = {0, 16};
inline constexpr std::uint32_t reserved_blocks = 32;
/// 2 PiB: the fixed blocks of group 0 hold the homes of four levels.
inline constexpr std::uint64_t most_store_blocks =
    std::uint64_t{entries_per_page} * entries_per_page * entries_per_page * group_blocks;
static_assert(most_store_blocks <= Slot::most_address);
inline constexpr std::uint64_t smallest_store_blocks = (16u << 20) / block_size;

/// A place in the journal, and what a record there continues.
struct JournalPosition {
  std::uint64_t block;  ///< counted from the journal's first one, and on over its end; where it lies, modulo its size
  std::uint64_t sequence;  ///< of the record
  std::uint32_t chain;     ///< the header checksum of the record before; anything for the first of an epoch
  std::uint32_t epoch;
};
static_assert(sizeof(JournalPosition) == 24);

/// What a record of the journal begins with; its instructions follow at once, and zeros up to the end of a block.
struct JournalHeader {
  static constexpr std::array<char, 8> right_magic = {'C', 'h', 'J', 'o', 'u', 'r', 'n', '\n'};
  std::array<char, 8> magic;
  std::uint64_t sequence;
  std::uint64_t durable;  ///< when this was written, all records up to this sequence were on the medium
  std::uint32_t epoch;    ///< changes with every recovery
  std::uint32_t chain;    ///< `checksum` of the record before
  std::uint64_t length;   ///< bytes of instructions
  std::uint64_t reserved;
  std::uint32_t reserved2;
  std::uint32_t content;  ///< CRC-32C of the instructions
  std::uint32_t reserved3;
  std::uint32_t checksum;  ///< CRC-32C of all before it, begun with the block's address
};
static_assert(sizeof(JournalHeader) == 64);

struct Superblock {
  static constexpr std::array<char, 8> right_magic = {'C', 'h', 'i', 'm', 'e', 'r', 'a', '\n'};
  /// A store is opened if the first number is the same and the second not greater.
  static constexpr std::array<std::uint8_t, 3> current_version = {1, 3, 0};
  /// What a store says in which no file is still to be cut, so that programs of before can open it.
  static constexpr std::array<std::uint8_t, 3> version_without_cuts = {1, 2, 0};
  /// And in which no device is a file.
  static constexpr std::array<std::uint8_t, 3> version_without_files = {1, 1, 0};
  /// And one that has no journal either.
  static constexpr std::array<std::uint8_t, 3> version_without_journal = {1, 0, 0};

  std::array<char, 8> magic;
  std::array<std::uint8_t, 3> version;
  std::array<std::uint8_t, 5> reserved1;
  Uuid store;
  std::uint64_t generation;
  std::uint64_t block_count;
  Slot manifest;                      ///< its root page
  Slot references;                    ///< root of the tree of reference counts
  SpaceEntry space;                   ///< root of the free-space map
  std::uint64_t journal_first_block;  ///< the place of the journal; 0: the store has none
  std::uint64_t journal_blocks;
  std::uint64_t shared_references;  ///< sum of all counts in the tree of reference counts
  std::uint8_t references_height;
  /// The blocks that later records of the journal name are booked as used already.
  static constexpr std::uint8_t amid_replay = 1;
  std::uint8_t flags;
  /// Free blocks keep their space on the host: nobody discards them without being told to. Whoever does not know of
  /// options keeps them as they are.
  static constexpr std::uint8_t keeps_space = 1;
  std::uint8_t options;
  std::array<std::uint8_t, 5> reserved2;
  JournalPosition journal;     ///< of the first record that is not part of this state
  std::uint64_t journal_done;  ///< amid a replay: bytes of that record's instructions that are part of this state
  std::array<std::uint8_t, block_size - 4 - 160> reserved3;
  std::uint32_t checksum;  ///< CRC-32C of all before it
};
static_assert(sizeof(Superblock) == block_size && offsetof(Superblock, checksum) == block_size - 4);

}  // namespace chimera::devices
