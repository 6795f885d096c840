#pragma once
// Listening sockets that whoever started this process has made for it: systemd's socket activation, sd_listen_fds(3).

#include <expected>
#include <string>
#include <vector>

#include "server/listener.h"
#include "server/listening_socket.h"

namespace chimera::server {

struct InheritedSocket {
  ListeningSocket listening;
  Protocol protocol;
};

/// Whether LISTEN_PID names this process, and LISTEN_FDS any socket.
[[nodiscard]] bool has_inherited_sockets() noexcept;

/// Takes over the descriptors from 3 on, as many as LISTEN_FDS says, none if they are meant for another process.
/// LISTEN_FDNAMES says what is spoken on each: `instructions` or `nbd`; without it, instructions. To be called once.
/// Errors are whole sentences for the user: what is not a listening stream socket, unknown names.
[[nodiscard]] std::expected<std::vector<InheritedSocket>, std::string> take_inherited_sockets();

}  // namespace chimera::server
