#pragma once
// What a service tells whoever started it: systemd, or anything that keeps to sd_notify(3)'s protocol. It is one
// datagram with lines NAME=VALUE to a unix socket that the environment names, so no library is needed for it.

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "server/socket.h"

namespace chimera::server {

class ServiceManager {
 public:
  /// Nobody, who may be told everything.
  ServiceManager() = default;
  /// Whom NOTIFY_SOCKET names, nobody if it is not set; and how long that one waits for a heartbeat (WATCHDOG_USEC).
  /// Errors are whole sentences for the user: variables that cannot be understood.
  [[nodiscard]] static std::expected<ServiceManager, std::string> from_environment();

  /// Lines NAME=VALUE, as `READY=1`. Waits for a few seconds if they cannot be taken at once; then they are lost.
  void tell(std::string_view lines) const noexcept;

  /// How often it is to hear `beat`, in milliseconds: half of its patience; 0 if it does not care.
  [[nodiscard]] std::uint64_t heartbeat_ms() const noexcept { return heartbeat_ms_; }
  /// A sign of life. Never waits.
  void beat() const noexcept;
  /// No more heartbeats will come, and the end may take some minutes.
  void end_beating() const noexcept;

 private:
  Socket socket_;  ///< connected, or not open
  std::uint64_t heartbeat_ms_ = 0;
};

}  // namespace chimera::server
