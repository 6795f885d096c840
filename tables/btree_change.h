#pragma once
// A sorted batch of changes to a B+tree: each node that it concerns is made anew once, split or merged as needed.

#include <cstdint>
#include <span>
#include <vector>

#include "tables/btree.h"
#include "tables/btree_nodes.h"

namespace chimera::tables {

/// Of an open tree; once.
class BTreeChange {
 public:
  using Bytes = std::span<const std::uint8_t>;

  BTreeChange(BTreeNodes& nodes, BTreeChangeKind kind, std::span<const BTreeEntry> changes)
      : nodes_(nodes), header_(nodes.header()), kind_(kind), changes_(changes) {}
  [[nodiscard]] Result<> run();

 private:
  /// A node as its parent knows it.
  struct Child {
    Bytes separator;  ///< not above its first key, above all of those before it; of a first child not looked at
    std::uint64_t block = 0;
    bool is_small = false;  ///< it might be merged with another
  };
  /// What has become of a node.
  struct Outcome {
    bool is_gone = false;
    bool is_small = false;
    std::vector<Child> siblings;  ///< what did not find room in it, in nodes to its right
    [[nodiscard]] bool concerns_parent() const { return is_gone || is_small || !siblings.empty(); }
  };
  struct Edit {
    std::size_t child;
    Outcome outcome;
  };
  /// Changes, by their numbers.
  struct Part {
    std::size_t first, last;
  };

  [[nodiscard]] Result<> begin_tree();
  [[nodiscard]] Result<> grow(std::vector<Child> siblings);
  [[nodiscard]] Result<> collapse();
  [[nodiscard]] Result<Outcome> change_node(std::uint64_t block, unsigned level, Part part, bool is_last);
  [[nodiscard]] Result<Outcome> change_leaf(BTreeNode& node, Part part, bool is_last);
  [[nodiscard]] Result<Outcome> change_inner(BTreeNode& node, unsigned level, Part part, bool is_last);
  [[nodiscard]] Result<> merge_entries(const BTreeView& leaf, Part part);
  [[nodiscard]] std::vector<Child> children_after(const BTreeView& node, std::vector<Edit>& edits) const;
  [[nodiscard]] Result<> merge_children(std::vector<Child>& children, unsigned level);
  [[nodiscard]] Result<bool> merge_two(const Child& left, const Child& right, unsigned level, bool& is_small);
  [[nodiscard]] Result<Outcome> make(BTreeNode& node, unsigned level, std::uint64_t first_child,
                                     std::span<const BTreeEntry> entries, bool in_order);
  [[nodiscard]] std::vector<std::size_t> cuts(std::span<const BTreeEntry> entries, bool in_order) const;
  [[nodiscard]] Bytes separator(Bytes before, Bytes behind) const;
  [[nodiscard]] std::size_t size_of(std::span<const BTreeEntry> entries) const;

  BTreeNodes& nodes_;
  BTreeHeader& header_;
  BTreeChangeKind kind_;
  std::span<const BTreeEntry> changes_;
  std::vector<BTreeEntry> entries_;  ///< of the leaf that is being made
};

}  // namespace chimera::tables
