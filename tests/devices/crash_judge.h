#pragma once
// What crashes leave, and what is asked of it: at each boundary of a write or flush a choice of the images that a crash
// there may leave; each of them opened, and compared with the states that it may hold.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "io/disk_image.h"
#include "io/seeded_random.h"
#include "io/simulated_disk.h"
#include "isa/limits.h"
#include "tests/devices/crash_content.h"

namespace chimera::devices::testing {

struct CrashChoice {
  std::size_t images_at_boundary = 6;   ///< so many of a content that was not there before, at most,
  std::size_t tries_at_boundary = 8;    ///< among so many
  unsigned boundary_percent = 100;      ///< of the boundaries looked at
  std::uint64_t everything_one_in = 0;  ///< at one boundary in so many all legal images up to 4096; 0: at none
  // Of the images, one in so many; 0: none.
  std::uint64_t check_one_in = 1;                      ///< is checked
  std::uint64_t rework_one_in = 10;                    ///< is worked on and crashed again
  std::uint64_t recover_one_in = 40;                   ///< crashes in its recovery, and in the recovery from that
  std::uint64_t cache_bytes = limits::smallest_cache;  ///< of the stores in the images
};

struct CrashCounts {
  std::uint64_t instructions = 0;
  std::uint64_t transactions = 0;  ///< committed
  std::uint64_t conflicts = 0;     ///< told
  std::uint64_t states = 0;        ///< different ones that the programs went through
  std::uint64_t checkpoints = 0;
  std::uint64_t discarded_blocks = 0;
  std::uint64_t boundaries = 0;
  std::uint64_t images = 0;         ///< of different contents, opened and compared
  std::uint64_t seen_before = 0;    ///< more, the same as one of those: compared only
  std::uint64_t checked = 0;        ///< of the images, those checked
  std::uint64_t reworked = 0;       ///< worked on
  std::uint64_t recovered = 0;      ///< recovered twice
  std::uint64_t second_images = 0;  ///< crashes inside that
};

/// What a crash may not take away any more.
struct Promise {
  std::size_t state = 0;  ///< by its number: that one or a later one has to be there
  std::string entry;      ///< and so has this entry of a content, unless it is empty

  /// The number of the first state that keeps it; the number of all if none does.
  [[nodiscard]] std::size_t first_of(const States& states) const {
    return entry.empty() ? state : std::max(state, states.first_with(entry));
  }
};

/// Takes images down and judges them later: instructions behind a flush have run before it is answered, so what an
/// image may hold is known only when all of them are.
class CrashJudge {
 public:
  CrashJudge(const CrashChoice& choice, std::uint64_t seed, CrashCounts& counts)
      : choice_(choice), random_(seed), counts_(counts) {}

  /// A crash may come here: some of what it leaves is taken. It has to keep the promise.
  void take(const io::SimulatedDisk& disk, const Promise& promise);
  /// Judges what has been taken. Returns what is wrong, or an empty string.
  [[nodiscard]] std::string judge(const States& states);
  /// Another run on a disk that began with the same content: images of the one before are known.
  void begin(std::uint64_t seed) { random_ = io::SeededRandom(seed); }

 private:
  struct Crash {
    std::uint64_t mark;
    std::optional<io::DiskImage> image;  ///< of a content that has not been seen before
    std::string description;
    Promise promise;
    std::uint64_t seed;  ///< of all that is done with it
  };

  bool take(const io::CrashImages& images, std::size_t index, const Promise& promise);
  [[nodiscard]] std::string judge(const Crash& crash, const States& states);

  CrashChoice choice_;
  io::SeededRandom random_;
  CrashCounts& counts_;
  std::vector<Crash> crashes_;
  /// By the marks of images: digests of what stores held in them; 0 while not judged.
  std::unordered_map<std::uint64_t, std::uint64_t> seen_;
};

}  // namespace chimera::devices::testing
