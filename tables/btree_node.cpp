#include "tables/btree_node.h"

#include <fmt/format.h>

#include <bit>
#include <cassert>

namespace chimera::tables {
namespace {

using Bytes = BTreeView::Bytes;

template <typename Integer>
void put(BTreeImage& image, std::size_t at, Integer value) {
  std::memcpy(image.bytes.data() + at, &value, sizeof value);
}

void put_front(BTreeImage& image, BTreeBlock kind, unsigned level, std::size_t count, std::uint64_t link) {
  image.bytes[0] = static_cast<std::uint8_t>(kind);
  image.bytes[1] = static_cast<std::uint8_t>(level);
  put(image, BTreeView::count_at, static_cast<std::uint16_t>(count));
  put(image, 4, std::uint32_t{0});
  put(image, BTreeView::link_at, link);
}

std::uint64_t big_endian(const std::uint8_t* at) { return __builtin_bswap64(load<std::uint64_t>(at)); }

/// Where the entries of keys of several lengths lie: one behind the other, from the end of the block down.
std::string problem_of_slots(const BTreeImage& image, std::size_t count, std::size_t value_width) {
  if (count > BTreeView::capacity / (BTreeView::slot_size + 1)) return fmt::format("{} entries", count);
  const std::size_t slots_end = BTreeView::front + count * BTreeView::slot_size;
  std::size_t end = limits::block_size;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t begin = load<std::uint16_t>(image.bytes.data() + BTreeView::front + i * BTreeView::slot_size);
    const bool fits = begin >= slots_end && begin < end && end - begin > value_width &&
                      end - begin <= value_width + BTreeShape::longest_key;
    if (!fits) return fmt::format("entry {} lies from {} to {}", i, begin, end);
    end = begin;
  }
  return {};
}

std::string problem_of_trunk(const BTreeView& trunk, const BTreeHeader& header) {
  if (trunk.count() > BTreeView::most_listed) return fmt::format("it lists {} blocks", trunk.count());
  if (trunk.link() >= header.blocks) return fmt::format("block {} of {} is next", trunk.link(), header.blocks);
  for (std::size_t i = 0; i < trunk.count(); ++i) {
    if (trunk.listed(i) == 0 || trunk.listed(i) >= header.blocks) {
      return fmt::format("it lists block {} of {}", trunk.listed(i), header.blocks);
    }
  }
  return {};
}

std::string problem_of_children(const BTreeView& node, const BTreeHeader& header) {
  for (std::size_t i = 0; i <= node.count(); ++i) {
    const std::uint64_t child = node.child(i);
    if (child == 0 || child >= header.blocks)
      return fmt::format("its child {} is block {} of {}", i, child, header.blocks);
  }
  return {};
}

}  // namespace

/// Keys of 8 bytes, the usual ones of a table, are numbers. Most lie where their distance from both ends says, or near,
/// so a node that is not in the processor's cache is missed two times in place of one for each halving.
std::size_t BTreeView::lower_bound_of_number(std::uint64_t wanted, bool after) const {
  const std::size_t all = count();
  const std::size_t width = key_width_ + value_width_;
  const auto number = [&](std::size_t i) { return big_endian(bytes_ + front + i * width); };
  const auto is_before = [&](std::size_t i) { return after ? number(i) <= wanted : number(i) < wanted; };
  if (all == 0) return 0;
  const std::uint64_t first = number(0);
  const std::uint64_t last = number(all - 1);
  if (after ? first > wanted : first >= wanted) return 0;
  if (after ? last <= wanted : last < wanted) return all;
  const double share = static_cast<double>(wanted - first) / static_cast<double>(last - first);
  const auto guess = std::min(static_cast<std::size_t>(share * static_cast<double>(all - 1)), all - 1);
  // From the guess in doubling steps: `low` is before, `high` is not.
  std::size_t low = 0;
  std::size_t high = all - 1;
  if (is_before(guess)) {
    low = guess;
    for (std::size_t step = 1; low + step < high; step *= 2) {
      if (!is_before(low + step)) {
        high = low + step;
        break;
      }
      low += step;
    }
  } else {
    high = guess;
    for (std::size_t step = 1; low + step < high; step *= 2) {
      if (is_before(high - step)) {
        low = high - step;
        break;
      }
      high -= step;
    }
  }
  while (low + 1 < high) {
    const std::size_t middle = (low + high) / 2;
    (is_before(middle) ? low : high) = middle;
  }
  return high;
}

std::size_t BTreeView::lower_bound(Bytes key, bool after) const {
  if (key_width_ == sizeof(std::uint64_t) && key.size() == sizeof(std::uint64_t)) {
    return lower_bound_of_number(big_endian(key.data()), after);
  }
  std::size_t low = 0;
  std::size_t high = count();
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    const int order = compare_keys(this->key(middle), key);
    if (order < 0 || (after && order == 0)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

std::string problem_of_node(const BTreeImage& image, const BTreeHeader& header) {
  const BTreeView node(image, header.shape);
  if (node.is(BTreeBlock::trunk)) return problem_of_trunk(node, header);
  const bool is_leaf = node.is(BTreeBlock::leaf);
  if (!is_leaf && !node.is(BTreeBlock::inner)) return "it is no node";
  if (is_leaf != (node.level() == 0) || node.level() >= header.height)
    return fmt::format("its level is {}", node.level());
  const std::size_t value_width = is_leaf ? header.shape.value_width : BTreeView::child_size;
  if (is_leaf && node.count() == 0) return "it is empty";
  if (header.shape.key_width != 0) {
    if (node.count() > BTreeView::capacity / (header.shape.key_width + value_width)) {
      return fmt::format("{} entries", node.count());
    }
  } else if (std::string problem = problem_of_slots(image, node.count(), value_width); !problem.empty()) {
    return problem;
  }
  for (std::size_t i = 1; i < node.count(); ++i) {
    if (compare_keys(node.key(i - 1), node.key(i)) >= 0) return fmt::format("entry {} is not in order", i);
  }
  return is_leaf ? std::string() : problem_of_children(node, header);
}

void make_node(BTreeImage& image, unsigned level, std::uint64_t first_child, std::span<const BTreeEntry> entries,
               const BTreeShape& shape) {
  const BTreeBlock kind = level == 0 ? BTreeBlock::leaf : BTreeBlock::inner;
  put_front(image, kind, level, entries.size(), first_child);
  const auto copy = [&image](std::size_t at, Bytes bytes) {
    if (!bytes.empty()) std::memcpy(image.bytes.data() + at, bytes.data(), bytes.size());
    return at + bytes.size();
  };
  if (shape.key_width != 0) {
    std::size_t at = BTreeView::front;
    for (const BTreeEntry& entry : entries) at = copy(copy(at, entry.key), entry.value);
    assert(at <= limits::block_size);
    return;
  }
  std::size_t end = limits::block_size;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    end -= entries[i].key.size() + entries[i].value.size();
    put(image, BTreeView::front + i * BTreeView::slot_size, static_cast<std::uint16_t>(end));
    copy(copy(end, entries[i].key), entries[i].value);
  }
  assert(end >= BTreeView::front + entries.size() * BTreeView::slot_size);
}

void make_trunk(BTreeImage& image, std::uint64_t next) { put_front(image, BTreeBlock::trunk, 0, 0, next); }

}  // namespace chimera::tables
