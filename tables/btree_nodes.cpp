#include "tables/btree_nodes.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cassert>

#include "tables/differences.h"

namespace chimera::tables {
namespace {

/// Blocks that one program reads, and that one instruction writes.
constexpr std::size_t most_read_at_once = 2048;
constexpr std::size_t most_written_at_once = 256;
constexpr std::size_t most_spare_images = 256;
/// Blocks that are found by their number, 8 bytes each: 4 GiB of nodes.
constexpr std::uint64_t most_by_block = std::uint64_t{1} << 20;

}  // namespace

Failure BTreeNodes::damaged(std::uint64_t block, std::string_view problem) const {
  return {Status::corrupt, fmt::format("\"{}\" is damaged: block {} cannot be used, {}.", name_, block, problem)};
}

void BTreeNodes::begin_empty(BTreeShape shape) {
  header_ = BTreeHeader();
  header_.shape = shape;
  header_before_ = header_;
  is_open_ = true;
}

Result<> BTreeNodes::open() {
  if (is_open_) return {};
  Reading reading(script_, version_);
  script_.note([this] { return fmt::format("\"{}\": its header", name_); });
  script_.read_block(device_, 0);
  if (auto done = reading.run(link_, answers_); !done)
    return std::unexpected(damage_of(name_, std::move(done.error())));
  const auto header = BTreeHeader::parse(answers_.bytes(1));
  if (!header) return std::unexpected(damaged(0, header.error()));
  if (expected_ && header->shape != *expected_) {
    return std::unexpected(damaged(0, "its keys and values are not as wide as the schema says"));
  }
  header_ = header_before_ = *header;
  is_open_ = true;
  return {};
}

Result<> BTreeNodes::load(std::span<const std::uint64_t> blocks) {
  std::vector<std::uint64_t> missing;
  for (const std::uint64_t block : blocks) {
    if (!has(block)) missing.push_back(block);
  }
  std::ranges::sort(missing);
  const auto twice = std::ranges::unique(missing);
  missing.erase(twice.begin(), twice.end());
  for (std::size_t at = 0; at < missing.size(); at += most_read_at_once) {
    const std::size_t count = std::min(most_read_at_once, missing.size() - at);
    if (auto done = read(std::span(missing).subspan(at, count)); !done) return done;
  }
  return {};
}

Result<> BTreeNodes::read(std::span<const std::uint64_t> blocks) {
  Reading reading(script_, version_);
  script_.note([&] { return fmt::format("\"{}\": {} nodes", name_, blocks.size()); });
  for (const std::uint64_t block : blocks) script_.read_block(device_, block * limits::block_size);
  if (auto done = reading.run(link_, answers_); !done)
    return std::unexpected(damage_of(name_, std::move(done.error())));
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    auto image = spare_image();
    std::ranges::copy(answers_.bytes(i + 1), image->bytes.begin());
    const std::string problem = problem_of_node(*image, header_);
    if (!problem.empty()) return std::unexpected(damaged(blocks[i], problem));
    insert(blocks[i], std::move(image)).is_recent = true;
  }
  return {};
}

Result<BTreeNode*> BTreeNodes::get(std::uint64_t block, unsigned level) {
  BTreeNode* found = find(block);
  if (found == nullptr) {
    if (auto done = read({&block, 1}); !done) return std::unexpected(std::move(done.error()));
    found = find(block);
  }
  BTreeNode& node = *found;
  node.is_recent = true;
  const BTreeView looked_at = view(node);
  if (looked_at.is(BTreeBlock::trunk) || looked_at.level() != level) {
    return std::unexpected(damaged(block, fmt::format("it is no node of level {}", level)));
  }
  return &node;
}

Result<BTreeNode*> BTreeNodes::trunk(std::uint64_t block) {
  if (!has(block)) {
    if (auto done = read({&block, 1}); !done) return std::unexpected(std::move(done.error()));
  }
  BTreeNode& node = nodes_.at(block);
  if (!view(node).is(BTreeBlock::trunk)) return std::unexpected(damaged(block, "it lists no free blocks"));
  return &node;
}

