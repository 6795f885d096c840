#pragma once
// Going through a B+tree by the stack of parents: ranges in both ways, and the paths to many keys.

#include <span>
#include <vector>

#include "tables/btree_nodes.h"
#include "tables/btree_range.h"

namespace chimera::tables {

/// Reads all nodes that lead to the keys, which are sorted, level by level.
[[nodiscard]] Result<> load_paths(BTreeNodes& nodes, std::span<const BTreeEntry> sorted);

/// One range of an open tree, once.
class BTreeWalk {
 public:
  BTreeWalk(BTreeNodes& nodes, const BTreeRange& range, std::size_t limit)
      : nodes_(nodes), range_(range), left_(limit) {}
  /// Appends what is in the range, at most the limit.
  [[nodiscard]] Result<> run(Entries& found);

 private:
  struct Step {
    BTreeNode* node;
    std::size_t child;
  };

  [[nodiscard]] Result<> descend(std::uint64_t block, unsigned level, bool seek);
  [[nodiscard]] Result<bool> next_leaf();
  [[nodiscard]] Result<> read_ahead(const BTreeView& parent, std::size_t child);
  bool take_forwards(Entries& found);
  bool take_backwards(Entries& found);

  BTreeNodes& nodes_;
  const BTreeRange& range_;
  std::size_t left_;        ///< entries that may still be found
  std::vector<Step> path_;  ///< inner nodes from the root down
  BTreeNode* leaf_ = nullptr;
  std::size_t at_ = 0;  ///< forwards: the next entry of the leaf; backwards: the one behind it
};

}  // namespace chimera::tables
