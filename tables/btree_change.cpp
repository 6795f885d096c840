#include "tables/btree_change.h"

#include <algorithm>
#include <cassert>

namespace chimera::tables {
namespace {

/// A node with less in it looks for a neighbour to be merged with, if what comes of it still has some room.
constexpr std::size_t small = BTreeView::capacity / 3;
constexpr std::size_t full_enough = BTreeView::capacity * 3 / 4;

/// A child's number as the value of an entry. It must stay where it is.
std::span<const std::uint8_t> bytes_of(const std::uint64_t& block) {
  return {reinterpret_cast<const std::uint8_t*>(&block), sizeof block};
}

void append_entries(const BTreeView& node, std::size_t first, std::size_t last, std::vector<BTreeEntry>& to) {
  for (std::size_t i = first; i < last; ++i) to.push_back({node.key(i), node.value(i)});
}

/// Nodes of which each is right, but not beside the others, would make one that cannot be read any more.
bool are_in_order(std::span<const BTreeEntry> entries) {
  const auto not_below = [](const BTreeEntry& a, const BTreeEntry& b) { return compare_keys(a.key, b.key) >= 0; };
  return std::ranges::adjacent_find(entries, not_below) == entries.end();
}

constexpr std::string_view out_of_order = "what would be written there is not in order";

}  // namespace

Result<> BTreeChange::run() {
  for (const BTreeEntry& change : changes_) {
    assert(!change.key.empty() && change.key.size() <= BTreeShape::longest_key);
    // Whoever made the tree knows its shape. If the header says something else it is not what was made.
    const std::size_t width = header_.shape.key_width;
    const bool value_fits = kind_ == BTreeChangeKind::erase || change.value.size() == header_.shape.value_width;
    if ((width != 0 && change.key.size() != width) || !value_fits) {
      return std::unexpected(nodes_.damaged(0, "its keys or values have another size than those of its table"));
    }
  }
  if (header_.root == 0) return begin_tree();
  auto outcome = change_node(header_.root, header_.height - 1u, {0, changes_.size()}, true);
  if (!outcome) return std::unexpected(std::move(outcome.error()));
  if (outcome->is_gone) {
    header_.root = 0;
    header_.height = 0;
  }
  if (auto done = grow(std::move(outcome->siblings)); !done) return done;
  if (auto done = collapse(); !done) return done;
  const bool counts_right = (header_.entries != 0) == (header_.height != 0);
  if (!counts_right) return std::unexpected(nodes_.damaged(0, "it does not count the entries that there are"));
  return {};
}

Result<> BTreeChange::begin_tree() {
  if (kind_ == BTreeChangeKind::erase) return std::unexpected(Failure{Status::not_found, "There is no such key.", 0});
  auto leaf = nodes_.allocate();
  if (!leaf) return std::unexpected(std::move(leaf.error()));
  auto outcome = make(**leaf, 0, 0, changes_, true);
  if (!outcome) return std::unexpected(std::move(outcome.error()));
  header_.root = (*leaf)->block;
  header_.height = 1;
  header_.entries += changes_.size();
  return grow(std::move(outcome->siblings));
}

/// Puts new roots over the old one until one node is enough.
Result<> BTreeChange::grow(std::vector<Child> siblings) {
  while (!siblings.empty()) {
    if (header_.height == BTreeHeader::greatest_height) {
      return std::unexpected(nodes_.damaged(0, "the tree is too high"));
    }
    auto root = nodes_.allocate();
    if (!root) return std::unexpected(std::move(root.error()));
    std::vector<BTreeEntry> entries;
    for (const Child& child : siblings) entries.push_back({child.separator, bytes_of(child.block)});
    auto outcome = make(**root, header_.height, header_.root, entries, true);
    if (!outcome) return std::unexpected(std::move(outcome.error()));
    header_.root = (*root)->block;
    ++header_.height;
    siblings = std::move(outcome->siblings);
  }
  return {};
}

/// A root with one child is not needed.
Result<> BTreeChange::collapse() {
  while (header_.height > 1) {
    auto root = nodes_.get(header_.root, header_.height - 1u);
    if (!root) return std::unexpected(std::move(root.error()));
    const BTreeView view = nodes_.view(**root);
    if (view.count() > 0) break;
    header_.root = view.link();
    --header_.height;
    if (auto done = nodes_.release(**root); !done) return done;
  }
  return {};
}

Result<BTreeChange::Outcome> BTreeChange::change_node(std::uint64_t block, unsigned level, Part part, bool is_last) {
  auto node = nodes_.get(block, level);
  if (!node) return std::unexpected(std::move(node.error()));
  return level == 0 ? change_leaf(**node, part, is_last) : change_inner(**node, level, part, is_last);
}

Result<BTreeChange::Outcome> BTreeChange::change_leaf(BTreeNode& node, Part part, bool is_last) {
  const BTreeView leaf = nodes_.view(node);
  const bool behind_all = leaf.lower_bound(changes_[part.first].key) == leaf.count();
  if (auto done = merge_entries(leaf, part); !done) return std::unexpected(std::move(done.error()));
  if (header_.entries < leaf.count()) {
    return std::unexpected(nodes_.damaged(0, "it does not count the entries that there are"));
  }
  header_.entries += entries_.size() - leaf.count();
  return make(node, 0, 0, entries_, is_last && behind_all);
}

/// The leaf's entries with the changes, to entries_.
Result<> BTreeChange::merge_entries(const BTreeView& leaf, Part part) {
  entries_.clear();
  std::size_t at = 0;
  for (std::size_t i = part.first; i < part.last; ++i) {
    const BTreeEntry& change = changes_[i];
    assert(i == 0 || compare_keys(changes_[i - 1].key, change.key) < 0);
    const std::size_t to = leaf.lower_bound(change.key);
    append_entries(leaf, at, to, entries_);
    const bool is_there = to < leaf.count() && compare_keys(leaf.key(to), change.key) == 0;
    if (kind_ == BTreeChangeKind::insert && is_there) {
      return std::unexpected(Failure{Status::exists, "There is such a key already.", i});
    }
    const bool is_meant = is_there && (change.value.empty() || std::ranges::equal(change.value, leaf.value(to)));
    if (kind_ == BTreeChangeKind::erase && !is_meant) {
      return std::unexpected(Failure{Status::not_found, "There is no such key.", i});
    }
    if (kind_ != BTreeChangeKind::erase) entries_.push_back(change);
    at = to + (is_there ? 1 : 0);
  }
  append_entries(leaf, at, leaf.count(), entries_);
  return {};
}

Result<BTreeChange::Outcome> BTreeChange::change_inner(BTreeNode& node, unsigned level, Part part, bool is_last) {
  const BTreeView view = nodes_.view(node);
  std::vector<Edit> edits;
  for (std::size_t at = part.first; at < part.last;) {
    const std::size_t child = view.child_of(changes_[at].key);
    std::size_t end = part.last;
    if (child < view.count()) {
      const Bytes behind = view.key(child);
      end = at + 1;
      while (end < part.last && compare_keys(changes_[end].key, behind) < 0) ++end;
    }
    auto outcome = change_node(view.child(child), level - 1, {at, end}, is_last && child == view.count());
    if (!outcome) return outcome;
    if (outcome->concerns_parent()) edits.push_back({child, std::move(*outcome)});
    at = end;
  }
  if (edits.empty()) return Outcome{};
  const bool in_order = is_last && edits.front().child == view.count();
  std::vector<Child> children = children_after(view, edits);
  if (auto done = merge_children(children, level - 1); !done) return std::unexpected(std::move(done.error()));
  if (children.empty()) {
    if (auto done = nodes_.release(node); !done) return std::unexpected(std::move(done.error()));
    return Outcome{.is_gone = true};
  }
  std::vector<BTreeEntry> entries;
  entries.reserve(children.size());
  for (const Child& child : std::span(children).subspan(1)) {
    entries.push_back({child.separator, bytes_of(child.block)});
  }
  return make(node, level, children.front().block, entries, in_order);
}

std::vector<BTreeChange::Child> BTreeChange::children_after(const BTreeView& node, std::vector<Edit>& edits) const {
  std::vector<Child> children;
  children.reserve(node.count() + 1 + edits.size());
  auto edit = edits.begin();
  for (std::size_t i = 0; i <= node.count(); ++i) {
    Child child{i == 0 ? Bytes() : node.key(i - 1), node.child(i)};
    const bool is_edited = edit != edits.end() && edit->child == i;
    if (!is_edited) {
      children.push_back(child);
      continue;
    }
    const Outcome& outcome = (edit++)->outcome;
    child.is_small = outcome.is_small;
    if (!outcome.is_gone) children.push_back(child);
    children.insert(children.end(), outcome.siblings.begin(), outcome.siblings.end());
  }
  return children;
}

/// Small children, of that level, are merged with a neighbour.
Result<> BTreeChange::merge_children(std::vector<Child>& children, unsigned level) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < children.size(); ++i) {
    if (kept > 0 && (children[kept - 1].is_small || children[i].is_small)) {
      const auto merged = merge_two(children[kept - 1], children[i], level, children[kept - 1].is_small);
      if (!merged) return std::unexpected(merged.error());
      if (*merged) continue;
    }
    children[kept++] = children[i];
  }
  children.resize(kept);
  return {};
}

