#include "tables/btree_check.h"

#include <fmt/format.h>

#include <optional>
#include <string_view>

#include "tables/btree_nodes.h"
#include "tables/cover.h"

namespace chimera::tables {
namespace {

constexpr std::size_t cached_nodes = 256;
constexpr std::size_t read_at_once = 64;

using Bytes = std::span<const std::uint8_t>;

class Walk {
 public:
  Walk(BTreeNodes& nodes, const BTreeReport& report) : nodes_(nodes), report_(report) {}

  Result<> run() {
    static_cast<void>(seen_.add(0, 1));
    const BTreeHeader header = nodes_.header();
    if (header.root != 0) {
      if (auto done = visit(header.root, header.height - 1u, {}, std::nullopt); !done) return done;
    }
    if (auto done = visit_trunks(header); !done) return done;
    const Cover::Missing missing = seen_.missing(header.blocks);
    if (missing.count > 0 && is_whole_) {
      tell(missing.first, fmt::format("{} blocks belong to nobody and are not free", missing.count));
    }
    if (entries_ != header.entries && is_whole_) {
      tell(0, fmt::format("it counts {} entries, but there are {}", header.entries, entries_));
    }
    return {};
  }

 private:
  void tell(std::uint64_t block, std::string_view problem) { report_.problem(nodes_.damaged(block, problem).words); }

  /// The error of a node that cannot be had: damage is told, and its part of the tree is left out.
  Result<> without(Failure failure) {
    if (failure.status != Status::corrupt) return std::unexpected(std::move(failure));
    is_whole_ = false;
    report_.problem(std::move(failure.words));
    return {};
  }

  /// A node all of whose keys are to be from `low` on and below `high`.
  Result<> visit(std::uint64_t block, unsigned level, Bytes low, std::optional<Bytes> high) {
    if (!seen_.add(block, 1)) {
      tell(block, "two nodes name it");
      return {};
    }
    auto found = nodes_.get(block, level);
    if (!found) return without(std::move(found.error()));
    // A copy, since other nodes have to be able to go from memory meanwhile.
    const BTreeImage image = *(*found)->image;
    const BTreeView node(image, nodes_.header().shape);
    if (node.count() > 0) {
      const bool fits =
          compare_keys(node.key(0), low) >= 0 && (!high || compare_keys(node.key(node.count() - 1), *high) < 0);
      if (!fits) tell(block, "it has keys that do not belong to it");
    }
    nodes_.settle();
    if (level > 0) return visit_children(node, level, low, high);
    entries_ += node.count();
    for (std::size_t i = 0; report_.entry && i < node.count(); ++i) report_.entry({node.key(i), node.value(i)});
    return {};
  }

  Result<> visit_children(const BTreeView& node, unsigned level, Bytes low, std::optional<Bytes> high) {
    for (std::size_t i = 0; i <= node.count(); ++i) {
      if (level == 1 && i % read_at_once == 0) {
        if (auto done = read_ahead(node, i); !done) return done;
      }
      const Bytes from = i == 0 ? low : node.key(i - 1);
      const std::optional<Bytes> to = i == node.count() ? high : node.key(i);
      if (auto done = visit(node.child(i), level - 1, from, to); !done) return done;
    }
    return {};
  }

  /// If one of them is damaged they are read one by one.
  Result<> read_ahead(const BTreeView& node, std::size_t first) {
    std::vector<std::uint64_t> blocks;
    for (std::size_t i = first; i <= node.count() && blocks.size() < read_at_once; ++i) {
      blocks.push_back(node.child(i));
    }
    auto done = nodes_.load(blocks);
    return done || done.error().status == Status::corrupt ? Result<>() : done;
  }

  Result<> visit_trunks(const BTreeHeader& header) {
    std::uint64_t free = 0;
    for (std::uint64_t block = header.trunk; block != 0;) {
      if (!seen_.add(block, 1)) {
        tell(block, "it lists free blocks, and is something else too");
        return {};
      }
      auto found = nodes_.trunk(block);
      if (!found) return without(std::move(found.error()));
      const BTreeView trunk = nodes_.view(**found);
      for (std::size_t i = 0; i < trunk.count(); ++i) {
        if (!seen_.add(trunk.listed(i), 1)) tell(trunk.listed(i), "it is listed as free, and is something else too");
      }
      free += trunk.count() + 1;
      block = trunk.link();
      nodes_.settle();
    }
    if (free != header.free) tell(0, fmt::format("it counts {} free blocks, but {} are listed", header.free, free));
    return {};
  }

  BTreeNodes& nodes_;
  const BTreeReport& report_;
  Cover seen_;
  std::uint64_t entries_ = 0;
  bool is_whole_ = true;
};

}  // namespace

Result<> check_btree(Link& link, const Version& version, const Uuid& device, const std::string& name,
                     const BTreeReport& report) {
  BTreeNodes nodes(link, version, device, name, cached_nodes);
  if (auto opened = nodes.open(); !opened) {
    if (opened.error().status != Status::corrupt) return opened;
    report.problem(opened.error().words);
    return {};
  }
  return Walk(nodes, report).run();
}

}  // namespace chimera::tables
