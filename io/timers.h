#pragma once
// The timers of a kernel loop: both implementations keep them here and bound their waits by the nearest one.

#include <cstdint>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "io/loop.h"

namespace chimera::io {

/// A completion whose result is known and that waits for the loop's next delivery.
struct Ended {
  Completion* completion;
  int result;
};

/// Tells each of them, and gives their number. Where one throws (no memory) the rest goes in front of `later`, to be
/// told by the next step, and nobody is stepping any more.
std::size_t deliver_each(std::vector<Ended>& ended, std::vector<Ended>& later, bool& is_stepping);

class Timers {
 public:
  void add(std::uint64_t milliseconds, Completion& completion);
  /// False if the completion has no timer.
  bool remove(Completion& completion);
  /// Moves those that are due to `ended`, the earliest first, as far as that has room.
  void expire(std::vector<Ended>& ended);
  /// Nanoseconds to wait: `timeout_ms` (perhaps Loop::forever) or less if a timer is due before; -1 for ever.
  [[nodiscard]] std::int64_t bound(int timeout_ms) const;

 private:
  using Moment = std::int64_t;  ///< nanoseconds of the monotonic clock
  std::set<std::pair<Moment, Completion*>> queue_;
  std::unordered_map<Completion*, Moment> due_;
};

}  // namespace chimera::io
