#include "devices/store.h"

#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cstring>

#include <fmt/format.h>
#include <boost/uuid/uuid_io.hpp>

#include "devices/file_device.h"
#include "devices/pool.h"
#include "isa/json_text.h"
#include "isa/limits.h"

namespace chimera::devices {
namespace {

MemoryOptions with_maker(MemoryOptions options) {
  if (!options.make) {
    options.make = [](const Uuid& uuid, std::string name, MemoryBudget& budget) {
      return std::make_unique<MemoryDevice>(uuid, std::move(name), budget);
    };
  }
  return options;
}

MemoryDevice& in_memory(Device& device) {
  assert(device.kind() == Kind::memory);
  return static_cast<MemoryDevice&>(device);
}

PoolDevice& in_pool(Device& device) {
  assert(device.kind() == Kind::pool);
  return static_cast<PoolDevice&>(device);
}

}  // namespace

std::uint64_t MemoryOptions::half_of_memory() {
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page_size = sysconf(_SC_PAGESIZE);
  return pages > 0 && page_size > 0 ? static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page_size) / 2
                                    : std::uint64_t{1} << 30;
}

std::size_t Store::UuidHash::operator()(const Uuid& uuid) const noexcept {
  std::uint64_t halves[2];
  std::memcpy(halves, uuid.data, sizeof halves);
  return static_cast<std::size_t>((halves[0] ^ (halves[1] * 0x9E3779B97F4A7C15u)) * 0xD6E8FEB86659FD93u);
}

Store::Store(MemoryOptions memory) : memory_(with_maker(std::move(memory))), memory_budget_{memory_.most_bytes, 0} {
  outcomes_ = std::make_unique<Outcomes>(nullptr);
}

Store::Store(OwnedPool pool, MemoryOptions memory, std::shared_ptr<io::Folder> folder) : Store(std::move(memory)) {
  pool_ = std::move(pool);
  folder_ = std::move(folder);
  outcomes_ = std::make_unique<Outcomes>(pool_.get());
  for (auto& device : pool_->take_devices()) {
    const bool is_file = !device->path().empty();
    enter(is_file ? std::unique_ptr<Device>(make_file(std::move(device))) : std::move(device));
  }
}

Store::~Store() = default;

Device* Store::find(const Uuid& uuid) const {
  const auto found = by_uuid_.find(uuid);
  return found != by_uuid_.end() ? found->second.get() : nullptr;
}

Device* Store::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found != by_name_.end() ? found->second : nullptr;
}

std::vector<Device*> Store::list(std::string_view prefix, std::string_view after, std::size_t most) const {
  std::vector<Device*> found;
  auto at = after >= prefix && !after.empty() ? by_name_.upper_bound(after) : by_name_.lower_bound(prefix);
  for (; at != by_name_.end() && found.size() < most && at->first.starts_with(prefix); ++at) {
    found.push_back(at->second);
  }
  return found;
}

bool Store::read_only() const { return pool_ != nullptr && pool_->read_only() && !pool_->replaying(); }
bool Store::contradictory() const { return pool_ != nullptr && pool_->blocks().contradictory(); }
bool Store::needs_replay() const { return pool_ != nullptr && pool_->replaying(); }

std::size_t Store::device_count() const { return by_uuid_.size(); }

Outcome Store::check_room(Waiter& waiter, std::size_t new_devices) const {
  if (new_devices <= limits::most_devices && device_count() <= limits::most_devices - new_devices) {
    return Outcome::ready();
  }
  waiter.message = fmt::format("a store holds at most {} devices and this one holds {}; delete some first",
                               limits::most_devices, device_count());
  return Outcome::fail(Status::no_space);
}

std::unique_ptr<MemoryDevice> Store::make_memory_device(const Uuid& uuid, std::string_view name) {
  return memory_.make(uuid, std::string(name), memory_budget_);
}

/// Puts a device into the catalogue.
Device* Store::enter(std::unique_ptr<Device> device) {
  Device* const entered = device.get();
  if (entered->kind() == Kind::file) files_.push_back(static_cast<FileDevice*>(entered));
  const bool new_name = by_name_.emplace(entered->name(), entered).second;
  const bool new_uuid = by_uuid_.emplace(entered->uuid(), std::move(device)).second;
  assert(new_name && new_uuid);
  return entered;
}

