#pragma once
// Whether a loop that would sleep carries out a flush, or a write that is durable when it ends, in its own thread. To
// hand it to a thread of the kernel's and to be woken by that takes a sixth of the time of a quick disk's flush. But
// whoever comes meanwhile waits until it is over. So the loop does it itself where flushes have been quick lately, so
// many in a row, and nothing else has ended beside them. One that was long, or that something had to wait for, costs as
// many more as would make up for it.

#include <algorithm>
#include <cstdint>

namespace chimera::io {

class Flushing {
 public:
  /// Longer than that (nanoseconds) no flush counts as quick; 0: the loop never flushes itself.
  void quick_below(std::uint64_t longest_ns) {
    longest_ns_ = longest_ns;
    flushes_itself_ = false;
    quick_ = 0;
    patience_ = least_patience;
  }

  /// The next one is to be carried out by the loop's own thread.
  [[nodiscard]] bool flushes_itself() const { return flushes_itself_; }

  /// A flush, of whoever's, has taken so long. `alone`: nothing else has ended meanwhile.
  void flushed(std::uint64_t ns, bool alone) {
    const bool is_quick = ns < longest_ns_ && alone;
    if (!flushes_itself_) {
      quick_ = is_quick ? quick_ + 1 : 0;
      flushes_itself_ = is_quick && quick_ >= patience_;
    } else if (is_quick) {
      patience_ = std::max(patience_ - 1, least_patience);
    } else {
      flushes_itself_ = false;
      quick_ = 0;
      patience_ = std::min(2 * patience_ + ns / saved_ns, most_patience);
    }
  }

  static constexpr std::uint64_t least_patience = 4;      ///< so many quick ones in a row before it flushes itself
  static constexpr std::uint64_t most_patience = 16'384;  ///< after trying in vain again and again
  static constexpr std::uint64_t saved_ns = 16'000;       ///< by each that it carries out itself, or somewhat more

 private:
  std::uint64_t longest_ns_ = 300'000;
  bool flushes_itself_ = false;
  std::uint64_t quick_ = 0;
  std::uint64_t patience_ = least_patience;
};

}  // namespace chimera::io
