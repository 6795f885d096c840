// Opening a pool: what superblock, list of devices and journal say is checked and taken over.

#include "devices/pool.h"

#include <algorithm>
#include <set>

#include "devices/crc32c.h"
#include "devices/io_buffer.h"
#include "devices/plausible.h"
#include "devices/read_now.h"
#include "devices/reference_counts.h"
#include "devices/safeguards.h"
#include "isa/text.h"

namespace chimera::devices {
namespace {

/// Whether the place of a journal, if there is one, can be.
bool journal_can_be(const Superblock& superblock) {
  if (superblock.journal_blocks == 0) return superblock.journal_first_block == 0 && superblock.flags == 0;
  const std::uint64_t first_group = std::min<std::uint64_t>(superblock.block_count, group_blocks);
  return superblock.journal_first_block >= SpaceMap::fixed_blocks(0) && superblock.journal_first_block < first_group &&
         superblock.journal_blocks <= first_group - superblock.journal_first_block &&
         superblock.journal_blocks >= limits::smallest_journal / block_size && superblock.journal.sequence >= 1 &&
         superblock.flags <= Superblock::amid_replay;
}

}  // namespace

bool can_be(const Superblock& superblock) {
  constexpr std::uint64_t room_to_grow = 1u << 31;  // generations that are left
  return superblock.block_count >= smallest_store_blocks && superblock.block_count <= most_store_blocks &&
         superblock.generation >= 1 && superblock.generation < Slot::most_generation - room_to_grow &&
         superblock.references_height <= most_height && journal_can_be(superblock) &&
         (superblock.shared_references == 0 || !superblock.references.empty());
}

bool can_be(const DeviceRecord& record, const SpaceMap& space, std::uint64_t generation) {
  for (std::size_t plane = 0; plane < record.roots.size(); ++plane) {
    if (record.heights[plane] > most_height || !space.may_hold(record.roots[plane], generation)) return false;
  }
  if (record.share_generation > generation) return false;
  if ((record.flags & DeviceRecord::file) != 0) {
    if (record.path_length > record.path.size() || !is_valid_path({record.path.data(), record.path_length}))
      return false;
  }
  const bool may_be_cut = (record.flags & DeviceRecord::file) != 0;
  if (record.cut > (may_be_cut ? limits::greatest_length + 1 : 0)) return false;
  return (record.flags & DeviceRecord::dying) != 0 ||
         (record.length <= limits::greatest_length && record.columns_length <= limits::largest_transfer &&
          is_valid_name({record.name.data(), record.name_length}));
}

std::string Pool::open(const Superblock& superblock, unsigned place) {
  if (!can_be(superblock)) return "the superblock of this store is damaged";
  checkpoint_.open(superblock, place);
  blocks_.set_generation(superblock.generation + 1);
  blocks_.references().open({superblock.references, superblock.references_height}, superblock.shared_references);
  if (!blocks_.space().open(loop_, superblock.block_count, superblock.space)) return "the map of free space is damaged";
  const SpaceMap& space = blocks_.space();
  if (!space.may_hold(superblock.references, superblock.generation)) return "the superblock of this store is damaged";
  const auto read_pages = [&](const std::vector<Slot>& slots, const auto& take_page) {
    std::vector<std::uint64_t> addresses;
    std::vector<std::size_t> places;
    for (std::size_t n = 0; n < slots.size(); ++n) {
      if (slots[n].empty()) continue;
      if (!space.may_hold(slots[n], superblock.generation)) return false;
      addresses.push_back(slots[n].address());
      places.push_back(n);
    }
    bool good = true;
    read_many(loop_, disk_, addresses, [&](std::size_t n, const Block* bytes) {
      const Slot& slot = slots[places[n]];
      good = good && bytes != nullptr && block_checksum(slot.address(), slot.generation(), bytes) == slot.checksum();
      if (good) take_page(places[n], *bytes);
    });
    return good;
  };
  bool records_can_be = true;
  std::set<std::string> names;
  std::set<Uuid> uuids;
  const auto take = [&](std::uint32_t number, const DeviceRecord& record) {
    records_can_be = records_can_be && can_be(record, space, superblock.generation);
    if (!records_can_be) return;
    if ((record.flags & DeviceRecord::dying) != 0) {
      Tree tree(blocks_, {record.roots[0], record.heights[0]}, record.share_generation);
      graves_.emplace(number, Grave{tree, record.length != 0, record.length});
      return;
    }
    if ((record.flags & DeviceRecord::internal) != 0) {
      records_can_be = outcomes_ == nullptr;
      outcomes_ = std::make_unique<PoolDevice>(*this, number, record);
      devices_[number] = outcomes_.get();
      return;
    }
    opened_.push_back(std::make_unique<PoolDevice>(*this, number, record));
    devices_[number] = opened_.back().get();
    records_can_be = names.insert(opened_.back()->name()).second && uuids.insert(record.uuid).second;
  };
  if (!manifest_.open(superblock.manifest, read_pages, take) || !records_can_be ||
      opened_.size() > limits::most_devices)
    return "the list of devices is damaged";
  if (!read_only_ && !make_durable(superblock, place))
    return "the disk could not be written; the store can be opened for reading only";
  return open_journal(superblock);
}

/// What was read may be in a cache and nowhere else: whoever wrote it was killed before his flush, or that failed. The
/// blocks that only the state before needs are free in this one, so it has to be on the medium before they are written.
bool Pool::make_durable(const Superblock& superblock, unsigned place) {
  const BlockBuffer buffer = make_block_buffer();
  std::memcpy(buffer.get(), &superblock, sizeof superblock);
  return write_now(loop_, disk_, superblock_places[place], buffer.get()) && write_now(loop_, disk_, 0, nullptr);
}

/// Finds what the journal holds beyond this state, and keeps its blocks from being used for anything else.
std::string Pool::open_journal(const Superblock& superblock) {
  if (superblock.journal_blocks == 0 || without_journal_) {
    release_holds();
    return {};
  }
  auto log = scan_journal(loop_, disk_, superblock, salvaging_ ? JournalDamage::cut_off : JournalDamage::refused);
  if (!log) return log.error();
  log_ = std::move(*log);
  JournalPosition next = log_.next;
  if (log_.records.empty()) release_holds();
  if (log_.records.empty() && !log_.has_remains) {
    journal_.open(superblock.journal_first_block, superblock.journal_blocks, next);
    journal_.go_on();
    return {};
  }
  if (!read_only_ && !write_again(log_.unflushed)) return "the disk could not be written";
  SpaceMap& space = blocks_.space();
  const bool can_be = !log_.names_twice &&
                      std::ranges::all_of(log_.named, [&](std::uint64_t address) { return space.may_hold(address); });
  const bool may_be_booked = (superblock.flags & Superblock::amid_replay) != 0;
  const bool must_claim = safeguards::named_blocks_are_claimed && !read_only_;
  if (!can_be || (must_claim && !space.claim(loop_, log_.named, may_be_booked)))
    return "the journal names blocks that hold something else, or the map of free space could not be read";
  blocks_.set_generation(std::max(blocks_.generation(), log_.newest_generation + 1));
  // What lies behind the last good record is from now on of another epoch, even if it comes to light again.
  next.epoch = crc32c(superblock.journal.epoch, &superblock.generation, sizeof superblock.generation);
  journal_.open(superblock.journal_first_block, superblock.journal_blocks, next);
  if (log_.records.empty()) {
    checkpoint_.want_even_if_unchanged();
  } else {
    replaying_ = blocks_.keeps_nothing_back = true;
    if (read_only_) journal_.hold_from(superblock.journal.block);
    blocks_.off_the_map = read_only_;
  }
  return {};
}

/// A flush that failed may have left blocks in a cache that will never reach the medium, and that no later flush
/// covers.
bool Pool::write_again(std::vector<std::uint64_t> addresses) {
  std::ranges::sort(addresses);
  for (std::size_t first = 0, last = 0; first < addresses.size(); first = last) {
    do ++last;
    while (last < addresses.size() && addresses[last] == addresses[last - 1] + 1);
    if (!devices::write_again(loop_, disk_, addresses[first], last - first)) return false;
  }
  return addresses.empty() || write_now(loop_, disk_, 0, nullptr);
}

void Pool::replayed(std::size_t records, std::size_t bytes) {
  if (!replaying_) return;
  replayed_ = records;
  replayed_bytes_ = bytes;
  if (records < log_.records.size()) return;
  log_ = {};
  replaying_ = blocks_.keeps_nothing_back = false;
  release_holds();
  checkpoint_.want_even_if_unchanged();
}

void Pool::freeze_journal(Superblock& next) {
  for (const auto& [number, device] : devices_) {
    if (!device->path().empty()) next.version = std::max(next.version, Superblock::version_without_cuts);
    if (device->cut()) next.version = Superblock::current_version;
  }
  next.flags = 0;
  next.journal_done = 0;
  if (next.journal_blocks == 0) return;
  frozen_amid_replay_ = replaying_;
  if (replaying_) {
    next.journal = log_.records[replayed_].position;
    next.journal_done = log_.records[replayed_].done_before + replayed_bytes_;
    next.flags = Superblock::amid_replay;
  } else {
    next.journal = journal_.freeze();
  }
}

}  // namespace chimera::devices
