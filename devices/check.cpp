// The check: walks all trees, reads every block and compares what it finds with the books.

#include <fmt/format.h>

#include <algorithm>
#include <boost/uuid/uuid_io.hpp>
#include <unordered_map>

#include "devices/check_damage.h"
#include "devices/crc32c.h"
#include "devices/io_buffer.h"
#include "devices/journal_damage.h"
#include "devices/open.h"
#include "devices/pool.h"
#include "devices/read_now.h"
#include "devices/reference_counts.h"
#include "devices/tree_scan.h"

namespace chimera::devices {
namespace {

constexpr std::size_t most_problems = 100;

class Check final : private TreeScan::Visitor {
 public:
  Check(io::Loop& loop, Store& store, const std::function<void(std::uint64_t, std::uint64_t)>& progress)
      : loop_(loop),
        store_(store),
        pool_(*store.pool()),
        space_(pool_.blocks().space()),
        progress_(progress),
        scan_(loop, pool_.disk(), *this),
        damage_(loop, pool_.disk(), space_.block_count()),
        used_(space_.block_count()),
        all_(space_.block_count() - space_.free_count()) {}

  CheckReport run() {
    report_.devices = store_.device_count();
    look_at_superblocks();
    mark_fixed_blocks();
    mark_journal();
    pool_.manifest().each_page([&](const Slot& slot) { visit_page(slot); });
    pool_.each_tree([&](const std::string& name, Tree& tree) {
      owner_ = name;
      holds_counts_ = name == "the reference counts";
      scan_.walk(tree.root());
    });
    find_damage();
    compare_counts();
    compare_bitmaps();
    report_.problem_count = problems_;
    return std::move(report_);
  }

 private:
  template <typename... Arguments>
  void problem(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    ++problems_;
    if (report_.problems.size() < most_problems) {
      report_.problems.push_back(fmt::format(format, std::forward<Arguments>(arguments)...));
    }
  }

  bool in_range(const Slot& slot, const std::string& owner) {
    if (space_.may_hold(slot, pool_.checkpoint().published())) return true;
    problem("{}: a slot names block {}, where nothing can be", owner, slot.address());
    return false;
  }

  /// The first tree that holds a block marks it; every further one is a reference to be counted. True if it is new.
  bool mark(const Slot& slot) {
    if (used_[slot.address()]) {
      if (++references_[slot.address()] == 1) ++report_.shared_blocks;
      return false;
    }
    used_[slot.address()] = true;
    if (++done_ % 4096 == 0) progress_(done_, all_);
    return true;
  }

  bool verify(const Slot& slot, const Block* bytes) {
    const bool is_good =
        bytes != nullptr && block_checksum(slot.address(), slot.generation(), bytes) == slot.checksum();
    if (!is_good) ++(bytes == nullptr ? report_.unreadable_blocks : report_.bad_checksums);
    return is_good;
  }

  /// Who holds what is damaged, once all of it is known.
  void find_damage() {
    if (!damage_.any()) return;
    pool_.each_tree([&](const std::string& name, Tree& tree) {
      if (!tree.empty()) damage_.look_in(name, tree.root().slot, tree.root().height);
    });
    const std::size_t room = most_problems - report_.problems.size();
    for (std::string& line : damage_.lines(room)) report_.problems.push_back(std::move(line));
    problems_ += damage_.count();
  }

  /// A crash may have torn one; the store is as whole with the other, and a new one is written when it is opened.
  void look_at_superblocks() {
    const BlockBuffer bytes = make_block_buffer();
    for (const std::uint64_t place : superblock_places) {
      const auto& superblock = *reinterpret_cast<const Superblock*>(bytes.get());
      const bool is_good = read_now(loop_, pool_.disk(), place, *bytes) &&
                           superblock.checksum == crc32c(0, &superblock, offsetof(Superblock, checksum));
      if (!is_good) ++report_.damaged_superblocks;
    }
  }

  void mark_fixed_blocks() {
    for (std::uint32_t group = 0; group < space_.group_count(); ++group) {
      for (std::uint32_t block = 0; block < SpaceMap::fixed_blocks(group); ++block) {
        used_[std::uint64_t{group} * group_blocks + block] = true;
        ++report_.other_blocks;
      }
    }
  }

  void mark_journal() {
    const Superblock& superblock = pool_.checkpoint().superblock();
    for (std::uint64_t n = 0; n < superblock.journal_blocks; ++n) used_[superblock.journal_first_block + n] = true;
    report_.other_blocks += superblock.journal_blocks;
    if (superblock.journal_blocks == 0) return;
    const auto log = scan_journal(loop_, pool_.disk(), superblock);
    if (!log) {
      problem("{}", log.error());
      return;
    }
    report_.journal_records = log->records.size();
    look_at_names(*log);
    if ((superblock.flags & Superblock::amid_replay) == 0) return;
    for (const std::uint64_t address : log->named) used_[address] = true;
  }

  void look_at_names(const JournalLog& log) {
    static constexpr const char* planes[] = {"data", "metadata", "columns"};
    for (const DamagedName& name : find_damaged_names(loop_, pool_.disk(), log)) {
      ++(name.is_readable ? report_.bad_checksums : report_.unreadable_blocks);
      const Device* const device = store_.find(name.device);
      const std::string owner =
          fmt::format("{} of \"{}\"", name.plane < std::size(planes) ? planes[name.plane] : "data",
                      device == nullptr ? to_string(name.device) : device->name());
      problem("{} (block {} of the store, which record {} of the journal names)",
              describe_damage(owner, name.index * block_size, block_size, /*is_map=*/false, name.is_readable),
              name.address, name.sequence);
    }
  }

