#pragma once
// Gives the space of free blocks back to whoever lends it to the store: a file system, or a disk that is thinly
// provisioned. One request at a time, of a bounded size, because a file takes nothing else meanwhile.
//
// Who overwrites needs the blocks that it frees again soon, and a file is slower where it has holes. So while others
// write only what is free in whole MiB is given back, and only when much was deleted (Pool::give_back); the smaller
// runs have their turn when everything is at rest.

#include <cstdint>

#include "devices/block_store.h"
#include "io/disk.h"

namespace chimera::devices {

class Discards final : private io::DiskRequest {
 public:
  Discards(io::Disk& disk, BlockStore& blocks) : disk_(disk), blocks_(blocks) {}

  struct Options {
    std::uint64_t least_blocks = 0;    ///< the shortest run that is given back at rest; 0: nothing ever is
    std::uint64_t most_blocks = 4096;  ///< of one request
    bool eager = false;                ///< short runs are given back while others write, too: for simulations
  };
  /// Runs of 64 KiB: a file in pieces smaller than that is slow to read, and costs its file system more than it saves.
  static const Options of_files;
  void enable(const Options& options);
  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] bool enabled() const { return options_.least_blocks > 0 && refusal_ == 0; }
  /// Starts the next one, if none is under way. True if there is more to look for at once.
  bool work(bool at_rest);
  [[nodiscard]] bool under_way() const { return under_way_; }
  /// Whether anything would be given back if all stayed at rest.
  [[nodiscard]] bool anything_left() const { return enabled() && blocks_.space().any_discardable(); }
  [[nodiscard]] std::uint64_t blocks_given_back() const { return discarded_; }
  /// The errno of a request that failed; there are no more from then on.
  [[nodiscard]] int refusal() const { return refusal_; }

 private:
  void finished() override;

  io::Disk& disk_;
  BlockStore& blocks_;
  Options options_;
  bool under_way_ = false;
  int refusal_ = 0;
  std::uint64_t discarded_ = 0;
};

inline constexpr Discards::Options Discards::of_files{.least_blocks = 16};

}  // namespace chimera::devices
