#include "server/socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "server/socket_address.h"

namespace chimera::server {
namespace {

std::expected<Socket, std::string> connect_unix(const Address& address) {
  const sockaddr_un name = unix_name(address.path);
  Socket socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.is_open() || ::connect(socket.get(), generic(name), sizeof name) != 0) {
    return failed("connect to", address, std::strerror(errno));
  }
  return socket;
}

std::expected<Socket, std::string> connect_tcp(const Address& address) {
  auto list = look_up(address, false);
  if (!list) return std::unexpected(std::move(list.error()));
  std::string why = "it has no address";
  for (const addrinfo* entry = list->get(); entry != nullptr; entry = entry->ai_next) {
    Socket socket(::socket(entry->ai_family, entry->ai_socktype | SOCK_CLOEXEC, entry->ai_protocol));
    if (socket.is_open() && ::connect(socket.get(), entry->ai_addr, entry->ai_addrlen) == 0) {
      tune_tcp(socket);
      return socket;
    }
    why = std::strerror(errno);
  }
  return failed("connect to", address, why);
}

}  // namespace

Socket::~Socket() { close(); }

void Socket::close() {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

std::expected<Socket, std::string> connect_to(const Address& address) {
  return address.kind == Address::Kind::unix_socket ? connect_unix(address) : connect_tcp(address);
}

void tune_tcp(const Socket& socket) {
  const int on = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

void widen_unix(const Socket& socket) {
  int domain = 0;
  socklen_t size = sizeof domain;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0 || domain != AF_UNIX) return;
  const int bytes = widened_bytes / 2;  // the kernel doubles it, for its own books
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

void bound_silence(const Socket& socket, std::uint64_t timeout_ms) {
  if (timeout_ms == 0) return;
  const auto set = [&](int option, std::uint64_t value, std::uint64_t least, std::uint64_t most) {
    const auto number = static_cast<int>(std::clamp(value, least, most));
    ::setsockopt(socket.get(), IPPROTO_TCP, option, &number, sizeof number);
  };
  // The kernel asks after half of the time, then every eighth. It takes whole seconds, for a quarter of a day at most.
  constexpr std::uint64_t most_seconds = 32'767;
  set(TCP_KEEPIDLE, timeout_ms / 2000, 1, most_seconds);
  set(TCP_KEEPINTVL, timeout_ms / 8000, 1, most_seconds);
  set(TCP_USER_TIMEOUT, timeout_ms, 1, std::numeric_limits<int>::max());
}

}  // namespace chimera::server
