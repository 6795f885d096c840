#include "devices/tree_scan.h"

#include <algorithm>
#include <span>

#include "devices/read_now.h"

namespace chimera::devices {
namespace {

class Request final : public io::DiskRequest {
 public:
  void finished() override { done = true; }
  bool done = false;
};

}  // namespace

RunReader::RunReader(io::Loop& loop, io::Disk& disk) : loop_(loop), disk_(disk) {
  for (std::size_t n = 0; n < io::Disk::most_blocks; ++n) buffers_.push_back(make_block_buffer());
}

bool RunReader::read_run(std::uint64_t address, std::size_t count) {
  std::vector<std::byte*> places;
  for (std::size_t n = 0; n < count; ++n) places.push_back(reinterpret_cast<std::byte*>(buffers_[n].get()));
  Request request;
  request.first_block = address;
  request.buffers = places;
  disk_.start(request);
  step_until(loop_, [&] { return request.done; });
  return request.error == 0;
}

const Block* RunReader::bytes_of(std::uint64_t address, std::size_t place, bool good) {
  Block& bytes = *buffers_[place];
  return good || read_now(loop_, disk_, address, bytes) ? &bytes : nullptr;
}

void TreeScan::walk(const TreeRoot& root) {
  if (root.slot.empty() || !visitor_.enter(root.slot)) return;
  std::vector<Numbered> slots{{root.slot, 0}};
  walk_level(slots, root.height);
}

/// One level, a bounded piece at a time, each piece's children before the next piece.
void TreeScan::walk_level(std::vector<Numbered>& slots, unsigned level) {
  std::ranges::sort(slots, {}, [](const Numbered& numbered) { return numbered.first.address(); });
  std::vector<Slot> sorted;
  for (const auto& [slot, index] : slots) sorted.push_back(slot);
  std::vector<Numbered> children;
  const auto descend = [&] {
    if (!children.empty()) walk_level(children, level - 1);
    children.clear();
  };
  std::vector<std::pair<Node, std::uint64_t>> nodes;
  reader_.read(sorted, [&](std::size_t n, const Block* bytes) {
    const std::uint64_t index = slots[n].second;
    const bool goes_on = visitor_.visit(sorted[n], level, index, bytes);
    if (goes_on && level > 0) nodes.emplace_back(*reinterpret_cast<const Node*>(bytes), index);
  });
  for (const auto& [node, index] : nodes) {
    for (std::uint64_t child = 0; child < slots_per_node; ++child) {
      if (node[child].empty() || !visitor_.enter(node[child])) continue;
      children.emplace_back(node[child], index * slots_per_node + child);
    }
    if (children.size() >= 16 * slots_per_node) descend();
  }
  descend();
}

}  // namespace chimera::devices
