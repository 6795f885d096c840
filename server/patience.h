#pragma once
// How long a client has kept us waiting, as far as looks now and then tell: no timer is set and cancelled with each
// request.

#include <cstddef>
#include <cstdint>
#include <utility>

namespace chimera::server {

class Patience {
 public:
  /// Bytes have moved, either way.
  void note(std::size_t bytes) noexcept { moved_ += bytes; }

  /// To be asked every `elapsed_ms`: whether the client has moved too little for `timeout_ms`; 0: it may. One that has
  /// a part of a budget that others wait for (`is_waited_for`) has to move more than a byte now and then.
  [[nodiscard]] bool is_over(std::uint64_t elapsed_ms, std::uint64_t timeout_ms, bool is_waited_for) noexcept {
    const std::size_t enough = is_waited_for ? worthwhile : 1;
    if (timeout_ms == 0 || moved_ >= enough) {
      moved_ = 0;
      quiet_ms_ = 0;
      return false;
    }
    quiet_ms_ += elapsed_ms;
    return quiet_ms_ >= timeout_ms;
  }

 private:
  static constexpr std::size_t worthwhile = 1 << 20;

  std::size_t moved_ = 0;  ///< since it was enough last
  std::uint64_t quiet_ms_ = 0;
};

}  // namespace chimera::server