/// False: together they would be too full, and nothing has happened.
Result<bool> BTreeChange::merge_two(const Child& left, const Child& right, unsigned level, bool& is_small) {
  auto first = nodes_.get(left.block, level);
  if (!first) return std::unexpected(std::move(first.error()));
  auto second = nodes_.get(right.block, level);
  if (!second) return std::unexpected(std::move(second.error()));
  if (*first == *second) return std::unexpected(nodes_.damaged(left.block, "it is a child twice"));
  const BTreeView a = nodes_.view(**first);
  const BTreeView b = nodes_.view(**second);
  const std::uint64_t between = b.link();
  const BTreeEntry separating{right.separator, bytes_of(between)};
  const std::size_t together = a.used() + b.used() + (level > 0 ? separating.size(header_.shape) : 0);
  if (together > full_enough) return false;
  std::vector<BTreeEntry> entries;
  append_entries(a, 0, a.count(), entries);
  if (level > 0) entries.push_back(separating);
  append_entries(b, 0, b.count(), entries);
  if (!are_in_order(entries)) return std::unexpected(nodes_.damaged(left.block, out_of_order));
  make_node(nodes_.rewrite(**first), level, a.link(), entries, header_.shape);
  is_small = together < small;
  if (auto done = nodes_.release(**second); !done) return std::unexpected(std::move(done.error()));
  return true;
}

