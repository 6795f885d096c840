#pragma once
// A B+tree on a device: sorted keys, each with a value of a fixed width. docs/table-format.md has the bytes.
//
// Changes are planned in memory and become a part of the caller's transaction, as the smallest writes:
//
//     script.begin(); version.check(script);
//     tree.insert(entries);       // reads what it needs, changes nodes in memory
//     tree.emit(script);
//     version.change(script, next); script.commit();
//     link.run(script, answers)   // ok: version.number = next; tree.keep(). Else: tree.forget()
//
// Nodes that have been read stay in memory; they are those of `version`, and whoever moves it on other than by a commit
// of his own calls `forget`.

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "tables/btree_header.h"
#include "tables/btree_nodes.h"
#include "tables/btree_range.h"
#include "tables/link.h"
#include "tables/script.h"
#include "tables/version.h"

namespace chimera::tables {

enum class BTreeChangeKind : std::uint8_t { insert, put, erase };

class BTree {
 public:
  using Bytes = std::span<const std::uint8_t>;
  using Shape = BTreeShape;

  using Entry = BTreeEntry;  ///< key and value
  using Range = BTreeRange;

  /// `name` is for notes and errors. Link and version must outlive the tree. At most `cached_nodes` nodes of 4 KiB (at
  /// least 64) are kept in memory between calls.
  BTree(Link& link, const Version& version, const Uuid& device, std::string name, std::size_t cached_nodes = 4096);

  /// Somebody wants to read what its scripts are for.
  void explain() { nodes_.explain(); }
  /// Writes an empty tree to a new device, or in the place of what was there. A tree whose cache knows the device must
  /// forget it.
  static void create(Script& script, const Uuid& device, Shape shape);

  /// The device is to hold an empty tree of this shape when what is planned is committed: nothing is read of it.
  void begin_empty(Shape shape) { nodes_.begin_empty(shape); }
  /// A tree of another shape than this is `corrupt` from now on.
  void expect(Shape shape) { nodes_.expect(shape); }

  // Reading, what is planned included. A failure `conflict` says that the version is not the device's any more;
  // `corrupt` names the device and the block.

  [[nodiscard]] Result<Shape> shape();
  /// Entries in it.
  [[nodiscard]] Result<std::uint64_t> size();
  /// The value of a key; none if it is not there. A view that holds until the tree is next used.
  [[nodiscard]] Result<std::optional<Bytes>> find(Bytes key);
  /// Reads all nodes that lead to these keys, which are sorted, in few programs. Then `find` of each is in memory.
  [[nodiscard]] Result<> load(std::span<const Entry> sorted);
  /// The first `limit` entries of a range, in its order, appended to `found`. To go on: again, from the last key.
  [[nodiscard]] Result<> range(const Range& range, std::size_t limit, Entries& found);

  // Planning. Entries are sorted by key, without duplicates (asserted). Keys have 1 to BTreeShape::longest_key bytes
  // (asserted), or the tree's width, values the tree's width: `corrupt` if not, since the header is not the one that
  // was made. After a failure `abandon` what is planned: it may be half of it. `instruction` of a failure `exists` or
  // `not_found` is the number of the entry.

  /// `exists` if a key is there already.
  [[nodiscard]] Result<> insert(std::span<const Entry> sorted);
  /// Sets the values of keys, whether they are there or not.
  [[nodiscard]] Result<> put(std::span<const Entry> sorted);
  /// `not_found` if a key is not there, or has another value than the entry's, where that has one.
  [[nodiscard]] Result<> erase(std::span<const Entry> sorted);

  /// Blocks that `emit` would write to.
  [[nodiscard]] std::size_t changed_blocks() const { return nodes_.changed_blocks(); }
  void emit(Script& script) const { nodes_.emit(script); }
  /// What was planned has been committed.
  void keep() { nodes_.keep(); }
  /// What was planned does not happen; what was read stays.
  void abandon() { nodes_.abandon(); }
  /// Nothing that was read or planned holds any more.
  void forget() { nodes_.forget(); }

 private:
  [[nodiscard]] Result<> change(BTreeChangeKind kind, std::span<const Entry> sorted);

  BTreeNodes nodes_;
};

}  // namespace chimera::tables
