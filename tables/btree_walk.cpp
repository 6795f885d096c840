#include "tables/btree_walk.h"

#include <algorithm>

namespace chimera::tables {
namespace {

/// Leaves that are read in one program, though fewer may do.
constexpr std::size_t most_ahead = 64;

/// Entries, from `first` on, whose keys are below the separator behind the child.
std::size_t end_of_child(const BTreeView& node, std::size_t child, std::span<const BTreeEntry> sorted,
                         std::size_t first) {
  if (child == node.count()) return sorted.size();
  const auto behind = node.key(child);
  const auto end = std::partition_point(sorted.begin() + static_cast<std::ptrdiff_t>(first), sorted.end(),
                                        [&](const BTreeEntry& entry) { return compare_keys(entry.key, behind) < 0; });
  return static_cast<std::size_t>(end - sorted.begin());
}

}  // namespace

Result<> load_paths(BTreeNodes& nodes, std::span<const BTreeEntry> sorted) {
  struct Part {
    std::uint64_t block;
    std::size_t first, last;
  };
  const BTreeHeader& header = nodes.header();
  if (header.root == 0 || sorted.empty()) return {};
  std::vector<Part> parts{{header.root, 0, sorted.size()}};
  std::vector<std::uint64_t> blocks;
  for (unsigned level = header.height; level-- > 0;) {
    blocks.clear();
    for (const Part& part : parts) blocks.push_back(part.block);
    if (auto done = nodes.load(blocks); !done) return done;
    if (level == 0) break;
    std::vector<Part> below;
    for (const Part& part : parts) {
      auto found = nodes.get(part.block, level);
      if (!found) return std::unexpected(std::move(found.error()));
      const BTreeView node = nodes.view(**found);
      for (std::size_t at = part.first; at < part.last;) {
        const std::size_t child = node.child_of(sorted[at].key);
        const std::size_t end = std::min(part.last, end_of_child(node, child, sorted, at));
        below.push_back({node.child(child), at, end});
        at = end;
      }
    }
    parts = std::move(below);
  }
  return {};
}

Result<> BTreeWalk::run(Entries& found) {
  const BTreeHeader& header = nodes_.header();
  if (header.root == 0 || left_ == 0) return {};
  if (auto done = descend(header.root, header.height - 1u, true); !done) return done;
  for (;;) {
    const bool more = range_.backwards ? take_backwards(found) : take_forwards(found);
    if (!more) return {};
    const auto next = next_leaf();
    if (!next) return std::unexpected(next.error());
    if (!*next) return {};
  }
}

/// To a leaf below the block: the one where the range begins, or the first (backwards: last) one.
Result<> BTreeWalk::descend(std::uint64_t block, unsigned level, bool seek) {
  for (;; --level) {
    auto got = nodes_.get(block, level);
    if (!got) return std::unexpected(std::move(got.error()));
    const BTreeView node = nodes_.view(**got);
    const bool from_end = range_.backwards && (!seek || !range_.high);
    const std::span<const std::uint8_t> key = range_.backwards ? range_.high.value_or(range_.low) : range_.low;
    if (level == 0) {
      leaf_ = *got;
      const bool after = range_.backwards ? range_.through_high : range_.after_low;
      at_ = from_end ? node.count() : seek ? node.lower_bound(key, after) : 0;
      return {};
    }
    const std::size_t child = from_end ? node.count() : seek ? node.child_of(key) : 0;
    path_.push_back({*got, child});
    block = node.child(child);
    if (level == 1) {
      if (auto done = read_ahead(node, child); !done) return done;
    }
  }
}

/// False: there is none.
Result<bool> BTreeWalk::next_leaf() {
  while (!path_.empty()) {
    Step& step = path_.back();
    const BTreeView node = nodes_.view(*step.node);
    if (step.child == (range_.backwards ? 0 : node.count())) {
      path_.pop_back();
      continue;
    }
    step.child += range_.backwards ? std::size_t(-1) : 1;
    if (node.level() == 1) {
      if (auto done = read_ahead(node, step.child); !done) return std::unexpected(std::move(done.error()));
    }
    const auto done = descend(node.child(step.child), node.level() - 1u, false);
    if (!done) return std::unexpected(done.error());
    return true;
  }
  return false;
}

/// Where the leaf is not in memory, those that will be needed behind it are read with it.
Result<> BTreeWalk::read_ahead(const BTreeView& parent, std::size_t child) {
  if (nodes_.has(parent.child(child))) return {};
  const BTreeHeader& header = nodes_.header();
  const std::size_t usual_entries = static_cast<std::size_t>(header.entries / header.blocks) + 1;
  std::size_t more = std::min(most_ahead, left_ / usual_entries);
  std::vector<std::uint64_t> blocks{parent.child(child)};
  for (; more > 0; --more) {
    if (range_.backwards) {
      if (child == 0 || compare_keys(parent.key(child - 1), range_.low) <= 0) break;
      --child;
    } else {
      if (child == parent.count() || (range_.high && compare_keys(parent.key(child), *range_.high) > 0)) break;
      ++child;
    }
    blocks.push_back(parent.child(child));
  }
  return nodes_.load(blocks);
}

/// False: the range ends in this leaf.
bool BTreeWalk::take_forwards(Entries& found) {
  const BTreeView leaf = nodes_.view(*leaf_);
  const std::size_t end = range_.high ? leaf.lower_bound(*range_.high, range_.through_high) : leaf.count();
  for (; at_ < end && left_ > 0; ++at_, --left_) found.add(leaf.key(at_), leaf.value(at_));
  return left_ > 0 && end == leaf.count();
}

bool BTreeWalk::take_backwards(Entries& found) {
  const BTreeView leaf = nodes_.view(*leaf_);
  const std::size_t begin = leaf.lower_bound(range_.low, range_.after_low);
  for (; at_ > begin && left_ > 0; --left_) {
    --at_;
    found.add(leaf.key(at_), leaf.value(at_));
  }
  return left_ > 0 && begin == 0;
}

}  // namespace chimera::tables
