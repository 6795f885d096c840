#pragma once
// Whether a loop looks for a while before it sleeps. Being woken takes a processor longer than many a client needs to
// send its next request, and whoever wakes it pays too. So a loop that has been woken soon, time after time, keeps
// looking first; one that has looked in vain becomes slower to try again, so that looking costs next to nothing where
// it does not help. Where clients wait for the disk it does harm: that takes longer than being woken, and the scheduler
// moves a client away from a processor that looks, to one that has to be woken for each reply. A loop that sleeps
// shares its processor with its client. (The idea is that of the kernel's halt polling:
// Documentation/virt/guest-halt-polling.rst.)

#include <algorithm>
#include <cstdint>

namespace chimera::io {

class Spinning {
 public:
  /// Nanoseconds; 0: it never looks.
  void look_for_at_most(std::uint64_t longest_ns) { longest_ns_ = longest_ns; }

  [[nodiscard]] bool is_allowed() const { return longest_ns_ > 0; }
  /// How long to look before sleeping, the next time.
  [[nodiscard]] std::uint64_t budget_ns() const { return is_looking_ ? longest_ns_ : 0; }

  /// Of a wait of `wait_ns` (-1: without end), what is left to sleep after so long of looking.
  [[nodiscard]] static std::int64_t left_of(std::int64_t wait_ns, std::uint64_t looked_ns) {
    if (wait_ns < 0) return wait_ns;
    return static_cast<std::uint64_t>(wait_ns) <= looked_ns ? 0 : wait_ns - static_cast<std::int64_t>(looked_ns);
  }

  /// A read, a flush or a durable write has ended: whoever waited for it is likely to want another.
  void waited_for_disk() {
    is_looking_ = false;
    soon_ = 0;
    patience_ = std::max(patience_, patience_behind_disk);
  }

  /// The next wait is over and has taken so long, looking and sleeping together.
  void waited(std::uint64_t ns) {
    if (is_looking_) {
      if (ns <= longest_ns_) {
        patience_ = least_patience;
        return;
      }
      is_looking_ = false;
      soon_ = 0;
      patience_ = std::min(2 * patience_, most_patience);
      return;
    }
    // Sleeping and being woken have their share in it.
    soon_ = ns <= 2 * longest_ns_ ? soon_ + 1 : 0;
    is_looking_ = is_allowed() && soon_ >= patience_;
  }

  static constexpr unsigned least_patience = 2;         ///< so many short sleeps in a row before it looks
  static constexpr unsigned patience_behind_disk = 16;  ///< at least, when somebody has waited for the disk
  static constexpr unsigned most_patience = 256;        ///< after looking in vain again and again

 private:
  std::uint64_t longest_ns_ = 0;
  bool is_looking_ = false;
  unsigned soon_ = 0;
  unsigned patience_ = least_patience;
};

}  // namespace chimera::io
