// Writing the maps of a damaged store anew. The order is that of a checkpoint: what is new goes to free blocks and to
// the homes that the old state does not name; a flush; the superblock, beside the old one; a flush.

#include "devices/salvage.h"

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <unordered_map>
#include <utility>

#include "devices/crc32c.h"
#include "devices/io_buffer.h"
#include "devices/read_now.h"
#include "devices/remains.h"
#include "devices/salvage_survey.h"

namespace chimera::devices {
namespace {

class Rebuild {
 public:
  Rebuild(io::Loop& loop, io::Disk& disk, Remains& remains, const Survey& survey)
      : loop_(loop),
        disk_(disk),
        remains_(remains),
        survey_(survey),
        taken_(survey.used()),
        next_(remains.superblock),
        looked_at_(taken_.size()),
        used_(taken_.size()) {}

  /// Why nothing was published, or an empty string.
  std::string run() {
    next_.generation = std::max(remains_.newest_generation, survey_.log().newest_generation) + 1;
    keep_free_what_is_named();
    for (DeviceRecord& record : remains_.records) fix(record);
    for (const DeviceRecord& record : remains_.records) {
      for (std::size_t plane = 0; plane < record.roots.size(); ++plane)
        count(record.roots[plane], record.heights[plane]);
    }
    write_counts();
    write_manifest();
    write_space();
    publish();
    return wrong_;
  }

 private:
  /// From then on nothing is written; the disk still has the state of before.
  void stop(const char* why) {
    if (wrong_.empty()) wrong_ = why;
  }

  // Blocks.

  /// Blocks that records to be replayed name, and as long as there are others those that the old map has as used.
  void keep_free_what_is_named() {
    if (!survey_.journal_contradicts()) {
      for (const std::uint64_t address : survey_.log().named) {
        if (remains_.space.may_hold(address)) taken_[address] = true;
      }
    }
    booked_ = taken_;
    const BlockBuffer bitmap = make_block_buffer();
    for (std::uint32_t group = 0; group < remains_.space.group_count(); ++group) {
      const auto& entry = remains_.entries[0][group];
      if (!entry || entry->is_fresh()) continue;
      if (!read_now(loop_, disk_, SpaceMap::home(0, group, entry->home()), *bitmap)) continue;
      const std::uint64_t first = std::uint64_t{group} * group_blocks;
      for (std::uint64_t n = 0; n < group_blocks && first + n < booked_.size(); ++n) {
        if ((std::to_integer<unsigned>((*bitmap)[n / 8]) >> n % 8 & 1) != 0) booked_[first + n] = true;
      }
    }
  }

  std::uint64_t allocate() {
    while (cursor_ < booked_.size() && booked_[cursor_]) ++cursor_;
    if (cursor_ == booked_.size() && keeps_booked_) {
      keeps_booked_ = false;
      booked_ = taken_;
      cursor_ = 0;
      return allocate();
    }
    if (cursor_ == booked_.size()) {
      stop("the store has no room for its new maps");
      return 0;
    }
    booked_[cursor_] = taken_[cursor_] = true;
    return cursor_++;
  }

  void write(std::uint64_t address, const void* bytes) {
    std::memcpy(buffer_.get(), bytes, block_size);
    if (wrong_.empty() && !write_now(loop_, disk_, address, buffer_.get())) stop("the disk could not be written");
  }

  /// A new block of the map, which is in use from now on.
  Slot write_new(const void* bytes) {
    const std::uint64_t address = allocate();
    write(address, bytes);
    return {address, next_.generation, block_checksum(address, next_.generation, buffer_.get())};
  }

  std::unique_ptr<Node> read_node(const Slot& slot) {
    auto node = std::make_unique<Node>();
    if (remains_.read_slot(slot, *buffer_)) {
      *node = *reinterpret_cast<const Node*>(buffer_.get());
    } else {
      stop("a block that could be read before cannot be read now");
    }
    return node;
  }

  // Maps of devices.

  void fix(DeviceRecord& record) {
    // What has been written anew may be shared, like what it replaces.
    record.share_generation = next_.generation;
    for (std::size_t plane = 0; plane < record.roots.size(); ++plane) {
      record.roots[plane] = fixed(record.roots[plane], record.heights[plane]);
      if (record.roots[plane].empty()) record.heights[plane] = 0;
    }
  }

