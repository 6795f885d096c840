#pragma once
// How many trees, beyond the first, hold a block: kept where there is more than one. An array of u32 over the addresses
// of the store, in a tree of its own.

#include <cstdint>
#include <span>
#include <vector>

#include "devices/tree.h"

namespace chimera::devices {

class ReferenceCounts {
 public:
  explicit ReferenceCounts(BlockStore& blocks) : blocks_(blocks), tree_(blocks, {}, 0) {}

  void open(const TreeRoot& root, std::uint64_t total) {
    tree_.replace(root);
    total_ = total;
  }
  [[nodiscard]] const TreeRoot& root() const { return tree_.root(); }
  /// Sum of all counts.
  [[nodiscard]] std::uint64_t total() const { return total_; }
  void settle() { tree_.settle(); }
  bool settle_some(std::size_t& budget) { return tree_.settle_some(budget); }

  // First phase.
  /// To read the counts of these addresses.
  void fetch(Waiter&, std::uint64_t address, Collected&);
  /// To change the counts of these addresses, which it sorts.
  void prepare(Waiter&, std::vector<std::uint64_t>& addresses, Collected&, Needs&);

  // Second phase.
  [[nodiscard]] std::uint32_t get(std::uint64_t address);
  void add(std::uint64_t address, std::int32_t change);

 private:
  static constexpr std::uint64_t counts_per_block = block_size / sizeof(std::uint32_t);
  BlockStore& blocks_;
  Tree tree_;
  std::uint64_t total_ = 0;
};

}  // namespace chimera::devices
