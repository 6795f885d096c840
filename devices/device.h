#pragma once
// A device as the machine sees it: two arrays of bytes (data, metadata) and a text (columns), behind an interface
// that lets an instruction be run again from its start until all that it needs is in memory.
//
// An instruction has two phases. In the first it calls `fetch` and `prepare` for everything that it will touch, with
// no effect that anyone can see; if one of them answers `wait`, the instruction is left and run again, from the start,
// when its Waiter is woken. In the second, which follows in the same run with no other instruction between, it calls
// `read`, `equal`, `write`, which cannot fail.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "isa/status.h"
#include "isa/uuid.h"

namespace chimera::devices {

enum class Plane : std::uint8_t { data, metadata, columns };
enum class Kind : std::uint8_t { pool, memory, file };

/// How a call that may have to wait came out.
class [[nodiscard]] Outcome {
 public:
  static constexpr Outcome ready() { return Outcome(Status::ok, false); }
  static constexpr Outcome wait() { return Outcome(Status::ok, true); }
  /// The text behind the status, if any, is in Waiter::message.
  static constexpr Outcome fail(Status status) { return Outcome(status, false); }
  [[nodiscard]] constexpr bool is_ready() const { return status_ == Status::ok && !waits_; }
  [[nodiscard]] constexpr bool waits() const { return waits_; }
  [[nodiscard]] constexpr Status status() const { return status_; }

 private:
  constexpr Outcome(Status status, bool waits) : status_(status), waits_(waits) {}
  Status status_;
  bool waits_;
};

/// State that a long operation keeps from one run of its instruction to the next.
class Progress {
 public:
  virtual ~Progress() = default;
};

/// Whoever runs an instruction that may have to wait: a session has one, and one for each pending flush.
class Waiter {
 public:
  /// Something that the instruction waited for has come (or will never come): run it again. Called from Loop::step
  /// or from another instruction's run; it must only note the fact.
  virtual void wake() = 0;

  std::string message;                 ///< why the last call failed, for the answer
  std::unique_ptr<Progress> progress;  ///< reset by the machine when the instruction has ended
  /// Frames of the block cache that stay for this instruction; the devices fill it, Store::release empties it.
  std::vector<std::uint32_t> pins;

  // Kept by the devices, for this instruction; Store::release resets them.
  std::uint32_t loads = 0;   ///< requests under way that this instruction waits for
  bool queued = false;       ///< it waits for memory
  bool listed = false;       ///< it waits for space, a checkpoint or a bitmap
  unsigned space_waits = 0;  ///< how often it has waited for space in vain
  /// Reads of bitmaps that had failed when it first needed one.
  std::optional<std::uint64_t> bitmap_failures;
  std::uint64_t failed_address = 0;  ///< a block that could not be had, and why: reported if it is met again
  Status failed_status = Status::ok;

  /// Several operations may have their effects in one step. First all are rehearsed, which does everything up to the
  /// effects and adds up what they need; then, in the same run, all are performed, which neither waits nor fails.
  enum class Stage : std::uint8_t { single, rehearsing, performing };
  Stage stage = Stage::single;
  /// What has been rehearsed so far needs: frames and blocks of the pool, bytes of devices in memory.
  struct Rehearsed {
    std::size_t frames = 0;
    std::size_t blocks = 0;
    std::uint64_t memory_bytes = 0;
  } rehearsed;

 protected:
  ~Waiter() = default;
};

/// A stretch of a device, in the terms of `read extents` and `compare devices`.
struct Extent {
  static constexpr std::uint32_t hole = 1, zeros = 2, differ = 4;
  std::uint64_t length;  ///< bytes
  std::uint32_t flags;
};

/// What `describe device` and the lists say of a device, beside its name.
class Device {
 public:
  virtual ~Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  [[nodiscard]] const Uuid& uuid() const noexcept { return uuid_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] Kind kind() const noexcept { return kind_; }
  [[nodiscard]] std::uint64_t length() const noexcept { return length_; }  ///< bytes of data
  [[nodiscard]] std::uint64_t columns_length() const noexcept { return columns_length_; }
  [[nodiscard]] bool fixed_length() const noexcept { return fixed_length_; }
  [[nodiscard]] bool read_only() const noexcept { return read_only_; }
  /// Shared by a device and all clones of it, near and far: what `roll back device` may choose from.
  [[nodiscard]] const Uuid& family() const noexcept { return family_; }

