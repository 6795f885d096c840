// Devices that take over each other's blocks: clones, snapshots, roll backs.

#include <algorithm>
#include <vector>

#include "devices/pool.h"
#include "devices/reference_counts.h"

namespace chimera::devices {
namespace {

/// What a clone's record has beside its name: the opcodes, the operands' length, two UUIDs and the name's length.
constexpr std::size_t clone_bytes = 40;

}  // namespace

/// All blocks of these trees may from now on be found in other trees too.
void Pool::share_trees(std::span<Tree> trees) {
  for (Tree& tree : trees) {
    tree.settle();
    tree.set_share_generation(blocks_.generation());
  }
}

/// First phase of sharing all that these devices hold, beside `records` new records of the manifest. `roots` are those
/// that get a reference more.
Outcome Pool::prepare_sharing(Waiter& waiter, std::span<PoolDevice* const> origins, std::size_t records,
                              BlockStore::Purpose purpose, std::vector<std::uint64_t>& roots) {
  for (const PoolDevice* origin : origins) {
    for (const Tree& tree : origin->trees_) {
      if (!tree.empty()) roots.push_back(tree.root().slot.address());
    }
  }
  Collected collected;
  Needs needs{.blocks = Manifest::most_blocks_for(records)};
  blocks_.references().prepare(waiter, roots, collected, needs);
  if (const Outcome outcome = blocks_.conclude(waiter, collected); !outcome.is_ready()) return outcome;
  return blocks_.provide(waiter, needs, purpose);
}

Outcome Pool::clone(Waiter& waiter, std::span<const Clone> clones, std::vector<std::unique_ptr<PoolDevice>>& made) {
  std::uint64_t record_bytes = 0;
  for (const Clone& clone : clones) record_bytes += clone_bytes + clone.name.size();
  const bool has_record = record_bytes <= journal_.largest_step();
  const Outcome admitted = admit(waiter, has_record ? std::max(record_bytes, largest_addition) : largest_addition);
  if (!admitted.is_ready()) return admitted;
  journal_.sharing();
  std::vector<PoolDevice*> origins;
  for (const Clone& clone : clones) origins.push_back(clone.origin);
  std::vector<std::uint64_t> roots;
  const Outcome room = prepare_sharing(waiter, origins, clones.size(), BlockStore::Purpose::user, roots);
  if (!room.is_ready()) return room;

  for (const std::uint64_t root : roots) blocks_.references().add(root, 1);
  for (const Clone& clone : clones) {
    PoolDevice& origin = *clone.origin;
    share_trees(origin.trees_);
    auto device = std::make_unique<PoolDevice>(*this, clone.uuid, clone.name);
    device->number_ = manifest_.add();
    devices_[device->number_] = device.get();
    device->take_content(origin);
    device->family_ = origin.family_;
    mark(origin);
    if (has_record) journal_.cloned(origin, *device);
    made.push_back(std::move(device));
  }
  if (!has_record) journal_.break_off();
  blocks_.begin_generation();
  return Outcome::ready();
}

Outcome Pool::roll_back(Waiter& waiter, std::span<const RollBack> pairs) {
  for (const auto& [device, content] : pairs) {
    if (const Outcome writable = device->check_writable(waiter); !writable.is_ready()) return writable;
  }
  if (const Outcome room = wait_for_graves(waiter); !room.is_ready()) return room;
  journal_.sharing();
  std::vector<PoolDevice*> contents;
  for (const RollBack& pair : pairs) contents.push_back(pair.content);
  std::vector<std::uint64_t> roots;
  const std::size_t graves = pairs.size() * std::tuple_size_v<decltype(PoolDevice::trees_)>;
  const Outcome room = prepare_sharing(waiter, contents, graves, BlockStore::Purpose::shrinking, roots);
  if (!room.is_ready()) return room;

  for (const std::uint64_t root : roots) blocks_.references().add(root, 1);
  std::vector<std::unique_ptr<PoolDevice>> before;
  for (const auto& [device, content] : pairs) {
    share_trees(content->trees_);
    mark(*content);
    before.push_back(std::make_unique<PoolDevice>(*this, Uuid{}, std::string()));
    before.back()->take_content(*content);
  }
  std::vector<Journal::RolledBack> recorded;
  for (std::size_t n = 0; n < pairs.size(); ++n) {
    PoolDevice& device = *pairs[n].device;
    for (const Tree& tree : device.trees_) {
      if (!tree.empty()) bury(tree);
    }
    device.take_content(*before[n]);
    mark(device);
    recorded.emplace_back(&device, pairs[n].content);
  }
  journal_.rolled_back(recorded);
  blocks_.begin_generation();
  return Outcome::ready();
}

}  // namespace chimera::devices
