#pragma once
// The way out to a client, for replies that are sent from where their bytes lie.

#include <cstddef>
#include <cstdint>
#include <span>

namespace chimera::nbd {

class Outlet {
 public:
  /// Sends of these parts, in order, what can be sent without waiting; they stay valid for this call only. Returns how
  /// many bytes that was: 0 while the client takes nothing, or has gone. Called from Conversation::take and `proceed`,
  /// with all that `Conversation::output` holds in front.
  [[nodiscard]] virtual std::size_t send_at_once(std::span<const std::span<const std::uint8_t>> parts) = 0;

 protected:
  ~Outlet() = default;
};

}  // namespace chimera::nbd
