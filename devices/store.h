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

#include "devices/catalogue.h"
#include "devices/device.h"
#include "devices/file_blocks.h"
#include "devices/memory_device.h"
#include "devices/outcomes.h"
#include "devices/owned_pool.h"
#include "devices/store_figures.h"
#include "io/file.h"

namespace chimera::devices {

class FileDevice;
class PoolDevice;

/// How a store keeps its devices in memory.
struct MemoryOptions {
  /// What they may hold together; by default half of the computer's memory.
  std::uint64_t most_bytes = half_of_memory();
  /// Makes the devices themselves; tests put devices of their own here.
  std::function<std::unique_ptr<MemoryDevice>(const Uuid&, std::string name, MemoryBudget&)> make;

  [[nodiscard]] static std::uint64_t half_of_memory();
};

/// Not thread-safe: it belongs to one machine.
class Store final : public Catalogue {
 public:
  explicit Store(MemoryOptions = {});  ///< in memory only
  /// With all devices that the pool holds. Files are served from below this folder; null: none are.
  explicit Store(OwnedPool, MemoryOptions = {}, std::shared_ptr<io::Folder> = nullptr);
  ~Store() override;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  [[nodiscard]] Device* find(const Uuid& uuid) const override;
  [[nodiscard]] Device* find(std::string_view name) const override;
  [[nodiscard]] std::vector<Device*> list(std::string_view prefix, std::string_view after,
                                          std::size_t most) const override;
  [[nodiscard]] std::size_t device_count() const;
  /// Nothing of it may be changed.
  [[nodiscard]] bool read_only() const;
  /// Devices may be files.
  [[nodiscard]] bool serves_files() const { return folder_ != nullptr; }
  /// Its maps have been found to contradict each other: nothing is to be taken from what is in memory unasked.
  [[nodiscard]] bool contradictory() const;
  /// The journal's records are still to be run (vm::Machine::open).
  [[nodiscard]] bool needs_replay() const;

  Outcome create(Waiter&, std::string_view name, std::span<const std::uint8_t> columns, const CreateOptions&,
                 Device*& made) override;
  Outcome snapshot(Waiter&, std::span<const SnapshotTarget>, std::vector<Device*>& made) override;
  Outcome rename(Waiter&, Device&, std::string_view name) override;
  Outcome protect(Waiter&, Device&, bool read_only) override;
  Outcome roll_back(Waiter&, Device&, Device& content) override;
  /// Of devices in the pool, all at one moment: each takes what its content had before.
  struct RollBack {
    Device* device;
    Device* content;
  };
  Outcome roll_back(Waiter&, std::span<const RollBack>);
  Outcome remove(Waiter&, Device&) override;
  /// So many devices more, or `no_space`.
  [[nodiscard]] Outcome check_room(Waiter&, std::size_t new_devices) const;

  // store_hidden.cpp: devices that only a transaction knows; a crash takes them away. Of the pairs the first is to be
  // rehearsed, the second performed (Waiter::stage).
  [[nodiscard]] std::unique_ptr<Device> make_hidden(const Uuid&, std::string_view name, const CreateOptions&);
  /// A device that is a file, which is open from now on.
  Outcome make_hidden_file(Waiter&, const Uuid&, std::string_view name, const std::string& path,
                           std::unique_ptr<Device>& made);
  /// One that is not entered goes, a file when nothing of it is under way any more.
  void abandon(std::unique_ptr<Device> hidden);
  /// `clone`, which is hidden and empty and of the same kind, gets the content that `origin` (which may be hidden too)
  /// has now. Waits.
  Outcome clone_hidden(Waiter&, Device& origin, Device& clone);
  Outcome prepare_entry(Waiter&, const Device& hidden);
  /// From now on it is a device like others, with this name. A clone says whose content it has; that has not changed
  /// meanwhile.
  Device& enter_hidden(std::unique_ptr<Device> hidden, std::string_view name, Device* origin);
  Outcome prepare_replacement(Waiter&, Device&);
  /// The device takes the content of a hidden one, which is that of `origin`.
  struct Replacement {
    Device* device;
    Device* hidden;
    Device* origin;
  };
  /// All at one moment.
  void replace(std::span<const Replacement>);