BTreeNode* BTreeNodes::find(std::uint64_t block) {
  if (block < nodes_by_block_.size()) return nodes_by_block_[block];
  if (block < most_by_block) return nullptr;
  const auto found = nodes_.find(block);
  return found == nodes_.end() ? nullptr : &found->second;
}

BTreeNode& BTreeNodes::insert(std::uint64_t block, std::unique_ptr<BTreeImage> image) {
  BTreeNode& node = nodes_[block];
  if (block < most_by_block) {
    if (block >= nodes_by_block_.size()) nodes_by_block_.resize(std::bit_ceil(block + 1));
    nodes_by_block_[block] = &node;
  }
  node.block = block;
  node.image = std::move(image);
  return node;
}

std::unique_ptr<BTreeImage> BTreeNodes::spare_image() {
  if (spare_images_.empty()) return std::make_unique<BTreeImage>();
  auto image = std::move(spare_images_.back());
  spare_images_.pop_back();
  return image;
}

void BTreeNodes::recycle(std::unique_ptr<BTreeImage> image) {
  if (image != nullptr && spare_images_.size() < most_spare_images) spare_images_.push_back(std::move(image));
}

BTreeImage& BTreeNodes::rewrite(BTreeNode& node) {
  auto image = spare_image();
  image->bytes = node.image->bytes;
  std::swap(image, node.image);
  if (node.is_changed()) {
    old_images_.push_back(std::move(image));
  } else {
    node.before = std::move(image);
    changed_.push_back(node.block);
  }
  return *node.image;
}

/// For changes that nobody has a view of.
BTreeImage& BTreeNodes::edit(BTreeNode& node) { return node.is_changed() ? *node.image : rewrite(node); }

Result<BTreeNode*> BTreeNodes::allocate() {
  std::uint64_t block = header_.blocks;
  if (header_.trunk == 0) {
    if (block >= limits::greatest_length / limits::block_size) {
      return std::unexpected(Failure{Status::no_space, fmt::format("\"{}\" has no blocks left.", name_)});
    }
    ++header_.blocks;
  } else {
    auto found = trunk(header_.trunk);
    if (!found) return found;
    BTreeNode& list = **found;
    const std::size_t count = view(list).count();
    if (count > 0) {
      block = view(list).listed(count - 1);
      const auto rest = static_cast<std::uint16_t>(count - 1);
      std::memcpy(edit(list).bytes.data() + BTreeView::count_at, &rest, sizeof rest);
    } else {
      block = list.block;
      header_.trunk = view(list).link();
      remove(list);
    }
    --header_.free;
    if ((header_.free == 0) != (header_.trunk == 0)) {
      return std::unexpected(damaged(0, "it does not count the free blocks that there are"));
    }
    if (has(block)) return std::unexpected(damaged(block, "it is listed as free"));
  }
  auto image = spare_image();
  image->bytes.fill(0);
  BTreeNode& node = insert(block, std::move(image));
  node.is_new = true;
  changed_.push_back(block);
  return &node;
}

Result<> BTreeNodes::release(BTreeNode& node) {
  const std::uint64_t block = node.block;
  if (header_.trunk != 0) {
    auto found = trunk(header_.trunk);
    if (!found) return std::unexpected(std::move(found.error()));
    BTreeNode& list = **found;
    const std::size_t count = view(list).count();
    if (count < BTreeView::most_listed) {
      BTreeImage& image = edit(list);
      const auto more = static_cast<std::uint16_t>(count + 1);
      std::memcpy(image.bytes.data() + BTreeView::count_at, &more, sizeof more);
      std::memcpy(image.bytes.data() + BTreeView::front + count * sizeof block, &block, sizeof block);
      ++header_.free;
      remove(node);
      return {};
    }
  }
  make_trunk(rewrite(node), header_.trunk);
  header_.trunk = block;
  ++header_.free;
  return {};
}

void BTreeNodes::remove(BTreeNode& node) {
  old_images_.push_back(std::move(node.image));
  if (node.before != nullptr) old_images_.push_back(std::move(node.before));
  const std::uint64_t block = node.block;
  if (block < nodes_by_block_.size()) nodes_by_block_[block] = nullptr;
  nodes_.erase(block);
}

