#include "io/simulated_loop.h"

#include <cassert>

namespace chimera::io {

std::size_t SimulatedLoop::step(int timeout_ms) {
  assert(!is_stepping_ && "completions must not step the loop");
  assert((timeout_ms >= 0 || !pending_.empty()) && "nobody waits for ever where nothing is under way");
  if (pending_.empty()) return 0;
  is_stepping_ = true;
  const std::size_t count = 1 + random_.below(pending_.size());
  for (std::size_t i = 0; i < count; ++i) {
    // What happens may post more, which may be chosen already in this step.
    const std::size_t choice = random_.below(pending_.size());
    Event* event = pending_[choice];
    pending_[choice] = pending_.back();
    pending_.pop_back();
    event->happen();
  }
  is_stepping_ = false;
  return count;
}

}  // namespace chimera::io