Outcome Store::create(Waiter& waiter, std::string_view name, std::span<const std::uint8_t> columns,
                      const CreateOptions& options, Device*& made) {
  if (const Outcome fresh = check_new_name(waiter, name); !fresh.is_ready()) return fresh;
  if (const Outcome fresh = check_new_uuid(waiter, options.uuid); !fresh.is_ready()) return fresh;
  if (const Outcome room = check_room(waiter, 1); !room.is_ready()) return room;
  const Uuid uuid = options.uuid ? *options.uuid : unused_uuid();
  if (options.kind == Kind::file) return create_file(waiter, name, columns, options, uuid, made);
  if (pool_ == nullptr || options.kind == Kind::memory) {
    return create_in_memory(waiter, name, columns, options, uuid, made);
  }
  std::unique_ptr<PoolDevice> device;
  const Outcome outcome = pool_->create(waiter, uuid, name, columns, options, device);
  if (outcome.is_ready()) made = enter(std::move(device));
  return outcome;
}

Outcome Store::create_in_memory(Waiter& waiter, std::string_view name, std::span<const std::uint8_t> columns,
                                const CreateOptions& options, const Uuid& uuid, Device*& made) {
  auto device = make_memory_device(uuid, name);
  device->fixed_length_ = options.fixed_length;
  device->length_ = options.fixed_length ? options.length : 0;
  if (const Outcome room = device->MemoryDevice::prepare(waiter, Plane::columns, 0, columns.size()); !room.is_ready()) {
    return room;
  }
  device->write(Plane::columns, 0, columns);
  device->set_columns_length(columns.size());
  made = enter(std::move(device));
  return Outcome::ready();
}

Outcome Store::snapshot(Waiter& waiter, std::span<const SnapshotTarget> targets, std::vector<Device*>& made) {
  if (const Outcome fresh = check_new_names(waiter, targets); !fresh.is_ready()) return fresh;
  if (const Outcome room = check_room(waiter, targets.size()); !room.is_ready()) return room;
  if (const Outcome shared = check_can_share(waiter, targets); !shared.is_ready()) return shared;
  std::vector<Pool::Clone> wanted;
  for (const SnapshotTarget& target : targets) {
    if (target.origin->kind() == Kind::pool) {
      wanted.push_back({&in_pool(*target.origin), target.uuid ? *target.uuid : unused_uuid(), target.name});
    }
  }
  std::vector<std::unique_ptr<PoolDevice>> clones;
  if (!wanted.empty()) {
    if (const Outcome outcome = pool_->clone(waiter, wanted, clones); !outcome.is_ready()) return outcome;
  }
  auto next = clones.begin();
  for (const SnapshotTarget& target : targets) {
    if (target.origin->kind() == Kind::pool) {
      made.push_back(enter(std::move(*next++)));
      continue;
    }
    auto clone = make_memory_device(target.uuid ? *target.uuid : unused_uuid(), target.name);
    clone->adopt(in_memory(*target.origin));
    made.push_back(enter(std::move(clone)));
  }
  return Outcome::ready();
}

Outcome Store::rename(Waiter& waiter, Device& device, std::string_view name) {
  if (device.name() == name) return Outcome::ready();
  if (const Outcome fresh = check_new_name(waiter, name); !fresh.is_ready()) return fresh;
  if (const Outcome admitted = admit(waiter, device); !admitted.is_ready()) return admitted;
  auto entry = by_name_.extract(device.name());
  entry.key() = name;
  by_name_.insert(std::move(entry));
  device.name_ = name;
  if (PoolDevice* const part = part_of(device)) {
    part->name_ = name;
    pool_->renamed(*part);
  }
  return Outcome::ready();
}

Outcome Store::protect(Waiter& waiter, Device& device, bool read_only) {
  if (const Outcome admitted = admit(waiter, device); !admitted.is_ready()) return admitted;
  device.read_only_ = read_only;
  if (PoolDevice* const part = part_of(device)) {
    part->read_only_ = read_only;
    pool_->protection_changed(*part);
  }
  return Outcome::ready();
}

Outcome Store::roll_back(Waiter& waiter, Device& device, Device& content) {
  if (const Outcome related = check_related(waiter, device, content); !related.is_ready()) return related;
  if (&device == &content) return Outcome::ready();
  if (device.kind() == Kind::pool) {
    const RollBack only[] = {{&device, &content}};
    return roll_back(waiter, only);
  }
  in_memory(device).adopt(in_memory(content));
  return Outcome::ready();
}

