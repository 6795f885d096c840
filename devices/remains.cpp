#include "devices/remains.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "devices/crc32c.h"
#include "devices/io_buffer.h"
#include "devices/plausible.h"
#include "devices/read_now.h"

namespace chimera::devices {

bool Remains::read_slot(const Slot& slot, Block& bytes) {
  return slot.address() < disk_.block_count() && read_now(loop_, disk_, slot.address(), bytes) &&
         block_checksum(slot.address(), slot.generation(), &bytes) == slot.checksum();
}

std::expected<std::vector<Remains::Candidate>, std::string> Remains::find_superblocks() {
  std::vector<Candidate> candidates;
  const BlockBuffer buffer = make_block_buffer();
  for (unsigned n = 0; n < 2; ++n) {
    const auto& found = *reinterpret_cast<const Superblock*>(buffer.get());
    const bool is_readable =
        superblock_places[n] < disk_.block_count() && read_now(loop_, disk_, superblock_places[n], *buffer);
    const bool is_good = is_readable && found.magic == Superblock::right_magic &&
                         found.checksum == crc32c(0, &found, offsetof(Superblock, checksum));
    if (!is_good) {
      remarks.push_back(fmt::format("the superblock in block {} {}", superblock_places[n],
                                    is_readable ? "is damaged" : "could not be read"));
    }
    if (!is_readable || found.magic != Superblock::right_magic) continue;
    const auto& known = Superblock::current_version;
    if (is_good && (found.version[0] != known[0] || found.version[1] > known[1]))
      return std::unexpected("this store was written by a newer version of Chimera; upgrade");
    if (is_good) newest_generation = std::max(newest_generation, found.generation);
    candidates.push_back({found, n, is_good});
  }
  std::ranges::sort(candidates, [](const Candidate& a, const Candidate& b) {
    return a.is_good != b.is_good ? a.is_good : a.superblock.generation > b.superblock.generation;
  });
  return candidates;
}

/// The newest superblock whose list of devices begins with a page that can be read. Of one that is damaged itself that
/// page has to speak for it.
bool Remains::choose(const std::vector<Candidate>& candidates) {
  const BlockBuffer buffer = make_block_buffer();
  for (const Candidate& candidate : candidates) {
    superblock = candidate.superblock;
    place = candidate.place;
    if (!candidate.is_good) {
      superblock.reserved1 = {}, superblock.reserved2 = {}, superblock.reserved3 = {};
      superblock.flags &= Superblock::amid_replay;
      superblock.options &= Superblock::keeps_space;
      superblock.references_height = std::min<std::uint8_t>(superblock.references_height, most_height);
    }
    limit_to_disk();
    if (!can_be(superblock)) {
      superblock.references = {};
      superblock.references_height = 0;
      superblock.shared_references = 0;
      if (can_be(superblock)) remarks.push_back("the reference counts cannot be: they are counted again");
    }
    if (!can_be(superblock)) {
      superblock.version = Superblock::version_without_journal;
      superblock.journal_first_block = superblock.journal_blocks = superblock.journal_done = 0;
      superblock.journal = {};
      superblock.flags = 0;
      if (!can_be(superblock)) continue;
      remarks.push_back("the superblock does not say where the journal is: the store goes on without one");
    }
    const bool is_there = superblock.manifest.empty() ? candidate.is_good : read_slot(superblock.manifest, *buffer);
    if (is_there) return true;
  }
  return false;
}

void Remains::limit_to_disk() {
  if (superblock.block_count > disk_.block_count() || superblock.block_count < smallest_store_blocks) {
    remarks.push_back(
        fmt::format("the store has {} blocks, and its disk {}", superblock.block_count, disk_.block_count()));
    superblock.block_count = disk_.block_count();
  }
}

std::expected<void, std::string> Remains::read() {
  const auto candidates = find_superblocks();
  if (!candidates) return std::unexpected(candidates.error());
  if (candidates->empty()) return std::unexpected("there is no superblock here that could be gone on from");
  if (!choose(*candidates)) {
    return std::unexpected("no superblock leads to a list of devices that could be read: nothing is left to salvage");
  }
  if (place != candidates->front().place) {
    remarks.push_back(fmt::format("the newest checkpoint has no list of devices: that of generation {} counts",
                                  superblock.generation));
  }
  newest_generation = std::max(newest_generation, superblock.generation);
  space.make(superblock.block_count);
  superblock.block_count = space.block_count();
  read_manifest();
  read_summary();
  return {};
}

void Remains::read_manifest() {
  if (superblock.manifest.empty()) return;
  const BlockBuffer root = make_block_buffer();
  const BlockBuffer index = make_block_buffer();
  pages.push_back(superblock.manifest);
  if (!read_slot(superblock.manifest, *root)) return;
  for (const Slot& slot : *reinterpret_cast<const Node*>(root.get())) {
    if (slot.empty()) continue;
    pages.push_back(slot);
    if (!space.may_hold(slot, superblock.generation) || !read_slot(slot, *index)) {
      constexpr std::uint64_t records_below = std::uint64_t{slots_per_node} * records_per_page;
      lost_records += records_below;
      remarks.push_back(
          fmt::format("the list of devices: block {} of the store is damaged, and with it up to {} devices",
                      slot.address(), records_below));
      continue;
    }
    for (const Slot& page : *reinterpret_cast<const Node*>(index.get())) {
      if (!page.empty()) read_page(page, records_per_page);
    }
  }
}

void Remains::read_page(const Slot& slot, std::uint64_t count) {
  pages.push_back(slot);
  const BlockBuffer buffer = make_block_buffer();
  if (!space.may_hold(slot, superblock.generation) || !read_slot(slot, *buffer)) {
    lost_records += count;
    remarks.push_back(fmt::format("the list of devices: block {} of the store is damaged, and with it up to {} devices",
                                  slot.address(), count));
    return;
  }
  for (const DeviceRecord& record : *reinterpret_cast<const ManifestPage*>(buffer.get())) {
    if ((record.flags & DeviceRecord::in_use) != 0) take(record);
  }
}

void Remains::take(const DeviceRecord& found) {
  DeviceRecord record = found;
  for (std::size_t plane = 0; plane < record.roots.size(); ++plane) {
    if (record.heights[plane] <= most_height && space.may_hold(record.roots[plane], superblock.generation)) continue;
    remarks.push_back(
        fmt::format("a device's map begins with block {}, where nothing can be", record.roots[plane].address()));
    record.roots[plane] = {};
    record.heights[plane] = 0;
  }
  record.share_generation = std::min(record.share_generation, superblock.generation);
  const std::string_view name(record.name.data(), record.name_length);
  const bool is_taken = std::ranges::any_of(records, [&](const DeviceRecord& other) {
    constexpr std::uint8_t in_no_list = DeviceRecord::dying | DeviceRecord::internal;
    const bool both = ((record.flags | other.flags) & in_no_list) == 0;
    return both && (other.uuid == record.uuid || std::string_view(other.name.data(), other.name_length) == name);
  });
  if (!is_taken && can_be(record, space, superblock.generation)) {
    records.push_back(record);
    return;
  }
  ++lost_records;
  remarks.push_back("a record of the list of devices cannot be: a name, a UUID or a length");
}

/// The pages of the free-space map, from the root down.
void Remains::read_summary() {
  std::vector<std::size_t> sizes{space.group_count()};
  while (sizes.size() == 1 || sizes.back() > 1)
    sizes.push_back((sizes.back() + entries_per_page - 1) / entries_per_page);
  for (const std::size_t size : sizes) entries.emplace_back(size);
  entries.back()[0] = superblock.space;
  const BlockBuffer buffer = make_block_buffer();
  for (std::size_t level = sizes.size() - 1; level > 0; --level) {
    for (std::size_t page = 0; page < sizes[level]; ++page) {
      if (!entries[level][page]) continue;
      const SpaceEntry& entry = *entries[level][page];
      const std::uint64_t home = SpaceMap::home(static_cast<unsigned>(level), page, entry.home());
      if (!read_now(loop_, disk_, home, *buffer) ||
          block_checksum(home, entry.generation, buffer.get()) != entry.checksum) {
        remarks.push_back(fmt::format("the map of free space: its page in block {} is damaged", home));
        continue;
      }
      const auto* below = reinterpret_cast<const SpaceEntry*>(buffer.get());
      const std::size_t first = page * entries_per_page;
      for (std::size_t n = 0; n < entries_per_page && first + n < sizes[level - 1]; ++n)
        entries[level - 1][first + n] = below[n];
    }
  }
}

}  // namespace chimera::devices
