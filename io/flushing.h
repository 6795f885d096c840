#pragma once
// Whether a loop that would sleep carries out a flush, or a write that is durable when it ends, in its own thread. To
// hand it to a thread of the kernel's and to be woken by that takes a sixth of the time of a quick disk's flush. But
// whoever comes meanwhile waits until it is over. So the loop does it itself where flushes are mostly quick and nothing
// else ends beside them: each of those counts one, and each other takes many away. Where the sum is used up it leaves
// them to the kernel until it has come to its patience, and that is doubled each time. So what a good disk does wrong
// now and then ends nothing, one long flush is soon made up for, and where the loop fares badly it seldom tries.

#include <algorithm>
#include <cstdint>

namespace chimera::io {

class Flushing {
 public:
  /// Longer than that (nanoseconds) no flush counts as quick; 0: the loop never flushes itself.
  void quick_below(std::uint64_t longest_ns) {
    longest_ns_ = longest_ns;
    flushes_itself_ = false;
    credit_ = 0;
    patience_ = least_patience;
  }

  /// The next one is to be carried out by the loop's own thread.
  [[nodiscard]] bool flushes_itself() const { return flushes_itself_; }

  /// A flush, of whoever's, has taken so long. `alone`: nothing else has ended meanwhile.
  void flushed(std::uint64_t ns, bool alone) {
    if (ns < longest_ns_ && alone) {
      credit_ = std::min(credit_ + 1, flushes_itself_ ? most_credit : patience_);
      if (flushes_itself_) patience_ = std::max(patience_ - 1, least_patience);
    } else {
      // At least as many as would make up for it.
      credit_ -= std::min(credit_, least_cost + ns / saved_ns);
    }
    if (!flushes_itself_ && longest_ns_ > 0 && credit_ >= patience_) {
      flushes_itself_ = true;
      credit_ = std::min(credit_, most_credit);
    } else if (flushes_itself_ && credit_ == 0) {
      flushes_itself_ = false;
      patience_ = std::min(2 * patience_, most_patience);
    }
  }

  static constexpr std::uint64_t least_patience = 4;     ///< so many quick ones make it flush itself
  static constexpr std::uint64_t most_patience = 4'096;  ///< after trying in vain again and again
  static constexpr std::uint64_t most_credit = 256;      ///< so one of four milliseconds ends it
  static constexpr std::uint64_t least_cost = 8;         ///< of one that was not quick, or not alone
  static constexpr std::uint64_t saved_ns = 16'000;      ///< by each that it carries out itself, or somewhat more

 private:
  std::uint64_t longest_ns_ = 300'000;
  bool flushes_itself_ = false;
  std::uint64_t credit_ = 0;
  std::uint64_t patience_ = least_patience;
};

}  // namespace chimera::io
