// Devices that only a transaction knows, until its commit enters them: new ones and clones. A hidden clone is booked as
// graves, so a crash takes it away.

#include <cassert>

#include "devices/pool.h"
#include "devices/reference_counts.h"

namespace chimera::devices {
namespace {

/// Records of the manifest that transactions which are not committed may take.
constexpr std::size_t most_hidden_holds = 4096;
/// For messages of the check.
constexpr std::string_view outcomes_name = "outcomes of tokens";

}  // namespace

std::unique_ptr<PoolDevice> Pool::make_hidden(const Uuid& uuid, std::string_view name, bool fixed_length,
                                              std::uint64_t length) {
  auto device = std::make_unique<PoolDevice>(*this, uuid, std::string(name));
  device->family_ = uuid;
  device->fixed_length_ = fixed_length;
  device->length_ = fixed_length ? length : 0;
  return device;
}

Outcome Pool::clone_hidden(Waiter& waiter, PoolDevice& origin, PoolDevice& clone) {
  if (const Outcome admitted = admit(waiter); !admitted.is_ready()) return admitted;
  if (const Outcome room = wait_for_graves(waiter); !room.is_ready()) return room;
  if (hidden_holds_ >= most_hidden_holds) {
    waiter.message = "transactions hold too many clones that are not committed yet; commit in smaller ones";
    return Outcome::fail(Status::too_large);
  }
  std::vector<std::uint64_t> roots;
  PoolDevice* const origins[] = {&origin};
  const Outcome room = prepare_sharing(waiter, origins, origin.trees_.size(), BlockStore::Purpose::user, roots);
  if (!room.is_ready()) return room;

  for (const std::uint64_t root : roots) blocks_.references().add(root, 1);
  share_trees(origin.trees_);
  origin.hidden() ? mark_holds(origin) : mark(origin);
  clone.take_content(origin);
  for (const Tree& tree : clone.trees_) {
    if (tree.empty()) continue;
    clone.holds_.push_back(bury(tree));
    graves_.at(clone.holds_.back()).held = true;
    ++hidden_holds_;
  }
  clone.family_ = origin.family_;
  blocks_.begin_generation();
  return Outcome::ready();
}

/// The graves of a hidden device are as much shared as it is itself.
void Pool::mark_holds(PoolDevice& hidden) {
  for (const std::uint32_t hold : hidden.holds_) {
    graves_.at(hold).tree.set_share_generation(blocks_.generation());
    manifest_.mark(hold);
  }
}

void Pool::drop_holds(PoolDevice& hidden) {
  for (const std::uint32_t hold : hidden.holds_) {
    graves_.erase(hold);
    manifest_.remove(hold);
  }
  hidden_holds_ -= hidden.holds_.size();
  hidden.holds_.clear();
}

Outcome Pool::prepare_entry(Waiter& waiter) {
  if (const Outcome admitted = admit(waiter); !admitted.is_ready()) return admitted;
  return blocks_.provide(waiter, {.blocks = Manifest::most_blocks_for(1)}, BlockStore::Purpose::user);
}

void Pool::enter_hidden(PoolDevice& hidden, const PoolDevice* origin) {
  assert(hidden.hidden());
  drop_holds(hidden);
  hidden.number_ = manifest_.add();
  devices_[hidden.number_] = &hidden;
  if (origin == nullptr) {
    journal_.created(hidden);
  } else {
    journal_.sharing();
    journal_.cloned(*origin, hidden);
  }
}

std::unique_ptr<PoolDevice> Pool::take_outcomes() {
  if (outcomes_ == nullptr) {
    outcomes_ = make_hidden(Uuid{}, outcomes_name, false, 0);
    outcomes_->internal_ = true;
  }
  return std::move(outcomes_);
}

void Pool::enter_outcomes(PoolDevice& hidden) {
  hidden.number_ = manifest_.add();
  devices_[hidden.number_] = &hidden;
}

Outcome Pool::prepare_replacement(Waiter& waiter, PoolDevice& device) {
  if (const Outcome writable = device.check_writable(waiter); !writable.is_ready()) return writable;
  if (const Outcome room = wait_for_graves(waiter); !room.is_ready()) return room;
  const Needs needs{.blocks = Manifest::most_blocks_for(device.trees_.size())};
  return blocks_.provide(waiter, needs, BlockStore::Purpose::shrinking);
}

void Pool::replace(PoolDevice& device, PoolDevice& hidden) {
  assert(hidden.hidden() && !device.hidden());
  journal_.sharing();
  for (const Tree& tree : device.trees_) {
    if (!tree.empty()) bury(tree);
  }
  drop_holds(hidden);
  device.take_content(hidden);
  mark(device);
}

}  // namespace chimera::devices