  /// What has been done to its data since the store was opened. The machine counts, the devices only keep it.
  struct Traffic {
    std::uint64_t reads = 0, read_bytes = 0;
    std::uint64_t writes = 0, written_bytes = 0;
  };
  [[nodiscard]] const Traffic& traffic() const noexcept { return traffic_; }
  /// From now on, with this to begin with.
  void count(const Traffic& traffic) noexcept { traffic_ = traffic; }
  void count_read(std::uint64_t bytes, std::uint64_t reads = 1) noexcept {
    traffic_.reads += reads;
    traffic_.read_bytes += bytes;
  }
  void count_write(std::uint64_t bytes) noexcept {
    ++traffic_.writes;
    traffic_.written_bytes += bytes;
  }

  /// Its data are there, and `length` is right. Waits; `io_error` of a file that is not there. To be called before
  /// anything is asked of the data, with an instruction's own waiter.
  virtual Outcome available(Waiter&) { return Outcome::ready(); }

  // First phase: may wait, has no effect. Ranges are checked by the caller against the contract's limits; they may
  // reach past the length, where everything is zeros. Metadata reaches to offset 2^64 - 1 inclusive.
  virtual Outcome fetch(Waiter&, Plane, std::uint64_t offset, std::uint64_t count) = 0;
  /// For a write of exactly this range: what is only partly overwritten is loaded, room is found.
  virtual Outcome prepare(Waiter&, Plane, std::uint64_t offset, std::uint64_t count) = 0;
  enum class Depth : std::uint8_t { maps, blocks };
  /// Starts loading for an instruction further down the stream, if there is room; remembers nothing. False if more can
  /// be started only when what has been started is there.
  virtual bool prefetch(Plane, std::uint64_t /*offset*/, std::uint64_t /*count*/, Depth) { return true; }

  // Second phase.
  virtual void read(Plane, std::uint64_t offset, std::span<std::uint8_t> out) = 0;
  /// The 4096 bytes of a block of data that begins below the length, if they are in memory and verified; null
  /// otherwise (which says nothing: `fetch` it). Valid until the next call on any device of the store that is not a
  /// `peek` or a `read`, and until the loop steps. For the machine's fast path.
  [[nodiscard]] virtual const std::uint8_t* peek(std::uint64_t /*block*/) const noexcept { return nullptr; }
  /// Where a block stands in the device's map, as far as that can be told at once. Valid as long as what `peek` gives.
  struct Place {
    const void* slot = nullptr;
    const void* hint = nullptr;
  };
  /// For `peek`s of many blocks, whose look-ups should miss the processor's caches side by side: first this for each,
  /// which brings its place in the map near, then `approach` for each, which brings the block near.
  [[nodiscard]] virtual Place locate(std::uint64_t /*block*/) const noexcept { return {}; }
  virtual void approach(const Place&) const noexcept {}
  [[nodiscard]] virtual bool equal(Plane, std::uint64_t offset, std::span<const std::uint8_t> bytes) = 0;
  /// Moves the length up where the range passes it (data); columns take `set_columns_length`.
  virtual void write(Plane, std::uint64_t offset, std::span<const std::uint8_t> bytes) = 0;
  virtual void set_columns_length(std::uint64_t length) = 0;  ///< after a `prepare` of columns

  // Whole operations: they wait as often as they need and have their effect in one step, in the run that answers
  // ready.
  virtual Outcome clear(Waiter&, Plane, std::uint64_t offset, std::uint64_t count) = 0;
  virtual Outcome set_length(Waiter&, std::uint64_t length) = 0;
  /// From the maps alone. Appends extents until `count` bytes are covered or `out` holds limits::most_extents.
  virtual Outcome extents(Waiter&, Plane, std::uint64_t offset, std::uint64_t count, std::vector<Extent>& out) = 0;
  /// The same for where this and `other`, of the same kind, differ.
  virtual Outcome differences(Waiter&, Device& other, std::uint64_t offset, std::uint64_t count,
                              std::vector<Extent>& out) = 0;
  /// Takes over `count` bytes of `from` (of the same kind; may be this device) as if all were read first. All three
  /// are multiples of 4096, so blocks are shared, not moved. The caller has checked both ranges.
  virtual Outcome share(Waiter&, std::uint64_t offset, Device& from, std::uint64_t from_offset,
                        std::uint64_t count) = 0;
  /// SHA-256 of a range of data as it is at one moment. Large ranges keep Waiter::progress.
  virtual Outcome digest(Waiter&, std::uint64_t offset, std::uint64_t count, std::span<std::uint8_t, 32> out) = 0;

 protected:
  Device(Kind kind, const Uuid& uuid, std::string name) : kind_(kind), uuid_(uuid), name_(std::move(name)) {}

  Kind kind_;
  bool fixed_length_ = false;
  bool read_only_ = false;
  std::uint64_t length_ = 0;
  std::uint64_t columns_length_ = 0;
  Traffic traffic_;
  Uuid uuid_;
  Uuid family_{};
  std::string name_;

  friend class Store;
};

}  // namespace chimera::devices
