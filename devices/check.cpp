// The check: walks all trees, reads every block and compares what it finds with the books.

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "devices/check_damage.h"
#include "devices/crc32c.h"
#include "devices/io_buffer.h"
#include "devices/open.h"
#include "devices/pool.h"
#include "devices/read_now.h"
#include "devices/reference_counts.h"

namespace chimera::devices {
namespace {

constexpr std::size_t most_problems = 100;

/// Reads blocks in runs, as they lie on the disk.
class RunReader {
 public:
  RunReader(io::Loop& loop, io::Disk& disk) : loop_(loop), disk_(disk) {
    for (std::size_t n = 0; n < io::Disk::most_blocks; ++n) buffers_.push_back(make_block_buffer());
  }

  /// Calls visit(index in `slots`, bytes or null if it could not be read) for each; `slots` are sorted by address.
  template <typename Visit>
  void read(const std::vector<Slot>& slots, Visit&& visit) {
    for (std::size_t first = 0; first < slots.size();) {
      std::size_t last = first + 1;
      while (last < slots.size() && last - first < buffers_.size() &&
             slots[last].address() == slots[last - 1].address() + 1) {
        ++last;
      }
      const bool good = read_run(slots[first].address(), last - first);
      for (std::size_t n = first; n < last; ++n) {
        Block& bytes = *buffers_[n - first];
        const bool readable = good || read_now(loop_, disk_, slots[n].address(), bytes);
        visit(n, readable ? &bytes : nullptr);
      }
      first = last;
    }
  }

 private:
  class Request final : public io::DiskRequest {
   public:
    void finished() override { done = true; }
    bool done = false;
  };

  bool read_run(std::uint64_t address, std::size_t count) {
    std::vector<std::byte*> places;
    for (std::size_t n = 0; n < count; ++n) places.push_back(reinterpret_cast<std::byte*>(buffers_[n].get()));
    Request request;
    request.first_block = address;
    request.buffers = places;
    disk_.start(request);
    while (!request.done) loop_.step(io::Loop::forever);
    return request.error == 0;
  }

  io::Loop& loop_;
  io::Disk& disk_;
  std::vector<BlockBuffer> buffers_;
};

class Check {
 public:
  Check(io::Loop& loop, Pool& pool, const std::function<void(std::uint64_t, std::uint64_t)>& progress)
      : loop_(loop),
        pool_(pool),
        space_(pool.blocks().space()),
        progress_(progress),
        reader_(loop, pool.disk()),
        damage_(loop, pool.disk(), space_.block_count()),
        used_(space_.block_count()),
        all_(space_.block_count() - space_.free_count()) {}

  CheckReport run(std::uint64_t device_count) {
    report_.devices = device_count;
    mark_fixed_blocks();
    mark_journal();
    pool_.manifest().each_page([&](const Slot& slot) { visit_page(slot); });
    pool_.each_tree([&](const std::string& name, Tree& tree) {
      if (!tree.empty()) walk(name, tree.root().slot, tree.root().height);
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
    if ((superblock.flags & Superblock::amid_replay) == 0) return;
    for (const std::uint64_t address : log->named) used_[address] = true;
  }

  void visit_page(const Slot& slot) {
    if (!in_range(slot, "the list of devices") || !mark(slot)) return;
    ++report_.other_blocks;
    reader_.read({slot}, [&](std::size_t, const Block* bytes) {
      if (verify(slot, bytes)) return;
      problem("the list of devices: block {} of the store {}", slot.address(),
              bytes == nullptr ? "could not be read" : "does not match its checksum");
    });
  }

  void walk(const std::string& name, const Slot& root, unsigned height) {
    const bool counts = name == "the reference counts";
    if (!in_range(root, name) || !mark(root)) return;
    std::vector<std::pair<Slot, std::uint64_t>> level_slots{{root, 0}};
    walk_level(name, level_slots, height, counts);
  }

  /// One level of a tree, a bounded piece at a time, each piece's children before the next piece.
  void walk_level(const std::string& name, std::vector<std::pair<Slot, std::uint64_t>>& slots, unsigned level,
                  bool counts) {
    std::sort(slots.begin(), slots.end(),
              [](const auto& a, const auto& b) { return a.first.address() < b.first.address(); });
    std::vector<Slot> sorted;
    for (const auto& [slot, index] : slots) sorted.push_back(slot);
    std::vector<std::pair<Slot, std::uint64_t>> children;
    const auto descend = [&] {
      if (!children.empty()) walk_level(name, children, level - 1, counts);
      children.clear();
    };
    std::vector<std::pair<Node, std::uint64_t>> nodes;
    reader_.read(sorted, [&](std::size_t n, const Block* bytes) {
      const std::uint64_t index = slots[n].second;
      if (!verify(slots[n].first, bytes)) {
        damage_.add(slots[n].first.address(), bytes != nullptr);
        return;
      }
      if (level == 0) {
        ++(counts ? report_.other_blocks : report_.data_blocks);
        if (counts) take_counts(index, *bytes);
        return;
      }
      ++report_.map_blocks;
      nodes.emplace_back(*reinterpret_cast<const Node*>(bytes), index);
    });
    for (const auto& [node, index] : nodes) {
      for (std::uint64_t child = 0; child < slots_per_node; ++child) {
        if (node[child].empty() || !in_range(node[child], name) || !mark(node[child])) continue;
        children.emplace_back(node[child], index * slots_per_node + child);
      }
      if (children.size() >= 16 * slots_per_node) descend();
    }
    descend();
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
  Pool& pool_;
  const SpaceMap& space_;
  const std::function<void(std::uint64_t, std::uint64_t)>& progress_;
  RunReader reader_;
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
  return Check(loop, *pool, progress).run(store.device_count());
}

}  // namespace chimera::devices