Outcome Store::roll_back(Waiter& waiter, std::span<const RollBack> pairs) {
  std::vector<Pool::RollBack> in_the_pool;
  for (const auto& [device, content] : pairs) {
    if (const Outcome related = check_related(waiter, *device, *content); !related.is_ready()) return related;
    in_the_pool.push_back({&in_pool(*device), &in_pool(*content)});
  }
  return pool_->roll_back(waiter, in_the_pool);
}

Outcome Store::remove(Waiter& waiter, Device& device) {
  if (device.kind() == Kind::file && !needs_replay()) {
    auto& file = static_cast<FileDevice&>(device);
    if (const Outcome outcome = file.prepare_removal(waiter); !outcome.is_ready()) return outcome;
  }
  if (PoolDevice* const part = part_of(device)) {
    if (const Outcome outcome = pool_->remove(waiter, *part); !outcome.is_ready()) return outcome;
  }
  if (waiter.stage == Waiter::Stage::rehearsing) return Outcome::ready();
  std::erase_if(files_, [&](const FileDevice* file) { return file == &device; });
  by_name_.erase(device.name());
  by_uuid_.erase(Uuid(device.uuid()));  // a copy: the device's own goes with it
  return Outcome::ready();
}

Outcome Store::admit(Waiter& waiter, Device& device) {
  return part_of(device) != nullptr ? pool_->admit(waiter) : Outcome::ready();
}

Outcome Store::sync(Waiter& waiter) { return pool_ == nullptr ? Outcome::ready() : pool_->sync(waiter); }

void Store::yield(Waiter& waiter) {
  if (pool_ != nullptr) pool_->blocks().release_waiter(waiter);
  file_budget_.release(waiter);
  waiter.wake();
}

void Store::release(Waiter& waiter) {
  if (pool_ != nullptr) pool_->release(waiter);
  waiter.progress.reset();
  file_budget_.release(waiter);
  waiter.message.clear();
  waiter.stage = Waiter::Stage::single;
}

bool Store::work() {
  if (pool_ == nullptr) return false;
  for (FileDevice* file : files_) file->work();
  std::erase_if(abandoned_, [](const auto& file) { return file->at_rest(); });
  const bool more = pool_->work();
  // What a file waits for may have come by the pool's work, which nothing else would tell.
  return more || std::ranges::any_of(files_, [](const FileDevice* file) { return file->may_go_on(); });
}
void Store::give_back_at_end() {
  if (pool_ != nullptr) pool_->give_back_at_end();
}
bool Store::is_giving_back() const { return pool_ != nullptr && pool_->is_giving_back(); }
void Store::wait_for_io() {
  for (FileDevice* file : files_) file->wait_for_io();
  if (pool_ != nullptr) pool_->wait_for_io();
}
bool Store::io_pending() const { return pool_ != nullptr && pool_->io_pending(); }

StoreFigures Store::figures() const {
  if (pool_ != nullptr) return pool_->figures(device_count());
  const std::uint64_t used = memory_budget_.used_bytes;
  const std::uint64_t free = memory_budget_.most_bytes - std::min(used, memory_budget_.most_bytes);
  return {.size = memory_budget_.most_bytes, .used = used, .free = free, .devices = device_count(), .on_disk = {}};
}

std::string Store::describe(const Device& device) const {
  constexpr const char* kinds[] = {"pool", "memory", "file"};
  JsonObject description;
  description.text("name", device.name())
      .text("uuid", to_string(device.uuid()))
      .text("kind", kinds[static_cast<std::size_t>(device.kind())])
      .number("length", device.length())
      .flag("fixed_length", device.fixed_length())
      .flag("read_only", device.read_only())
      .number("columns_length", device.columns_length())
      .text("family", to_string(device.family()));
  if (const auto found = by_uuid_.find(device.uuid());
      found != by_uuid_.end() && device.kind() == Kind::file && found->second->kind() == Kind::file) {
    const auto& file = static_cast<const FileDevice&>(*found->second);
    description.text("path", file.path()).flag("attached", file.attached()).number("held", file.held_bytes());
  }
  return description.end();
}

}  // namespace chimera::devices
