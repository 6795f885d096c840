#pragma once
// The devices of one machine: a catalogue of names and UUIDs over a pool, if there is one, and devices in memory.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "devices/device.h"
#include "devices/memory_device.h"

namespace chimera::devices {

class Pool;

/// How a store keeps its devices in memory.
struct MemoryOptions {
  /// What they may hold together; by default half of the computer's memory.
  std::uint64_t most_bytes = half_of_memory();
  /// Makes the devices themselves; tests put devices of their own here.
  std::function<std::unique_ptr<MemoryDevice>(const Uuid&, std::string name, MemoryBudget&)> make;

  [[nodiscard]] static std::uint64_t half_of_memory();
};

struct CreateOptions {
  Kind kind = Kind::pool;  ///< a store without a pool makes a memory device instead
  bool fixed_length = false;
  std::uint64_t length = 0;  ///< bytes, for a fixed length
  std::optional<Uuid> uuid;  ///< a new one (random) if left out
};

struct SnapshotTarget {
  Device* origin;
  std::string name;
  std::optional<Uuid> uuid = std::nullopt;  ///< of the clone; a new one (random) if left out
};

/// Not thread-safe: it belongs to one machine. Names are checked by the caller (isa/text.h); uniqueness is checked
/// here.
class Store {
 public:
  explicit Store(MemoryOptions = {});                         ///< in memory only
  explicit Store(std::unique_ptr<Pool>, MemoryOptions = {});  ///< with all devices that the pool holds
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  [[nodiscard]] Device* find(const Uuid& uuid) const;
  [[nodiscard]] Device* find(std::string_view name) const;
  /// Devices whose name begins with `prefix` and sorts behind `after`, in the order of their names' bytes.
  [[nodiscard]] std::vector<Device*> list(std::string_view prefix, std::string_view after, std::size_t most) const;
  [[nodiscard]] std::size_t device_count() const;
  /// Nothing of it may be changed.
  [[nodiscard]] bool read_only() const;
  /// Its maps have been found to contradict each other: nothing is to be taken from what is in memory unasked.
  [[nodiscard]] bool contradictory() const;
  /// The journal's records are still to be run (vm::Machine::open).
  [[nodiscard]] bool needs_replay() const;

  // Each waits as often as it needs and has its effect in the run that answers ready. `exists`: the name or
  // the UUID is taken; `no_space`: also where there are limits::most_devices already.
  Outcome create(Waiter&, std::string_view name, std::span<const std::uint8_t> columns, const CreateOptions&,
                 Device*& made);
  Outcome snapshot(Waiter&, std::span<const SnapshotTarget>, std::vector<Device*>& made);  ///< all or none
  Outcome rename(Waiter&, Device&, std::string_view name);
  Outcome protect(Waiter&, Device&, bool read_only);
  Outcome roll_back(Waiter&, Device&, Device& content);  ///< `unsupported` unless of one family and kind
  /// The device is gone when this is ready and must not be used any more; its space comes back in the background.
  Outcome remove(Waiter&, Device&);
  Outcome sync(Waiter&);  ///< everything answered before is durable
  /// The same, and the store on the disk is in order without its journal: for an orderly end.
  Outcome checkpoint(Waiter&);

  /// Gives back what an instruction holds; to be called when it has ended, however it ended.
  void release(Waiter&);
  /// Background work (the walk that frees deleted devices, a checkpoint that is due). True while some is left that
  /// could go on at once; I/O that is under way is not counted.
  bool work();
  /// A JSON object for `describe store`: size, used, free, devices, cache, journal, checkpoint.
  [[nodiscard]] std::string describe() const;
  /// A JSON object for `describe device`: name, uuid, kind, length, fixed_length, read_only, columns_length, family.
  [[nodiscard]] std::string describe(const Device&) const;
  [[nodiscard]] Pool* pool() const { return pool_.get(); }

 private:
  [[nodiscard]] Outcome check_new_name(Waiter&, std::string_view name) const;
  [[nodiscard]] Outcome admit(Waiter&, const Device&);
  [[nodiscard]] Outcome check_room(Waiter&, std::size_t new_devices) const;
  [[nodiscard]] Uuid unused_uuid() const;
  [[nodiscard]] std::unique_ptr<MemoryDevice> make_memory_device(const Uuid&, std::string_view name);
  Device* enter(std::unique_ptr<Device>);
  Outcome create_in_memory(Waiter&, std::string_view name, std::span<const std::uint8_t> columns, const CreateOptions&,
                           const Uuid&, Device*& made);

  MemoryOptions memory_;
  MemoryBudget memory_budget_;  ///< must outlive the devices
  std::shared_ptr<Pool> pool_;
  std::map<std::string, Device*, std::less<>> by_name_;
  struct UuidHash {
    std::size_t operator()(const Uuid& uuid) const noexcept;
  };
  std::unordered_map<Uuid, std::unique_ptr<Device>, UuidHash> by_uuid_;
};

}  // namespace chimera::devices