  /// The same branch without what is damaged; branches that are shared stay shared.
  Slot fixed(const Slot& slot, unsigned level) {
    if (slot.empty() || survey_.is_damaged(slot)) return {};
    if (level == 0) return slot;
    if (looked_at_[slot.address()]) {
      const auto found = replaced_.find(slot.address());
      return found == replaced_.end() ? slot : found->second;
    }
    looked_at_[slot.address()] = true;
    const std::unique_ptr<Node> node = read_node(slot);
    bool has_changed = false;
    for (Slot& child : *node) {
      const Slot before = child;
      child = fixed(before, level - 1);
      has_changed |= child != before;
    }
    if (!has_changed) return slot;
    const Slot now = std::ranges::all_of(*node, &Slot::empty) ? Slot() : write_new(node.get());
    replaced_.emplace(slot.address(), now);
    return now;
  }

  void count(const Slot& slot, unsigned level) {
    if (slot.empty()) return;
    if (used_[slot.address()]) {
      ++references_[slot.address()];
      return;
    }
    used_[slot.address()] = true;
    if (level == 0) return;
    const std::unique_ptr<Node> node = read_node(slot);
    for (const Slot& child : *node) count(child, level - 1);
  }

  // The books.

  Slot write_book(const void* bytes) {
    const Slot slot = write_new(bytes);
    used_[slot.address()] = true;
    return slot;
  }

  void write_counts() {
    constexpr std::uint64_t per_block = block_size / sizeof(std::uint32_t);
    std::map<std::uint64_t, std::array<std::uint32_t, per_block>> blocks;
    next_.shared_references = 0;
    for (const auto& [address, references] : references_) {
      blocks[address / per_block][address % per_block] = static_cast<std::uint32_t>(references);
      next_.shared_references += references;
    }
    std::map<std::uint64_t, Slot> level;
    for (const auto& [index, counts] : blocks) level[index] = write_book(counts.data());
    next_.references = {};
    next_.references_height = 0;
    if (level.empty()) return;
    while (level.rbegin()->first > 0) {
      std::map<std::uint64_t, Slot> above;
      for (auto at = level.begin(); at != level.end();) {
        const std::uint64_t index = at->first / slots_per_node;
        Node node{};
        for (; at != level.end() && at->first / slots_per_node == index; ++at)
          node[at->first % slots_per_node] = at->second;
        above[index] = write_book(node.data());
      }
      level = std::move(above);
      ++next_.references_height;
    }
    next_.references = level.begin()->second;
  }

  void write_manifest() {
    std::vector<Slot> slots;
    for (std::size_t first = 0; first < remains_.records.size(); first += records_per_page) {
      ManifestPage page{};
      const std::size_t count = std::min<std::size_t>(records_per_page, remains_.records.size() - first);
      std::copy_n(&remains_.records[first], count, page.begin());
      slots.push_back(write_book(page.data()));
    }
    next_.manifest = {};
    if (slots.empty()) return;
    for (unsigned level = 0; level < 2; ++level) {
      std::vector<Slot> above;
      for (std::size_t first = 0; first < slots.size(); first += slots_per_node) {
        Node node{};
        std::copy_n(&slots[first], std::min<std::size_t>(slots_per_node, slots.size() - first), node.begin());
        above.push_back(write_book(node.data()));
      }
      slots = std::move(above);
    }
    next_.manifest = slots.front();
  }

  void write_space() {
    mark_what_is_no_tree();
    std::vector<SpaceEntry> below;
    for (std::uint32_t group = 0; group < remains_.space.group_count(); ++group) below.push_back(write_group(group));
    for (unsigned level = 1; level < remains_.entries.size(); ++level) {
      std::vector<SpaceEntry> above;
      for (std::size_t first = 0; first < below.size(); first += entries_per_page) {
        std::array<SpaceEntry, entries_per_page> page{};
        std::copy_n(&below[first], std::min<std::size_t>(entries_per_page, below.size() - first), page.begin());
        above.push_back(write_home(level, first / entries_per_page, 0, page.data()));
      }
      below = std::move(above);
    }
    next_.space = below.front();
  }

  void mark_what_is_no_tree() {
    for (std::uint32_t group = 0; group < remains_.space.group_count(); ++group) {
      for (std::uint32_t block = 0; block < SpaceMap::fixed_blocks(group); ++block)
        used_[std::uint64_t{group} * group_blocks + block] = true;
    }
    for (std::uint64_t n = 0; n < next_.journal_blocks; ++n) used_[next_.journal_first_block + n] = true;
    if ((next_.flags & Superblock::amid_replay) == 0 || survey_.journal_contradicts()) return;
    for (const std::uint64_t address : survey_.log().named) used_[address] = true;
  }

