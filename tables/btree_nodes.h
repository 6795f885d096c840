#pragma once
// The blocks of a B+tree that are in memory: read when they are needed, checked once, changed here first.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tables/answers.h"
#include "tables/btree_header.h"
#include "tables/btree_node.h"
#include "tables/link.h"
#include "tables/script.h"
#include "tables/version.h"

namespace chimera::tables {

struct BTreeNode {
  std::uint64_t block = 0;
  std::unique_ptr<BTreeImage> image;
  std::unique_ptr<BTreeImage> before;  ///< what the device has, if that differs
  bool is_new = false;                 ///< the device has nothing of it yet
  bool is_recent = false;              ///< used since somebody looked for what may go

  [[nodiscard]] bool is_changed() const { return is_new || before != nullptr; }
};

/// Pointers to nodes hold until `settle`, unless the node is released. No node goes from memory before that.
class BTreeNodes {
 public:
  BTreeNodes(Link& link, const Version& version, const Uuid& device, std::string name, std::size_t most)
      : link_(link),
        version_(version),
        device_(device),
        name_(std::move(name)),
        most_(std::max<std::size_t>(most, 64)) {}

  /// Somebody wants to read what its scripts are for.
  void explain() { script_ = Script(true); }
  void expect(BTreeShape shape) { expected_ = shape; }
  /// It is open, and a new tree's.
  void begin_empty(BTreeShape shape);
  /// Reads the header, if it is not there.
  [[nodiscard]] Result<> open();
  /// Once it is open; what is planned.
  [[nodiscard]] BTreeHeader& header() { return header_; }
  [[nodiscard]] BTreeView view(const BTreeNode& node) const { return {*node.image, header_.shape}; }

  /// A leaf or inner node of that level. `corrupt` if the block is none.
  [[nodiscard]] Result<BTreeNode*> get(std::uint64_t block, unsigned level);
  /// A trunk. `corrupt` if the block is none.
  [[nodiscard]] Result<BTreeNode*> trunk(std::uint64_t block);
  [[nodiscard]] bool has(std::uint64_t block) { return find(block) != nullptr; }
  /// Reads those that are not there, in few programs.
  [[nodiscard]] Result<> load(std::span<const std::uint64_t> blocks);

  /// A new image for a node, a copy of the old one, which stays where it is until `settle`.
  [[nodiscard]] BTreeImage& rewrite(BTreeNode& node);
  /// A node that nobody refers to yet, all zeros.
  [[nodiscard]] Result<BTreeNode*> allocate();
  /// Nobody refers to it any more. Its images stay until `settle`.
  [[nodiscard]] Result<> release(BTreeNode& node);

  [[nodiscard]] std::size_t changed_blocks() const { return changed_.size(); }
  void emit(Script& script) const;
  void keep();
  void abandon();
  void forget();
  /// At the end of an operation: old images go, and nodes if there are too many.
  void settle();

  [[nodiscard]] Failure damaged(std::uint64_t block, std::string_view problem) const;

 private:
  [[nodiscard]] Result<> read(std::span<const std::uint64_t> blocks);
  [[nodiscard]] BTreeNode* find(std::uint64_t block);
  [[nodiscard]] BTreeNode& insert(std::uint64_t block, std::unique_ptr<BTreeImage> image);
  [[nodiscard]] BTreeImage& edit(BTreeNode& node);
  [[nodiscard]] std::unique_ptr<BTreeImage> spare_image();
  void remove(BTreeNode& node);
  void recycle(std::unique_ptr<BTreeImage> image);
  void emit_new(Script& script, std::span<const BTreeNode* const> run) const;
  void emit_changes(Script& script, const BTreeNode& node) const;

  Link& link_;
  const Version& version_;
  Uuid device_;
  std::string name_;
  std::size_t most_;

  std::optional<BTreeShape> expected_;
  bool is_open_ = false;
  BTreeHeader header_;
  BTreeHeader header_before_;  ///< what the device has
  std::unordered_map<std::uint64_t, BTreeNode> nodes_;
  std::vector<BTreeNode*>
      nodes_by_block_;                  ///< of the first blocks: finding one there misses the processor's cache once
  std::vector<std::uint64_t> changed_;  ///< blocks that have been changed, perhaps some that were released again
  std::vector<std::unique_ptr<BTreeImage>> old_images_;
  std::vector<std::unique_ptr<BTreeImage>> spare_images_;
  Script script_;
  Answers answers_;
};

}  // namespace chimera::tables