void BTreeNodes::emit(Script& script) const {
  std::vector<std::uint64_t> blocks = changed_;
  std::ranges::sort(blocks);
  blocks.erase(std::ranges::unique(blocks).begin(), blocks.end());
  std::vector<const BTreeNode*> run;
  const auto finish_run = [&] {
    if (!run.empty()) emit_new(script, run);
    run.clear();
  };
  for (const std::uint64_t block : blocks) {
    const auto found = nodes_.find(block);
    if (found == nodes_.end() || !found->second.is_changed()) continue;
    const BTreeNode& node = found->second;
    const bool goes_on = !run.empty() && run.back()->block + 1 == block && run.size() < most_written_at_once;
    if (!node.is_new || !goes_on) finish_run();
    if (node.is_new) {
      run.push_back(&node);
    } else {
      emit_changes(script, node);
    }
  }
  finish_run();
  const BTreeHeader::Bytes before = header_before_.bytes();
  const BTreeHeader::Bytes after = header_.bytes();
  if (before == after) return;
  script.note([this] { return fmt::format("\"{}\": its header", name_); });
  write_differences(script, device_, 0, before, after);
}

/// Nodes in blocks that follow each other.
void BTreeNodes::emit_new(Script& script, std::span<const BTreeNode* const> run) const {
  script.note([&] { return fmt::format("\"{}\": {} new nodes, from block {} on", name_, run.size(), run[0]->block); });
  const std::span<std::uint8_t> room = script.write_room(device_, run[0]->block * limits::block_size,
                                                         static_cast<std::uint32_t>(run.size() * limits::block_size));
  std::uint8_t* at = room.data();
  for (const BTreeNode* node : run) at = std::ranges::copy(node->image->bytes, at).out;
}

void BTreeNodes::emit_changes(Script& script, const BTreeNode& node) const {
  script.note([&] {
    const BTreeView after = view(node);
    if (after.is(BTreeBlock::trunk)) return fmt::format("\"{}\": free blocks, listed in block {}", name_, node.block);
    const std::string_view kind = after.is(BTreeBlock::leaf) ? "leaf" : "inner node";
    return fmt::format("\"{}\": {} in block {}, of {} entries", name_, kind, node.block, after.count());
  });
  write_differences(script, device_, node.block * limits::block_size, node.before->bytes, node.image->bytes);
}

void BTreeNodes::keep() {
  for (const std::uint64_t block : changed_) {
    const auto found = nodes_.find(block);
    if (found == nodes_.end()) continue;
    found->second.is_new = false;
    recycle(std::move(found->second.before));
  }
  changed_.clear();
  header_before_ = header_;
  settle();
}

void BTreeNodes::abandon() {
  for (const std::uint64_t block : changed_) {
    const auto found = nodes_.find(block);
    if (found == nodes_.end() || !found->second.is_changed()) continue;
    BTreeNode& node = found->second;
    if (node.is_new) {
      remove(node);
    } else {
      node.image = std::move(node.before);
    }
  }
  changed_.clear();
  header_ = header_before_;
  settle();
}

void BTreeNodes::forget() {
  nodes_.clear();
  nodes_by_block_.clear();
  changed_.clear();
  old_images_.clear();
  is_open_ = false;
}

void BTreeNodes::settle() {
  for (auto& image : old_images_) recycle(std::move(image));
  old_images_.clear();
  // Two rounds: who was used lately may stay for one. Half of them go, so this is rare.
  for (int round = 0; round < 2 && nodes_.size() > most_; ++round) {
    for (auto item = nodes_.begin(); item != nodes_.end() && nodes_.size() > most_ / 2;) {
      BTreeNode& node = item->second;
      const bool goes = !node.is_changed() && !node.is_recent;
      node.is_recent = false;
      if (goes && node.block < nodes_by_block_.size()) nodes_by_block_[node.block] = nullptr;
      item = goes ? nodes_.erase(item) : std::next(item);
    }
  }
}

}  // namespace chimera::tables
