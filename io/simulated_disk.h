#pragma once
// A disk in memory that fails as disks do, all from the seed of its loop: it completes requests in any order, and
// knows for each sector of 512 bytes what a crash at this moment might leave there. A discard is a write of zeros.

#include <cerrno>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "io/crash_images.h"
#include "io/disk.h"
#include "io/disk_image.h"
#include "io/simulated_loop.h"

namespace chimera::io {

/// Something that goes wrong with the n-th request of a kind, counted from when the fault is injected.
struct Fault {
  enum class Effect : std::uint8_t {
    fail,       ///< ends with `error`. Of a write each sector may have landed; of a flush nothing counts as durable,
                ///< and what it should have covered is covered by no later one either
    lose,       ///< a write ends well and changes nothing
    misdirect,  ///< a write ends well and lands at other blocks
    flip_bit,   ///< one bit differs, in what a write stores or a read returns
  };
  DiskRequest::Kind kind = DiskRequest::Kind::read;
  std::uint64_t nth = 1;
  bool from_then_on = false;
  Effect effect = Effect::fail;
  int error = EIO;
};

class SimulatedDisk final : public Disk {
 public:
  /// The loop must outlive the disk. A disk may go with requests under way; they never end then.
  SimulatedDisk(SimulatedLoop& loop, DiskImage content);
  SimulatedDisk(SimulatedLoop& loop, std::uint64_t block_count);
  ~SimulatedDisk() override;
  SimulatedDisk(const SimulatedDisk&) = delete;
  SimulatedDisk& operator=(const SimulatedDisk&) = delete;

  [[nodiscard]] std::uint64_t block_count() const noexcept override { return state_.current.block_count(); }
  /// Asserts the rules that a real disk would not: the bytes of a write stay as they are until it has finished.
  /// The buffers of a read hold rubbish until then, each at its beginning.
  void start(DiskRequest& request) override;
  [[nodiscard]] int grow(std::uint64_t block_count) override;

  void inject(const Fault& fault) { faults_.push_back({fault, 0}); }
  void clear_faults() { faults_.clear(); }
  /// Bit rot: at once, in what reads see, what is durable and every version that a crash might leave.
  void flip_bit(std::uint64_t block, unsigned bit);
  /// From now on every request, those under way included, ends with EIO and changes nothing.
  void power_off() { is_off_ = true; }

  /// What a crash at this moment may leave behind.
  [[nodiscard]] CrashImages crash_images(const CrashImages::Options& options = {}) const;
  /// What reads see.
  [[nodiscard]] const DiskImage& content() const noexcept { return state_.current; }

  enum class Boundary : std::uint8_t { before, after };
  /// Called before and after a write, discard or flush takes effect, in either case before its request is told.
  using BoundaryHook = std::function<void(Boundary, const DiskRequest&)>;
  void at_boundaries(BoundaryHook hook) { hook_ = std::move(hook); }

  /// Requests that have been started so far.
  [[nodiscard]] std::uint64_t started(DiskRequest::Kind kind) const { return started_[static_cast<std::size_t>(kind)]; }

  /// Everything that the disk knows of its content.
  struct State {
    DiskImage current;
    DiskImage durable;
    SectorVersions versions;
    std::uint64_t landed = 0;  ///< completed writes so far
    std::uint64_t next_write = 1;
    std::uint64_t durable_mark = 0;  ///< how far the sum of the sectors' marks has moved since the beginning
  };
  /// Nothing is under way.
  [[nodiscard]] State snapshot() const;
  void restore(State state);

 private:
  class Flight;
  struct InjectedFault {
    Fault fault;
    std::uint64_t seen;
  };

  [[nodiscard]] const Fault* next_fault(DiskRequest::Kind kind);
  void start_write(Flight& flight);
  static void check_unchanged(const Flight& flight);
  void forget_covered(std::uint64_t covered);
  void settle_covered(std::uint64_t covered);
  int finish_read(Flight& flight);
  int finish_write(Flight& flight);
  int finish_flush(Flight& flight);
  void settle_write(const Flight&);
  void settle_sector(std::uint64_t sector, std::vector<SectorVersion>& versions, const SectorVersion& version);
  void flip_durable(std::uint64_t block, unsigned bit);
  void land_sector(const Flight& flight, std::size_t sector_index, bool has_failed);

  SimulatedLoop& loop_;
  State state_;
  std::vector<InjectedFault> faults_;
  BoundaryHook hook_;
  std::uint64_t started_[4] = {};
  bool is_off_ = false;
  std::vector<std::unique_ptr<Flight>> flights_;  ///< all that are under way
};

}  // namespace chimera::io
