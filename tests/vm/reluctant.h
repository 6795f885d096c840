#pragma once
// Devices in memory that make one wait, as one on a disk would: each first-phase call answers `wait` at random, and
// the loop wakes who waits, in any order, now and then somebody who does not.

#include <algorithm>
#include <memory>
#include <vector>

#include "devices/memory_device.h"
#include "io/loop.h"
#include "io/seeded_random.h"

namespace chimera::vm::testing {

class ReluctantLoop final : public io::Loop {
 public:
  explicit ReluctantLoop(std::uint64_t seed) : random_(seed) {}

  std::size_t step(int) override {
    if (waiting_.empty()) return 0;
    const std::size_t woken = 1 + random_.below(waiting_.size());
    for (std::size_t i = 0; i < woken; ++i) {
      const auto chosen = waiting_.begin() + static_cast<std::ptrdiff_t>(random_.below(waiting_.size()));
      devices::Waiter* const waiter = *chosen;
      waiting_.erase(chosen);
      waiter->wake();
    }
    return woken;
  }

  /// True if this call has to wait.
  bool hesitate(devices::Waiter& waiter) {
    ++calls_;
    if (waiter.stage == devices::Waiter::Stage::performing) return false;
    // What is rehearsed is done over as long as any part of it waits.
    if (!random_.chance(waiter.stage == devices::Waiter::Stage::single ? 40 : 4)) return false;
    ++waits_;
    if (random_.chance(10)) {
      waiter.wake();  // before the call returns
    } else {
      waiting_.push_back(&waiter);
    }
    if (random_.chance(5)) waiting_.push_back(&waiter);  // in vain
    return true;
  }
  [[nodiscard]] bool hides() { return random_.chance(50); }
  [[nodiscard]] std::size_t waits() const { return waits_; }
  std::size_t prefetches = 0;

 private:
  io::SeededRandom random_;
  std::vector<devices::Waiter*> waiting_;
  std::size_t calls_ = 0, waits_ = 0;
};

class ReluctantDevice final : public devices::MemoryDevice {
 public:
  using Outcome = devices::Outcome;
  using Plane = devices::Plane;
  using Waiter = devices::Waiter;

  ReluctantDevice(const Uuid& uuid, std::string name, devices::MemoryBudget& budget, ReluctantLoop& loop)
      : MemoryDevice(uuid, std::move(name), budget), loop_(loop) {}

  Outcome fetch(Waiter& waiter, Plane plane, std::uint64_t offset, std::uint64_t count) override {
    return loop_.hesitate(waiter) ? Outcome::wait() : MemoryDevice::fetch(waiter, plane, offset, count);
  }
  Outcome prepare(Waiter& waiter, Plane plane, std::uint64_t offset, std::uint64_t count) override {
    return loop_.hesitate(waiter) ? Outcome::wait() : MemoryDevice::prepare(waiter, plane, offset, count);
  }
  bool prefetch(Plane, std::uint64_t, std::uint64_t, Depth) override {
    ++loop_.prefetches;
    return true;
  }
  [[nodiscard]] const std::uint8_t* peek(std::uint64_t block) const noexcept override {
    return loop_.hides() ? nullptr : MemoryDevice::peek(block);
  }
  Outcome clear(Waiter& waiter, Plane plane, std::uint64_t offset, std::uint64_t count) override {
    return loop_.hesitate(waiter) ? Outcome::wait() : MemoryDevice::clear(waiter, plane, offset, count);
  }
  Outcome set_length(Waiter& waiter, std::uint64_t length) override {
    return loop_.hesitate(waiter) ? Outcome::wait() : MemoryDevice::set_length(waiter, length);
  }
  Outcome extents(Waiter& waiter, Plane plane, std::uint64_t offset, std::uint64_t count,
                  std::vector<devices::Extent>& out) override {
    const Outcome outcome = MemoryDevice::extents(waiter, plane, offset, count, out);
    return loop_.hesitate(waiter) ? Outcome::wait() : outcome;
  }
  Outcome differences(Waiter& waiter, Device& other, std::uint64_t offset, std::uint64_t count,
                      std::vector<devices::Extent>& out) override {
    const Outcome outcome = MemoryDevice::differences(waiter, other, offset, count, out);
    return loop_.hesitate(waiter) ? Outcome::wait() : outcome;
  }
  Outcome share(Waiter& waiter, std::uint64_t offset, Device& from, std::uint64_t from_offset,
                std::uint64_t count) override {
    return loop_.hesitate(waiter) ? Outcome::wait() : MemoryDevice::share(waiter, offset, from, from_offset, count);
  }
  Outcome digest(Waiter& waiter, std::uint64_t offset, std::uint64_t count, std::span<std::uint8_t, 32> out) override {
    return loop_.hesitate(waiter) ? Outcome::wait() : MemoryDevice::digest(waiter, offset, count, out);
  }

 private:
  ReluctantLoop& loop_;
};

}  // namespace chimera::vm::testing
