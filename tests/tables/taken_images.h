#pragma once
// Some of the images that a crash in the middle of an operation may leave.

#include <cstddef>
#include <utility>
#include <vector>

#include "io/seeded_random.h"
#include "io/simulated_disk.h"

namespace chimera::tables::testing {

/// Takes images at the boundaries of the disk as long as it lives.
class TakenImages {
 public:
  TakenImages(io::SimulatedDisk& disk, io::SeededRandom& random) : disk_(disk), random_(random) {
    disk_.at_boundaries([this](auto, const auto&) { take(); });
  }
  ~TakenImages() { disk_.at_boundaries({}); }
  TakenImages(const TakenImages&) = delete;
  TakenImages& operator=(const TakenImages&) = delete;

  /// Those since it was asked last.
  [[nodiscard]] std::vector<io::DiskImage> since() { return std::exchange(taken_, {}); }

 private:
  static constexpr std::size_t most = 3;

  void take() {
    // The later ones of an operation are where its commit is.
    if (!random_.chance(25)) return;
    const io::CrashImages images =
        disk_.crash_images({.enumerate_up_to = 8, .most_singles = 8, .samples = 8, .seed = random_.next()});
    taken_.push_back(images.at(random_.below(images.size())));
    if (taken_.size() > most) {
      taken_.erase(taken_.begin() + static_cast<std::ptrdiff_t>(random_.below(taken_.size())));
    }
  }

  io::SimulatedDisk& disk_;
  io::SeededRandom& random_;
  std::vector<io::DiskImage> taken_;
};

}  // namespace chimera::tables::testing
