#pragma once
// A store in this process or a running server, and a link of tables to it.

#include <cstdint>
#include <expected>
#include <memory>
#include <string>

#include "cli/embedded_endpoint.h"
#include "links/remote_link.h"
#include "links/session_link.h"

namespace chimera::cli {

/// Errors are whole sentences.
class LinkSession {
 public:
  /// `reconnect_ms`: of a server, how long it is waited for when the connection has broken.
  [[nodiscard]] static std::expected<LinkSession, std::string> open(
      const std::string& target, const StoreOptions& options,
      std::uint64_t reconnect_ms = links::RemoteLink::usual_patience_ms);

  [[nodiscard]] tables::Link& link() { return remote_ ? static_cast<tables::Link&>(*remote_) : *local_; }
  /// Ends the session. Unless it was opened for reading only, everything is durable when this returns without error.
  [[nodiscard]] std::expected<void, std::string> close();

 private:
  LinkSession() = default;

  EmbeddedMachine embedded_;
  std::unique_ptr<links::SessionLink> local_;
  std::unique_ptr<links::RemoteLink> remote_;  ///< or a machine and its link
  bool read_only_ = false;
};

}  // namespace chimera::cli
