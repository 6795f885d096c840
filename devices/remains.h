#pragma once
// The structures of a damaged store, as far as they can be read, without opening it.

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "devices/layout.h"
#include "devices/space_map.h"
#include "io/disk.h"
#include "io/loop.h"

namespace chimera::devices {

class Remains {
 public:
  Remains(io::Loop& loop, io::Disk& disk) : loop_(loop), disk_(disk), space(disk, [] {}) {}

  /// An error, a sentence, where nothing is left or it is no store.
  [[nodiscard]] std::expected<void, std::string> read();
  /// The block if it is the one that this slot names.
  [[nodiscard]] bool read_slot(const Slot& slot, Block& bytes);

 private:
  struct Candidate {
    Superblock superblock;
    unsigned place;
    bool is_good;
  };
  std::expected<std::vector<Candidate>, std::string> find_superblocks();
  bool choose(const std::vector<Candidate>& candidates);
  void limit_to_disk();
  void read_manifest();
  void read_page(const Slot& slot, std::uint64_t records);
  void take(const DeviceRecord& record);
  void read_summary();

  io::Loop& loop_;
  io::Disk& disk_;

 public:
  Superblock superblock{};              ///< what is gone on from
  unsigned place = 0;                   ///< of it
  std::uint64_t newest_generation = 0;  ///< that any superblock knows
  SpaceMap space;                       ///< of a store of this size; its books are not this one's
  std::vector<DeviceRecord> records;    ///< in use, and all that they say can be
  std::vector<Slot> pages;              ///< of the list of devices, damaged ones included
  std::uint64_t lost_records = 0;       ///< at most
  /// The entries of the free-space map by level (0: one a group), those that can be read.
  std::vector<std::vector<std::optional<SpaceEntry>>> entries;
  std::vector<std::string> remarks;  ///< what is damaged, a line each
};

}  // namespace chimera::devices
