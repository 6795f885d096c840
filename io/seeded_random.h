#pragma once
// Random numbers that are the same on every machine for the same seed.

#include <cstdint>

namespace chimera::io {

/// SplitMix64 (Steele, Lea, Flood 2014): small, copied freely, good enough to choose faults with.
class SeededRandom {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t mixed = state_ += 0x9E3779B97F4A7C15u;
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBu;
    return mixed ^ (mixed >> 31);
  }
  /// 0 to bound - 1; `bound` is at least 1. The bias is below 2^-32 for any bound that fits 32 bits.
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  /// True `percent` times in a hundred.
  bool chance(unsigned percent) { return below(100) < percent; }

 private:
  std::uint64_t state_;
};

}  // namespace chimera::io