  void visit_page(const Slot& slot) {
    if (!in_range(slot, "the list of devices") || !mark(slot)) return;
    ++report_.other_blocks;
    const BlockBuffer bytes = make_block_buffer();
    const bool is_readable = read_now(loop_, pool_.disk(), slot.address(), *bytes);
    if (verify(slot, is_readable ? bytes.get() : nullptr)) return;
    problem("the list of devices: block {} of the store {}", slot.address(),
            is_readable ? "does not match its checksum" : "could not be read");
  }

  bool enter(const Slot& slot) override { return in_range(slot, owner_) && mark(slot); }

  bool visit(const Slot& slot, unsigned level, std::uint64_t index, const Block* bytes) override {
    if (!verify(slot, bytes)) {
      damage_.add(slot.address(), bytes != nullptr);
      return false;
    }
    if (level > 0) {
      ++report_.map_blocks;
    } else {
      ++(holds_counts_ ? report_.other_blocks : report_.data_blocks);
      if (holds_counts_) take_counts(index, *bytes);
    }
    return true;
  }

  void take_counts(std::uint64_t page, const Block& bytes) {
    constexpr std::uint64_t per_block = block_size / sizeof(std::uint32_t);
    const auto* counts = reinterpret_cast<const std::uint32_t*>(bytes.data());
    for (std::uint64_t n = 0; n < per_block; ++n) {
      if (counts[n] != 0) booked_[page * per_block + n] = counts[n];
    }
  }

  void compare_counts() {
    for (const auto& [address, found] : references_) {
      const auto booked = booked_.find(address);
      const std::uint64_t count = booked == booked_.end() ? 0 : booked->second;
      if (count == found) continue;
      ++report_.misbooked_blocks;
      problem("block {} is shared {} times, and {} are booked", address, found, count);
    }
    for (const auto& [address, count] : booked_) {
      if (references_.contains(address)) continue;
      ++report_.misbooked_blocks;
      problem("block {} is not shared, and {} references are booked", address, count);
    }
  }

  void compare_bitmaps() {
    const BlockBuffer bitmap = make_block_buffer();
    for (std::uint32_t group = 0; group < space_.group_count(); ++group) {
      const SpaceEntry& entry = space_.group_entry(group);
      if (!entry.is_fresh()) {
        const std::uint64_t home = SpaceMap::home(0, group, entry.home());
        if (!read_now(loop_, pool_.disk(), home, *bitmap) ||
            block_checksum(home, entry.generation, bitmap.get()) != entry.checksum) {
          ++report_.bad_checksums;
          problem("the free-space map of group {} is damaged", group);
          continue;
        }
      }
      compare_group(group, entry, *bitmap);
    }
  }

  void compare_group(std::uint32_t group, const SpaceEntry& entry, const Block& bitmap) {
    const std::uint64_t first = std::uint64_t{group} * group_blocks;
    const std::uint64_t count = std::min<std::uint64_t>(group_blocks, space_.block_count() - first);
    std::uint32_t free = 0;
    for (std::uint64_t n = 0; n < count; ++n) {
      const bool booked = entry.is_fresh() ? n < SpaceMap::fixed_blocks(group)
                                           : (std::to_integer<unsigned>(bitmap[n / 8]) >> n % 8 & 1) != 0;
      const bool found = used_[first + n];
      if (!found) ++report_.free_blocks;
      if (!booked) ++free;
      if (booked && !found) {
        ++report_.leaked_blocks;
        problem("block {} is booked as used, and nothing holds it", first + n);
      } else if (!booked && found) {
        ++report_.misbooked_blocks;
        problem("block {} is in use, and booked as free", first + n);
      }
    }
    if (free != entry.free()) {
      ++report_.misbooked_blocks;
      problem("group {} has {} free blocks, and {} are booked", group, free, entry.free());
    }
  }

  io::Loop& loop_;
  Store& store_;
  Pool& pool_;
  const SpaceMap& space_;
  const std::function<void(std::uint64_t, std::uint64_t)>& progress_;
  TreeScan scan_;
  std::string owner_;  ///< of the tree that is being walked
  bool holds_counts_ = false;
  DamageHolders damage_;
  std::vector<bool> used_;
  std::unordered_map<std::uint64_t, std::uint64_t> references_;  ///< beyond the first
  std::unordered_map<std::uint64_t, std::uint64_t> booked_;
  std::uint64_t done_ = 0;
  std::uint64_t all_;
  std::uint64_t problems_ = 0;
  CheckReport report_;
};

}  // namespace

CheckReport check(io::Loop& loop, Store& store,
                  const std::function<void(std::uint64_t done, std::uint64_t all)>& progress) {
  Pool* const pool = store.pool();
  if (pool == nullptr) return {.devices = store.device_count()};
  // What is in memory only has to be on the disk first; a store that is open for reading has nothing of the kind.
  if (const auto settled = settle_store(loop, *pool); !settled) {
    return {.problem_count = 1, .problems = {settled.error()}};
  }
  return Check(loop, store, progress).run();
}

}  // namespace chimera::devices
