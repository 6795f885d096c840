#pragma once
// Sockets that listen at an address.

#include <sys/types.h>

#include <expected>
#include <functional>
#include <string>

#include "server/socket.h"

namespace chimera::server {

struct ListeningSocket {
  Socket socket;
  Address address;      ///< with the port that the kernel has chosen
  bool is_ours = true;  ///< made by us, so that its file goes with it
};

/// The file of a unix socket gets `mode`; one that nobody listens on any more is replaced. Where a process that has
/// been killed still seems to listen, since the kernel has not yet taken its ring apart, `waits` is called once and
/// that is waited for, 5 s at most. Errors are whole sentences for the user.
[[nodiscard]] std::expected<ListeningSocket, std::string> listen_on(const Address& address, mode_t mode,
                                                                    const std::function<void()>& waits = {});

/// Closes the socket and removes its file, if it is ours and no other server listens there by now.
void stop_listening(ListeningSocket& listening);

}  // namespace chimera::server
