#pragma once
// One block of a B+tree other than the header: a leaf, an inner node, or a trunk, which lists free blocks. Here is how
// its bytes are read, checked and made. docs/table-format.md has them.
//
// Keys of one width: an array of entries, key and value side by side. Keys of several lengths: an array of u16, where
// each entry begins; the first ends at the end of the block, each other where the one before it begins. Either way a
// node has one form for one content, as far as its entries go.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "isa/bytes.h"
#include "isa/limits.h"
#include "tables/btree_header.h"

namespace chimera::tables {

enum class BTreeBlock : std::uint8_t { leaf = 1, inner = 2, trunk = 3 };

struct BTreeImage {
  alignas(64) std::array<std::uint8_t, limits::block_size> bytes;
};

/// A look at a node's bytes that have been checked.
class BTreeView {
 public:
  using Bytes = std::span<const std::uint8_t>;

  // kind u8, level u8 (leaves are 0), count u16, 0 u32, u64: inner: the first child; trunk: the next one
  static constexpr std::size_t front = 16, count_at = 2, link_at = 8;
  /// Bytes for entries.
  static constexpr std::size_t capacity = limits::block_size - front;
  static constexpr std::size_t slot_size = sizeof(std::uint16_t);
  static constexpr std::size_t child_size = sizeof(std::uint64_t);
  static constexpr std::size_t most_listed = capacity / sizeof(std::uint64_t);

  /// Of a node of a tree of that shape.
  BTreeView(const BTreeImage& image, BTreeShape shape)
      : bytes_(image.bytes.data()),
        key_width_(shape.key_width),
        value_width_(is(BTreeBlock::leaf) ? shape.value_width : static_cast<std::uint16_t>(child_size)) {}

  [[nodiscard]] bool is(BTreeBlock kind) const { return bytes_[0] == static_cast<std::uint8_t>(kind); }
  [[nodiscard]] unsigned level() const { return bytes_[1]; }
  /// Entries: keys with their values, or with the child that begins with the key; of a trunk, numbers.
  [[nodiscard]] std::size_t count() const { return load<std::uint16_t>(bytes_ + count_at); }
  [[nodiscard]] std::uint64_t link() const { return load<std::uint64_t>(bytes_ + link_at); }
  [[nodiscard]] std::uint64_t listed(std::size_t i) const { return load<std::uint64_t>(bytes_ + front + 8 * i); }

  [[nodiscard]] Bytes key(std::size_t i) const {
    if (key_width_ != 0) return {bytes_ + front + i * (key_width_ + value_width_), key_width_};
    const std::size_t begin = slot(i);
    return {bytes_ + begin, end_of(i) - begin - value_width_};
  }
  [[nodiscard]] Bytes value(std::size_t i) const {
    if (key_width_ != 0) return {bytes_ + front + i * (key_width_ + value_width_) + key_width_, value_width_};
    return {bytes_ + end_of(i) - value_width_, value_width_};
  }
  /// Of an inner node: count() + 1 of them.
  [[nodiscard]] std::uint64_t child(std::size_t i) const {
    return i == 0 ? link() : load<std::uint64_t>(value(i - 1).data());
  }

  /// The first entry whose key is not less than `key`; with `after`, is greater.
  [[nodiscard]] std::size_t lower_bound(Bytes key, bool after = false) const;
  /// The child below which `key` is, if it is there.
  [[nodiscard]] std::size_t child_of(Bytes key) const { return lower_bound(key, true); }

  /// Bytes of its entries.
  [[nodiscard]] std::size_t used() const {
    if (key_width_ != 0) return count() * (key_width_ + value_width_);
    return count() == 0 ? 0 : limits::block_size - slot(count() - 1) + count() * slot_size;
  }

 private:
  [[nodiscard]] std::size_t lower_bound_of_number(std::uint64_t wanted, bool after) const;
  [[nodiscard]] std::size_t slot(std::size_t i) const { return load<std::uint16_t>(bytes_ + front + slot_size * i); }
  [[nodiscard]] std::size_t end_of(std::size_t i) const { return i == 0 ? limits::block_size : slot(i - 1); }

  const std::uint8_t* bytes_;
  std::size_t key_width_;
  std::size_t value_width_;
};

/// As memcmp, the shorter first.
[[nodiscard]] inline int compare_keys(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b) {
  // What is empty need not be anywhere.
  const std::size_t common = std::min(a.size(), b.size());
  const int order = common == 0 ? 0 : std::memcmp(a.data(), b.data(), common);
  if (order != 0) return order;
  return a.size() < b.size() ? -1 : a.size() > b.size() ? 1 : 0;
}

/// An entry of a node that is being made: the views point to where it is taken from.
struct BTreeEntry {
  std::span<const std::uint8_t> key;
  std::span<const std::uint8_t> value;  ///< in inner nodes, the child's number

  /// Bytes that it takes in a node of such keys.
  [[nodiscard]] std::size_t size(const BTreeShape& shape) const {
    return key.size() + value.size() + (shape.key_width == 0 ? BTreeView::slot_size : 0);
  }
};

/// What is wrong with a block that is to be a node of `header`'s tree, as a clause; empty if nothing. Of a node that is
/// right everything can be read: its entries are within it and sorted, its children's numbers are of blocks.
[[nodiscard]] std::string problem_of_node(const BTreeImage& image, const BTreeHeader& header);

/// Makes a leaf (level 0) or inner node of entries that fit. `image` may hold what was there; bytes that belong to no
/// entry stay.
void make_node(BTreeImage& image, unsigned level, std::uint64_t first_child, std::span<const BTreeEntry> entries,
               const BTreeShape& shape);
/// Makes a trunk that lists nothing yet.
void make_trunk(BTreeImage& image, std::uint64_t next);

}  // namespace chimera::tables
