#pragma once
// What a damaged store has lost, and making a store of what is left.
//
// The maps of devices that lead to damage are written anew with holes in its place, and the list of devices, the
// reference counts and the free-space map from what all maps hold. Nothing that could be read is overwritten before
// the superblock of the new state is published, as in a checkpoint; so a crash leaves the damaged store or the new one.

#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <vector>

#include "devices/journal_scan.h"
#include "io/disk.h"
#include "io/loop.h"

namespace chimera::devices {

/// A part of a device that reads as zeros afterwards.
struct LostRange {
  std::string device;  ///< its name, or its UUID where the journal alone has it
  std::string plane;   ///< data, metadata or columns
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  bool is_map = false;       ///< one block of the map is damaged, and hides all of it
  bool is_readable = false;  ///< the block can be read, and does not match its checksum
  std::uint64_t block = 0;   ///< of the store
};

struct Losses {
  std::uint64_t generation = 0;    ///< of the checkpoint whose state is gone on from
  std::uint64_t devices = 0;       ///< that it has and that can be read
  std::uint64_t lost_devices = 0;  ///< at most so many more were in pages of the list that cannot be read
  std::uint64_t lost_range_count = 0;
  std::vector<LostRange> ranges;                              ///< by device, plane and offset, at most 65,536
  std::uint64_t waiting_records = 0;                          ///< that are replayed
  std::uint64_t first_lost_record = 0, last_lost_record = 0;  ///< 0: none is cut off
  std::vector<LostRecord> lost_records;                       ///< those whose size can still be told
  std::vector<std::string> repairs;  ///< what is damaged and loses nothing, and other remarks: a line each

  [[nodiscard]] bool none() const {
    return lost_devices == 0 && lost_range_count == 0 && first_lost_record == 0 && repairs.empty();
  }
};

using OnProgress = std::function<void(std::uint64_t done, std::uint64_t all)>;

/// Reads everything and changes nothing. An error, a sentence, where nothing is left or it is no store.
[[nodiscard]] std::expected<Losses, std::string> find_losses(io::Loop& loop, io::Disk& disk,
                                                             const OnProgress& progress);
/// Writes the maps anew if they are damaged. The journal's damage is cut off by whoever opens the store then.
[[nodiscard]] std::expected<void, std::string> salvage_maps(io::Loop& loop, io::Disk& disk);
/// Writes those blocks of the journal that cannot be read, since the next ones who look for records would read them. Of
/// a store that has just been made durable with a checkpoint, so that no record counts.
[[nodiscard]] std::expected<void, std::string> renew_journal(io::Loop& loop, io::Disk& disk,
                                                             const Superblock& superblock);

}  // namespace chimera::devices
