#include "tables/btree.h"

#include <algorithm>
#include <cassert>

#include "tables/btree_change.h"
#include "tables/btree_walk.h"

namespace chimera::tables {

BTree::BTree(Link& link, const Version& version, const Uuid& device, std::string name, std::size_t cached_nodes)
    : nodes_(link, version, device, std::move(name), cached_nodes) {}

void BTree::create(Script& script, const Uuid& device, Shape shape) {
  assert(shape.key_width <= Shape::longest_key && shape.value_width <= Shape::widest_value);
  BTreeHeader header;
  header.shape = shape;
  script.write_bytes(device, 0, header.bytes());
}

Result<BTree::Shape> BTree::shape() {
  if (auto opened = nodes_.open(); !opened) return std::unexpected(std::move(opened.error()));
  return nodes_.header().shape;
}

Result<std::uint64_t> BTree::size() {
  if (auto opened = nodes_.open(); !opened) return std::unexpected(std::move(opened.error()));
  return nodes_.header().entries;
}

Result<std::optional<BTree::Bytes>> BTree::find(Bytes key) {
  if (auto opened = nodes_.open(); !opened) return std::unexpected(std::move(opened.error()));
  const BTreeHeader& header = nodes_.header();
  if (header.root == 0) return std::nullopt;
  // Now, and not when the leaf has been found: no node may go that the caller is given a view of.
  nodes_.settle();
  std::uint64_t block = header.root;
  for (unsigned level = header.height - 1u;; --level) {
    auto found = nodes_.get(block, level);
    if (!found) return std::unexpected(std::move(found.error()));
    const BTreeView node = nodes_.view(**found);
    if (level > 0) {
      block = node.child(node.child_of(key));
      continue;
    }
    const std::size_t at = node.lower_bound(key);
    const bool is_there = at < node.count() && compare_keys(node.key(at), key) == 0;
    return is_there ? std::optional(node.value(at)) : std::nullopt;
  }
}

Result<> BTree::load(std::span<const Entry> sorted) {
  if (auto opened = nodes_.open(); !opened) return opened;
  return load_paths(nodes_, sorted);
}

Result<> BTree::range(const Range& range, std::size_t limit, Entries& found) {
  if (auto opened = nodes_.open(); !opened) return opened;
  BTreeWalk walk(nodes_, range, limit);
  auto done = walk.run(found);
  nodes_.settle();
  return done;
}

Result<> BTree::change(BTreeChangeKind kind, std::span<const Entry> sorted) {
  if (auto opened = nodes_.open(); !opened) return opened;
  if (sorted.empty()) return {};
  if (sorted.size() > 1) {
    if (auto loaded = load_paths(nodes_, sorted); !loaded) return loaded;
  }
  auto done = BTreeChange(nodes_, kind, sorted).run();
  nodes_.settle();
  return done;
}

Result<> BTree::insert(std::span<const Entry> sorted) { return change(BTreeChangeKind::insert, sorted); }
Result<> BTree::put(std::span<const Entry> sorted) { return change(BTreeChangeKind::put, sorted); }
Result<> BTree::erase(std::span<const Entry> sorted) { return change(BTreeChangeKind::erase, sorted); }

}  // namespace chimera::tables