/// Makes the node of these entries, and others to its right of what does not fit.
Result<BTreeChange::Outcome> BTreeChange::make(BTreeNode& node, unsigned level, std::uint64_t first_child,
                                               std::span<const BTreeEntry> entries, bool in_order) {
  Outcome outcome;
  if (entries.empty() && level == 0) {
    if (auto done = nodes_.release(node); !done) return std::unexpected(std::move(done.error()));
    outcome.is_gone = true;
    return outcome;
  }
  // Those of a leaf are: it was, and so are the changes.
  if (level > 0 && !are_in_order(entries)) return std::unexpected(nodes_.damaged(node.block, out_of_order));
  const std::vector<std::size_t> begins = cuts(entries, in_order);
  BTreeNode* target = &node;
  for (std::size_t i = 0; i < begins.size(); ++i) {
    const std::size_t end = i + 1 < begins.size() ? begins[i + 1] : entries.size();
    std::span<const BTreeEntry> part = entries.subspan(begins[i], end - begins[i]);
    if (i > 0) {
      auto sibling = nodes_.allocate();
      if (!sibling) return std::unexpected(std::move(sibling.error()));
      target = *sibling;
      const BTreeEntry& front = part.front();
      const Bytes key = level == 0 ? separator(entries[begins[i] - 1].key, front.key) : front.key;
      outcome.siblings.push_back({key, target->block});
      if (level > 0) {
        // Its key goes up to the parent, its child is the first one here.
        first_child = load<std::uint64_t>(front.value.data());
        part = part.subspan(1);
      }
    }
    BTreeImage& image = i == 0 ? nodes_.rewrite(node) : *target->image;
    make_node(image, level, first_child, part, header_.shape);
  }
  const bool may_shrink = kind_ == BTreeChangeKind::erase && begins.size() == 1;
  outcome.is_small = may_shrink && size_of(entries) < small;
  return outcome;
}

/// Where nodes begin that take the entries. In order: as full as can be, for keys that come sorted.
std::vector<std::size_t> BTreeChange::cuts(std::span<const BTreeEntry> entries, bool in_order) const {
  std::vector<std::size_t> begins{0};
  const std::size_t all = size_of(entries);
  if (all <= BTreeView::capacity) return begins;
  const std::size_t nodes = (all + BTreeView::capacity - 1) / BTreeView::capacity;
  const std::size_t enough = in_order ? BTreeView::capacity : all / nodes;
  std::size_t size = 0;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const std::size_t more = entries[i].size(header_.shape);
    if (size > 0 && (size + more > BTreeView::capacity || size >= enough)) {
      begins.push_back(i);
      size = 0;
    }
    size += more;
  }
  return begins;
}

/// The shortest key that is above `before` and not above `behind`.
BTreeChange::Bytes BTreeChange::separator(Bytes before, Bytes behind) const {
  if (header_.shape.key_width != 0) return behind;
  const auto common = std::ranges::mismatch(before, behind).in2 - behind.begin();
  return behind.first(static_cast<std::size_t>(common) + 1);
}

std::size_t BTreeChange::size_of(std::span<const BTreeEntry> entries) const {
  std::size_t size = 0;
  for (const BTreeEntry& entry : entries) size += entry.size(header_.shape);
  return size;
}

}  // namespace chimera::tables