  /// What one step may touch.
  struct StepLimits {
    std::uint64_t blocks;         ///< of the pool: those that are written, and nodes of maps
    std::uint64_t journal_bytes;  ///< what stands in the record
  };
  [[nodiscard]] StepLimits step_limits() const;
  /// Whether a step that adds so many bytes to the journal may be taken. Waits.
  Outcome admit_step(Waiter&, std::uint64_t journal_bytes);
  /// So many nodes more than each operation by itself needs, because others go before it.
  Outcome prepare_nodes(Waiter&, std::size_t nodes);

  /// Everything answered before is durable, but for what was written to files outside of transactions.
  Outcome sync(Waiter&);
  /// store_files.cpp: the same, and with it a device that is a file, or all of them: they hold all that has been done
  /// to them. Calls for the same waiter have the same scope, until it is released.
  struct FlushScope {
    bool all_files = false;
    std::optional<Uuid> file;
  };
  Outcome flush(Waiter&, const FlushScope&);
  /// Of each device whose file cannot be opened now, why, in words.
  [[nodiscard]] std::vector<std::string> missing_files() const;
  /// The device is a file that cannot be opened now.
  [[nodiscard]] static bool is_missing(const Device& device);
  /// Whether the device, if it is a file, may be deleted although it cannot be brought in order first.
  void give_up(Device&, bool may_go);
  /// Everything is durable, and the store on the disk is in order without its journal: for an orderly end.
  Outcome checkpoint(Waiter&);

  /// An instruction in pieces gives the frames of the last piece back, and goes on after the others.
  void yield(Waiter&);
  /// Gives back what an instruction holds; to be called when it has ended, however it ended.
  void release(Waiter&);
  /// Background work (the walk that frees deleted devices, a checkpoint that is due). True while some is left that
  /// could go on at once; I/O that is under way is not counted.
  bool work();
  /// Something that was deleted is on its way to be given back to the disk's host, by `work`.
  [[nodiscard]] bool is_giving_back() const;
  /// What is too little to be given back otherwise is worth it now: at an orderly end.
  void give_back_at_end();
  /// Requests are under way on the disk.
  [[nodiscard]] bool io_pending() const;
  /// Until nothing is under way on the disk and in files: the store can go then without having to wait.
  void wait_for_io();
  [[nodiscard]] StoreFigures figures() const;
  /// A JSON object for `describe device`: name, uuid, kind, length, fixed_length, read_only, columns_length, family.
  [[nodiscard]] std::string describe(const Device&) const;
  [[nodiscard]] Pool* pool() const { return pool_.get(); }
  /// The pool's side of a device: all of it, or the part of a file; null for one in memory.
  [[nodiscard]] static PoolDevice* part_of(Device&);
  [[nodiscard]] Outcomes& outcomes() { return *outcomes_; }

 private:
  class FlushProgress;
  Outcome open_file(Waiter&, const std::string& path, std::unique_ptr<io::File>& opened);
  Outcome create_file(Waiter&, std::string_view name, std::span<const std::uint8_t> columns, const CreateOptions&,
                      const Uuid&, Device*& made);
  std::unique_ptr<FileDevice> make_file(std::unique_ptr<PoolDevice> part);
  Outcome flush_files(Waiter&, const FlushScope&, bool checkpoint);
  [[nodiscard]] Outcome admit(Waiter&, Device&);
  [[nodiscard]] std::unique_ptr<MemoryDevice> make_memory_device(const Uuid&, std::string_view name);
  Device* enter(std::unique_ptr<Device>);
  Outcome create_in_memory(Waiter&, std::string_view name, std::span<const std::uint8_t> columns, const CreateOptions&,
                           const Uuid&, Device*& made);

  MemoryOptions memory_;
  MemoryBudget memory_budget_;  ///< must outlive the devices
  std::shared_ptr<Pool> pool_;
  std::shared_ptr<io::Folder> folder_;
  FileBudget file_budget_;          ///< must outlive the devices too
  std::vector<FileDevice*> files_;  ///< all devices that are files
  std::vector<std::unique_ptr<FileDevice>> abandoned_;
  std::unique_ptr<Outcomes> outcomes_;
  std::map<std::string, Device*, std::less<>> by_name_;
  struct UuidHash {
    std::size_t operator()(const Uuid& uuid) const noexcept;
  };
  std::unordered_map<Uuid, std::unique_ptr<Device>, UuidHash> by_uuid_;
};

}  // namespace chimera::devices
