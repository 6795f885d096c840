#pragma once
// What keeps waiting records of the journal from being replayed well: damaged blocks that they name, which would become
// part of the devices, and devices that are gone.

#include <cstdint>
#include <string>
#include <vector>

#include "devices/journal_scan.h"

namespace chimera::devices {

struct DamagedName {
  Uuid device;
  std::uint8_t plane;
  std::uint64_t index;  ///< of the block in its plane
  std::uint64_t address;
  std::uint64_t sequence;  ///< of the record
  bool is_readable;
};

/// Reads all blocks that the records name; in their order.
[[nodiscard]] std::vector<DamagedName> find_damaged_names(io::Loop& loop, io::Disk& disk, const JournalLog& log);

/// The first record that needs a device which is neither among these nor made by a record before it; 0 if none does.
[[nodiscard]] std::uint64_t first_record_without_device(const JournalLog& log, std::vector<Uuid> devices);

}  // namespace chimera::devices
