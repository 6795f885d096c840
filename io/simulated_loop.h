#pragma once
// The loop of simulated disks: what has been started ends in an order that a seed chooses. No time passes in it.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "io/loop.h"
#include "io/seeded_random.h"

namespace chimera::io {

class SimulatedLoop final : public Loop {
 public:
  /// Something that will end. Owned by whoever posts it, until it has happened.
  class Event {
   public:
    virtual void happen() = 0;

   protected:
    ~Event() = default;
  };

  explicit SimulatedLoop(std::uint64_t seed) : random_(seed) {}
  SimulatedLoop(const SimulatedLoop&) = delete;
  SimulatedLoop& operator=(const SimulatedLoop&) = delete;

  void post(Event& event) { pending_.push_back(&event); }
  /// The event, if it is pending, will not happen.
  void withdraw(Event& event) { std::erase(pending_, &event); }
  /// Lets one or more of the pending events happen, chosen by the seed. Never blocks: where nothing is pending nothing
  /// can come any more, and 0 is returned. It is an error then to wait for ever, as a real loop would.
  std::size_t step(int timeout_ms) override;
  [[nodiscard]] std::size_t pending() const noexcept { return pending_.size(); }
  [[nodiscard]] SeededRandom& random() noexcept { return random_; }

 private:
  std::vector<Event*> pending_;
  SeededRandom random_;
  bool is_stepping_ = false;
};

}  // namespace chimera::io
