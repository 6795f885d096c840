#include "devices/salvage_survey.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/uuid/uuid_io.hpp>
#include <tuple>
#include <utility>

#include "devices/crc32c.h"
#include "devices/io_buffer.h"
#include "devices/journal_damage.h"
#include "devices/read_now.h"

namespace chimera::devices {
namespace {

constexpr std::size_t most_ranges = 1 << 16;
constexpr const char* planes[] = {"data", "metadata", "columns"};

std::string name_of(const DeviceRecord& record) { return {record.name.data(), record.name_length}; }

}  // namespace

Survey::Survey(io::Loop& loop, io::Disk& disk, Remains& remains, const OnProgress& progress)
    : loop_(loop),
      disk_(disk),
      remains_(remains),
      progress_(progress),
      scan_(loop, disk, *this),
      holders_(loop, disk, remains.superblock.block_count),
      used_(remains.superblock.block_count) {}

void Survey::run() {
  losses_.generation = remains_.superblock.generation;
  losses_.lost_devices = remains_.lost_records;
  losses_.repairs = remains_.remarks;
  maps_are_damaged_ = !remains_.remarks.empty();
  mark_fixed_blocks();
  walk_counts();
  walk_devices();
  look_at_journal();
  list_ranges();
  look_at_names();
  look_for_devices();
  compare_counts();
  compare_bitmaps();
}

void Survey::repair(std::string line) {
  maps_are_damaged_ = true;
  losses_.repairs.push_back(std::move(line));
}

void Survey::mark_fixed_blocks() {
  for (std::uint32_t group = 0; group < remains_.space.group_count(); ++group) {
    for (std::uint32_t block = 0; block < SpaceMap::fixed_blocks(group); ++block)
      used_[std::uint64_t{group} * group_blocks + block] = true;
  }
  const Superblock& superblock = remains_.superblock;
  for (std::uint64_t n = 0; n < superblock.journal_blocks; ++n) used_[superblock.journal_first_block + n] = true;
  for (const Slot& page : remains_.pages) {
    if (remains_.space.may_hold(page.address())) used_[page.address()] = true;
  }
}

bool Survey::enter(const Slot& slot) {
  if (!remains_.space.may_hold(slot, remains_.superblock.generation)) {
    ++misplaced_;
    return false;
  }
  if (used_[slot.address()]) {
    ++references_[slot.address()];
    return false;
  }
  used_[slot.address()] = true;
  if (++done_ % 4096 == 0) progress_(done_, used_.size());
  return true;
}

bool Survey::visit(const Slot& slot, unsigned level, std::uint64_t index, const Block* bytes) {
  const bool is_good = bytes != nullptr && block_checksum(slot.address(), slot.generation(), bytes) == slot.checksum();
  if (!is_good) {
    damaged_.insert(slot.address());
    if (!in_counts_) holders_.add(slot.address(), bytes != nullptr);
    return false;
  }
  if (!in_counts_ || level > 0) return true;
  constexpr std::uint64_t per_block = block_size / sizeof(std::uint32_t);
  const auto* counts = reinterpret_cast<const std::uint32_t*>(bytes->data());
  for (std::uint64_t n = 0; n < per_block; ++n) {
    if (counts[n] != 0) booked_[index * per_block + n] = counts[n];
  }
  return true;
}

void Survey::walk_counts() {
  in_counts_ = true;
  scan_.walk({remains_.superblock.references, remains_.superblock.references_height});
  in_counts_ = false;
  counts_are_damaged_ = !damaged_.empty() || misplaced_ != 0 || !references_.empty();
  references_.clear();
  misplaced_ = 0;
}

void Survey::walk_devices() {
  for (const DeviceRecord& record : remains_.records) {
    losses_.devices += (record.flags & (DeviceRecord::dying | DeviceRecord::internal)) == 0;
    for (std::size_t plane = 0; plane < record.roots.size(); ++plane)
      scan_.walk({record.roots[plane], record.heights[plane]});
  }
  if (misplaced_ != 0) repair(fmt::format("{} slots of maps name blocks where nothing can be: holes", misplaced_));
}

void Survey::look_at_journal() {
  const Superblock& superblock = remains_.superblock;
  if (superblock.journal_blocks == 0) return;
  auto log = scan_journal(loop_, disk_, superblock, JournalDamage::cut_off);
  if (!log) return;
  log_ = std::move(*log);
  const bool may_be_booked = (superblock.flags & Superblock::amid_replay) != 0;
  journal_contradicts_ = log_.names_twice || std::ranges::any_of(log_.named, [&](std::uint64_t address) {
                           return !remains_.space.may_hold(address) || (!may_be_booked && used_[address]);
                         });
  losses_.waiting_records = log_.records.size();
  losses_.first_lost_record = log_.first_lost;
  losses_.last_lost_record = log_.last_lost;
  losses_.lost_records = log_.lost;
  if (!journal_contradicts_) {
    if (!may_be_booked) return;
    for (const std::uint64_t address : log_.named) used_[address] = true;
    return;
  }
  maps_are_damaged_ = true;
  losses_.waiting_records = 0;
  losses_.first_lost_record = log_.records.front().position.sequence;
  losses_.last_lost_record = std::max(log_.last_lost, log_.records.back().position.sequence);
  for (const JournalRecord& record : log_.records)
    losses_.lost_records.push_back({record.position.sequence, record.blocks});
  std::ranges::sort(losses_.lost_records, {}, &LostRecord::sequence);
}

/// Who holds what is damaged.
void Survey::list_ranges() {
  if (!holders_.any()) return;
  maps_are_damaged_ = true;
  std::uint64_t dying = 0;
  for (const DeviceRecord& record : remains_.records) {
    for (std::size_t plane = 0; plane < record.roots.size(); ++plane) {
      if (record.roots[plane].empty()) continue;
      const std::uint64_t before = holders_.count();
      holders_.look_in(fmt::format("{} of \"{}\"", planes[plane], name_of(record)), record.roots[plane],
                       record.heights[plane]);
      const std::uint64_t found = holders_.count() - before;
      if ((record.flags & DeviceRecord::dying) != 0) {
        dying += found;
      } else {
        losses_.lost_range_count += found;
      }
    }
  }
  if (dying != 0) losses_.repairs.push_back(fmt::format("{} damaged blocks were to be freed anyway", dying));
  for (const DamagePlace& place : holders_.places(most_ranges)) {
    const std::size_t quote = place.owner.find('"');
    std::string device = place.owner.substr(quote + 1, place.owner.size() - quote - 2);
    if (device.empty()) continue;  // of what is being freed
    losses_.ranges.push_back({std::move(device), place.owner.substr(0, place.owner.find(' ')), place.offset, place.size,
                              place.is_map, place.is_readable, place.address});
  }
}

/// Instructions that need a device that is not there any more are left out.
void Survey::look_for_devices() {
  if (journal_contradicts_) return;
  std::vector<Uuid> devices;
  for (const DeviceRecord& record : remains_.records) {
    if ((record.flags & DeviceRecord::dying) == 0) devices.push_back(record.uuid);
  }
  if (const std::uint64_t sequence = first_record_without_device(log_, std::move(devices)); sequence != 0) {
    losses_.repairs.push_back(
        fmt::format("records from {} on need devices that are not there: what they do to these is left out", sequence));
  }
}

/// Blocks that waiting records name become part of the devices when these are replayed.
void Survey::look_at_names() {
  if (journal_contradicts_) return;
  for (const DamagedName& name : find_damaged_names(loop_, disk_, log_)) {
    const auto record = std::ranges::find(remains_.records, name.device, &DeviceRecord::uuid);
    std::string device = record == remains_.records.end() ? to_string(name.device) : name_of(*record);
    const char* const plane = name.plane < std::size(planes) ? planes[name.plane] : "data";
    ++losses_.lost_range_count;
    if (losses_.ranges.size() == most_ranges) continue;
    losses_.ranges.push_back(
        {std::move(device), plane, name.index * block_size, block_size, false, name.is_readable, name.address});
  }
  std::ranges::stable_sort(losses_.ranges, {},
                           [](const LostRange& range) { return std::tie(range.device, range.plane, range.offset); });
}

void Survey::compare_counts() {
  std::uint64_t sum = 0;
  for (const auto& [address, count] : references_) sum += count;
  if (counts_are_damaged_) {
    repair("the reference counts are damaged: they are counted again");
  } else if (!hides_blocks() && (booked_ != references_ || sum != remains_.superblock.shared_references)) {
    repair("the reference counts are wrong: they are counted again");
  }
}

void Survey::compare_bitmaps() {
  const BlockBuffer bitmap = make_block_buffer();
  for (std::uint32_t group = 0; group < remains_.space.group_count(); ++group) {
    const auto& entry = remains_.entries[0][group];
    if (!entry) continue;  // its page is damaged, which has been said
    bool is_damaged = false;
    if (!entry->is_fresh()) {
      const std::uint64_t home = SpaceMap::home(0, group, entry->home());
      is_damaged = !read_now(loop_, disk_, home, *bitmap) ||
                   block_checksum(home, entry->generation, bitmap.get()) != entry->checksum;
    }
    if (is_damaged) {
      repair(fmt::format("the free-space map of group {} is damaged: it is made again", group));
    } else if (!hides_blocks() && !bitmap_is_right(group, *entry, *bitmap)) {
      repair(fmt::format("the free-space map of group {} is wrong: it is made again", group));
    }
  }
}

bool Survey::bitmap_is_right(std::uint32_t group, const SpaceEntry& entry, const Block& bitmap) const {
  const std::uint64_t first = std::uint64_t{group} * group_blocks;
  const std::uint64_t count = std::min<std::uint64_t>(group_blocks, used_.size() - first);
  std::uint32_t free = 0;
  for (std::uint64_t n = 0; n < count; ++n) {
    const bool booked = entry.is_fresh() ? n < SpaceMap::fixed_blocks(group)
                                         : (std::to_integer<unsigned>(bitmap[n / 8]) >> n % 8 & 1) != 0;
    if (booked != used_[first + n]) return false;
    if (!booked) ++free;
  }
  return free == entry.free();
}

}  // namespace chimera::devices
