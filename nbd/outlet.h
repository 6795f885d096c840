#pragma once
// The way out to a client, for replies that are sent from where their bytes lie.

#include <cstddef>
#include <cstdint>
#include <span>

namespace chimera::nbd {

class Outlet {
 public:
  /// A reply of Transmission::most_at_once takes so many: its blocks, and what stands in front.
  static constexpr std::size_t most_parts = 258;

  /// Sends of these parts, `most_parts` at most, in order, what can be sent without waiting; they stay valid for this
  /// call only. Returns how many bytes that was: 0 while the client takes nothing, or has gone. Called amid
  /// Conversation::take, `proceed` and `sent`, with all that `Conversation::output` holds in front.
  [[nodiscard]] virtual std::size_t send_at_once(std::span<const std::span<const std::uint8_t>> parts) = 0;

 protected:
  ~Outlet() = default;
};

}  // namespace chimera::nbd
