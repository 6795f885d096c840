#pragma once
// The damage test: random programs on a disk that loses writes, puts them elsewhere, and turns bits over, in what it
// holds and in what it returns. Nobody may ever be given wrong data: it is right, or there is an error.

#include <cstdint>
#include <string>

namespace chimera::devices::testing {

struct DamageCounts {
  std::uint64_t instructions = 0;
  std::uint64_t refused = 0;  ///< of these, with "corrupt" or "input/output error"
  std::uint64_t damages = 0;
  std::uint64_t openings = 0;  ///< after damage
  std::uint64_t unopened = 0;  ///< the store was damaged where it cannot do without
  std::uint64_t found = 0;     ///< checks that reported something
};

/// Returns an empty string, or what went wrong and how to replay it: the environment variable DAMAGE_SEED replaces the
/// seed.
[[nodiscard]] std::string run_damage_test(std::uint64_t seed, DamageCounts& counts);

}  // namespace chimera::devices::testing