  SpaceEntry write_group(std::uint32_t group) {
    Block bitmap{};
    const std::uint64_t first = std::uint64_t{group} * group_blocks;
    std::uint32_t free = 0;
    bool is_fresh = true;
    for (std::uint64_t n = 0; n < group_blocks; ++n) {
      const bool is_outside = first + n >= used_.size();
      const bool is_used = is_outside || used_[first + n];
      if (is_used) bitmap[n / 8] |= std::byte{1} << n % 8;
      if (!is_used) ++free;
      is_fresh = is_fresh && (is_outside || is_used == (n < SpaceMap::fixed_blocks(group)));
    }
    if (is_fresh) return {.free_and_flags = free << 2 | SpaceEntry::fresh};
    return write_home(0, group, free, &bitmap);
  }

  SpaceEntry write_home(unsigned level, std::size_t page, std::uint32_t free, const void* bytes) {
    const auto& before = remains_.entries[level][page];
    const unsigned which = before && !before->is_fresh() ? 1 - before->home() : 0;
    const std::uint64_t address = SpaceMap::home(level, page, which);
    write(address, bytes);
    return {.checksum = block_checksum(address, next_.generation, buffer_.get()),
            .free_and_flags = free << 2 | which,
            .generation = next_.generation};
  }

  void publish() {
    if (survey_.journal_contradicts()) {
      // None of its records counts any more.
      next_.journal.epoch = crc32c(next_.journal.epoch, &next_.generation, sizeof next_.generation);
      next_.journal.sequence = survey_.losses().last_lost_record + 1;
      next_.journal_done = 0;
      next_.flags = 0;
    }
    next_.version = next_.journal_blocks == 0 ? Superblock::version_without_journal : Superblock::version_without_files;
    for (const DeviceRecord& record : remains_.records) {
      const bool is_file = (record.flags & DeviceRecord::file) != 0;
      if (is_file) next_.version = std::max(next_.version, Superblock::version_without_cuts);
      if (record.cut != 0) next_.version = Superblock::current_version;
    }
    next_.checksum = crc32c(0, &next_, offsetof(Superblock, checksum));
    flush();
    write(superblock_places[1 - remains_.place], &next_);
    flush();
  }

  void flush() {
    if (wrong_.empty() && !write_now(loop_, disk_, 0, nullptr)) stop("the disk could not be written");
  }

  io::Loop& loop_;
  io::Disk& disk_;
  Remains& remains_;
  const Survey& survey_;
  std::vector<bool> taken_;   ///< not to be overwritten
  std::vector<bool> booked_;  ///< nor these, while there are others
  bool keeps_booked_ = true;
  std::uint64_t cursor_ = 0;
  Superblock next_;
  std::vector<bool> looked_at_;
  std::unordered_map<std::uint64_t, Slot> replaced_;
  std::vector<bool> used_;  ///< by the new state
  std::unordered_map<std::uint64_t, std::uint64_t> references_;
  BlockBuffer buffer_ = make_block_buffer();
  std::string wrong_;
};

}  // namespace

std::expected<Losses, std::string> find_losses(io::Loop& loop, io::Disk& disk, const OnProgress& progress) {
  Remains remains(loop, disk);
  if (const auto read = remains.read(); !read) return std::unexpected(read.error());
  Survey survey(loop, disk, remains, progress);
  survey.run();
  return survey.losses();
}

std::expected<void, std::string> salvage_maps(io::Loop& loop, io::Disk& disk) {
  Remains remains(loop, disk);
  if (const auto read = remains.read(); !read) return std::unexpected(read.error());
  const OnProgress nobody = [](std::uint64_t, std::uint64_t) {};
  Survey survey(loop, disk, remains, nobody);
  survey.run();
  if (!survey.maps_are_damaged()) return {};
  if (std::string wrong = Rebuild(loop, disk, remains, survey).run(); !wrong.empty())
    return std::unexpected(std::move(wrong));
  return {};
}

std::expected<void, std::string> renew_journal(io::Loop& loop, io::Disk& disk, const Superblock& superblock) {
  std::vector<std::uint64_t> unreadable;
  read_stretch(loop, disk, superblock.journal_first_block, superblock.journal_blocks,
               [&](std::uint64_t address, const Block* bytes) {
                 if (bytes == nullptr) unreadable.push_back(address);
               });
  const BlockBuffer zeros = make_block_buffer();
  bool good = true;
  for (const std::uint64_t address : unreadable) good = good && write_now(loop, disk, address, zeros.get());
  if (!unreadable.empty()) good = good && write_now(loop, disk, 0, nullptr);
  if (!good) return std::unexpected("the disk could not be written");
  return {};
}

}  // namespace chimera::devices
