#pragma once
// Memory that runs out where a test wants it: this program's `new` counts, and refuses.

#include <cstdint>

namespace chimera_testing {

/// While it lives the n-th call of `new` (from 1) throws, and those behind it up to the last. A store that is broken
/// keeps what it has: that is no leak to be told.
class Starved {
 public:
  Starved(std::uint64_t first, std::uint64_t last);
  ~Starved();
  Starved(const Starved&) = delete;
  Starved& operator=(const Starved&) = delete;

  /// How often memory has been asked for so far.
  [[nodiscard]] static std::uint64_t count();
};

}  // namespace chimera_testing
