#include "server/socket_address.h"

#include <fmt/format.h>

namespace chimera::server {

sockaddr_un unix_name(const std::string& path) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  path.copy(name.sun_path, sizeof name.sun_path - 1);
  return name;
}

std::unexpected<std::string> failed(std::string_view what, const Address& address, std::string_view why) {
  return std::unexpected(fmt::format("Cannot {} {}: {}.", what, to_string(address), why));
}

std::expected<AddressList, std::string> look_up(const Address& address, bool for_listening) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = for_listening ? AI_PASSIVE : 0;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(address.port);
  const int error = ::getaddrinfo(address.host == "*" ? nullptr : address.host.c_str(), port.c_str(), &hints, &found);
  if (error != 0) return failed(for_listening ? "listen on" : "connect to", address, ::gai_strerror(error));
  return AddressList(found, &::freeaddrinfo);
}

}  // namespace chimera::server
