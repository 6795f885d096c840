#pragma once
// How long a client has kept us, or others, waiting, as far as looks now and then tell: no timer is set and cancelled
// with each request.

#include <cstddef>
#include <cstdint>

namespace chimera::server {

class Patience {
 public:
  /// Bytes have moved, either way.
  void note(std::size_t bytes) noexcept {
    quiet_.moved += bytes;
    holding_.moved += bytes;
  }

  /// To be asked every `elapsed_ms`: whether not a byte has moved for `timeout_ms`; 0: that does not matter now.
  [[nodiscard]] bool is_quiet(std::uint64_t elapsed_ms, std::uint64_t timeout_ms) noexcept {
    return quiet_.is_over(elapsed_ms, timeout_ms, 1);
  }

  /// Likewise of a client that has what others wait for: it has to move a MiB in that time.
  [[nodiscard]] bool holds_others_up(std::uint64_t elapsed_ms, std::uint64_t timeout_ms) noexcept {
    constexpr std::size_t worthwhile = 1 << 20;
    return holding_.is_over(elapsed_ms, timeout_ms, worthwhile);
  }

 private:
  struct Count {
    std::size_t moved = 0;  ///< since it was enough last
    std::uint64_t elapsed_ms = 0;

    [[nodiscard]] bool is_over(std::uint64_t more_ms, std::uint64_t timeout_ms, std::size_t enough) noexcept {
      if (timeout_ms == 0 || moved >= enough) {
        *this = {};
        return false;
      }
      elapsed_ms += more_ms;
      return elapsed_ms >= timeout_ms;
    }
  };

  Count quiet_;
  Count holding_;
};

}  // namespace chimera::server
