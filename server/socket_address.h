#pragma once
// Addresses as the kernel takes them.

#include <netdb.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "server/address.h"

namespace chimera::server {

/// Of the file of a unix socket.
[[nodiscard]] sockaddr_un unix_name(const std::string& path);
[[nodiscard]] inline const sockaddr* generic(const sockaddr_un& name) {
  return reinterpret_cast<const sockaddr*>(&name);
}

using AddressList = std::unique_ptr<addrinfo, void (*)(addrinfo*)>;
/// Of TCP: all that the host's name stands for. Errors are whole sentences.
[[nodiscard]] std::expected<AddressList, std::string> look_up(const Address& address, bool for_listening);

/// "Cannot connect to tcp:host:1: connection refused."
[[nodiscard]] std::unexpected<std::string> failed(std::string_view what, const Address& address, std::string_view why);

}  // namespace chimera::server
