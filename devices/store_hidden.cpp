// What a store does for transactions: devices that only one of them knows, and steps that are taken as a whole.

#include <cassert>

#include "devices/pool.h"
#include "devices/store.h"

namespace chimera::devices {
namespace {

/// So much of the cache may be held by one step.
constexpr std::uint64_t steps_in_cache = 3;

PoolDevice& in_pool(Device& device) {
  assert(device.kind() == Kind::pool);
  return static_cast<PoolDevice&>(device);
}

}  // namespace

std::unique_ptr<Device> Store::make_hidden(const Uuid& uuid, std::string_view name, const CreateOptions& options) {
  if (pool_ != nullptr && options.kind == Kind::pool) {
    return pool_->make_hidden(uuid, name, options.fixed_length, options.length);
  }
  auto device = make_memory_device(uuid, name);
  device->fixed_length_ = options.fixed_length;
  device->length_ = options.fixed_length ? options.length : 0;
  return device;
}

Outcome Store::clone_hidden(Waiter& waiter, Device& origin, Device& clone) {
  if (origin.kind() == Kind::pool) return pool_->clone_hidden(waiter, in_pool(origin), in_pool(clone));
  static_cast<MemoryDevice&>(clone).adopt(static_cast<MemoryDevice&>(origin));
  return Outcome::ready();
}

Outcome Store::prepare_entry(Waiter& waiter, const Device& hidden) {
  return hidden.kind() == Kind::memory ? Outcome::ready() : pool_->prepare_entry(waiter);
}

Device& Store::enter_hidden(std::unique_ptr<Device> hidden, std::string_view name, Device* origin) {
  hidden->name_ = name;
  if (origin == nullptr) hidden->family_ = hidden->uuid();
  if (PoolDevice* const part = part_of(*hidden)) {
    part->name_ = name;
    part->family_ = hidden->family_;
    pool_->enter_hidden(*part, origin == nullptr ? nullptr : &in_pool(*origin));
  }
  return *enter(std::move(hidden));
}

Outcome Store::prepare_replacement(Waiter& waiter, Device& device) {
  return device.kind() == Kind::pool ? pool_->prepare_replacement(waiter, in_pool(device)) : Outcome::ready();
}

void Store::replace(std::span<const Replacement> replacements) {
  std::vector<Journal::RolledBack> recorded;
  for (const auto& [device, hidden, origin] : replacements) {
    if (device->kind() == Kind::pool) {
      pool_->replace(in_pool(*device), in_pool(*hidden));
      recorded.emplace_back(&in_pool(*device), &in_pool(*origin));
    } else {
      static_cast<MemoryDevice&>(*device).adopt(static_cast<MemoryDevice&>(*hidden));
    }
  }
  if (!recorded.empty()) pool_->journal().rolled_back(recorded);
}

Store::StepLimits Store::step_limits() const {
  if (pool_ == nullptr) return {~std::uint64_t{0}, ~std::uint64_t{0}};
  return {pool_->blocks().cache().frame_count() / steps_in_cache, pool_->journal().largest_transaction()};
}

Outcome Store::admit_step(Waiter& waiter, std::uint64_t journal_bytes) {
  return pool_ == nullptr ? Outcome::ready() : pool_->admit(waiter, journal_bytes);
}

Outcome Store::prepare_nodes(Waiter& waiter, std::size_t nodes) {
  if (pool_ == nullptr) return Outcome::ready();
  return pool_->blocks().provide(waiter, {.frames = nodes, .blocks = nodes}, BlockStore::Purpose::user);
}

}  // namespace chimera::devices
