#include "server/socket.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <limits>
#include <memory>
#include <optional>

#include "io/process.h"

namespace chimera::server {
namespace {

constexpr int backlog = 1024;

sockaddr_un unix_name(const std::string& path) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  path.copy(name.sun_path, sizeof name.sun_path - 1);
  return name;
}

const sockaddr* generic(const sockaddr_un& name) { return reinterpret_cast<const sockaddr*>(&name); }

std::unexpected<std::string> failed(std::string_view what, const Address& address, std::string_view why) {
  return std::unexpected(fmt::format("Cannot {} {}: {}.", what, to_string(address), why));
}

using AddressList = std::unique_ptr<addrinfo, void (*)(addrinfo*)>;

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

/// What a look at the file of a unix socket has found.
enum class Found : std::uint8_t { nothing, no_socket, stale, living, killed, unknown };

/// Whether the process that has called `listen` is no more, or will be no more in a moment. The kernel keeps its number
/// with the socket; one that it does not tell (0) counts as living.
bool has_ended(const Socket& probe) {
  ucred listener{};
  socklen_t size = sizeof listener;
  if (::getsockopt(probe.get(), SOL_SOCKET, SO_PEERCRED, &listener, &size) != 0 || listener.pid <= 0) return false;
  return !io::is_living(listener.pid);
}

/// `errno` tells more of what is unknown.
Found look_at(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return errno == ENOENT ? Found::nothing : Found::unknown;
  if (!S_ISSOCK(status.st_mode)) return Found::no_socket;
  // Without waiting: a server with a full queue answers EAGAIN, and lives.
  const sockaddr_un name = unix_name(path);
  const Socket probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe.is_open()) return Found::unknown;
  if (::connect(probe.get(), generic(name), sizeof name) == 0) return has_ended(probe) ? Found::killed : Found::living;
  return errno == ECONNREFUSED ? Found::stale : Found::living;
}

/// As look_at, but for a killed one's it waits as `listen_on` says.
Found look_patiently(const std::string& path, const std::function<void()>& waits) {
  constexpr int most_tries = 500;
  constexpr timespec pause{.tv_sec = 0, .tv_nsec = 10'000'000};
  Found found = look_at(path);
  if (found == Found::killed && waits) waits();
  for (int tries = 1; found == Found::killed && tries < most_tries; ++tries) {
    ::nanosleep(&pause, nullptr);
    found = look_at(path);
  }
  return found;
}

/// Why nobody can listen there; nothing if there is no file, or no longer.
std::optional<std::string> make_way(const std::string& path, const std::function<void()>& waits) {
  switch (look_patiently(path, waits)) {
    case Found::nothing: return std::nullopt;
    case Found::no_socket: return "there is a file of that name which is not a socket";
    case Found::living: return "somebody listens there already";
    case Found::killed: return "a process that has ended still does, and the kernel does not let go of it";
    case Found::stale:
      if (::unlink(path.c_str()) == 0) return std::nullopt;
      break;
    case Found::unknown: break;
  }
  return std::strerror(errno);
}

std::expected<ListeningSocket, std::string> listen_unix(const Address& address, mode_t mode,
                                                        const std::function<void()>& waits) {
  const sockaddr_un name = unix_name(address.path);
  if (const auto why = make_way(address.path, waits)) return failed("listen on", address, *why);
  ListeningSocket made{Socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)), address};
  const int fd = made.socket.get();
  // Linux makes the file with the mode of the unbound socket: nobody can slip in before a chmod. The umask may have
  // taken bits away, so it is set once more.
  if (fd < 0 || ::fchmod(fd, mode) != 0 || ::bind(fd, generic(name), sizeof name) != 0 ||
      ::chmod(address.path.c_str(), mode) != 0 || ::listen(fd, backlog) != 0) {
    return failed("listen on", address, std::strerror(errno));
  }
  return made;
}

std::uint16_t port_of(const Socket& socket) {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&name), &size) != 0) return 0;
  if (name.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6&>(name).sin6_port);
  return ntohs(reinterpret_cast<const sockaddr_in&>(name).sin_port);
}

std::expected<ListeningSocket, std::string> listen_tcp(const Address& address) {
  auto list = look_up(address, true);
  if (!list) return std::unexpected(std::move(list.error()));
  std::string why = "it has no address";
  for (const addrinfo* entry = list->get(); entry != nullptr; entry = entry->ai_next) {
    Socket socket(::socket(entry->ai_family, entry->ai_socktype | SOCK_CLOEXEC, entry->ai_protocol));
    const int on = 1;
    if (socket.is_open() && ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        ::bind(socket.get(), entry->ai_addr, entry->ai_addrlen) == 0 && ::listen(socket.get(), backlog) == 0) {
      ListeningSocket made{std::move(socket), address};
      made.address.port = port_of(made.socket);
      return made;
    }
    why = std::strerror(errno);
  }
  return failed("listen on", address, why);
}

}  // namespace

Socket::~Socket() { close(); }

void Socket::close() {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

std::expected<Socket, std::string> connect_to(const Address& address) {
  return address.kind == Address::Kind::unix_socket ? connect_unix(address) : connect_tcp(address);
}

std::expected<ListeningSocket, std::string> listen_on(const Address& address, mode_t mode,
                                                      const std::function<void()>& waits) {
  return address.kind == Address::Kind::unix_socket ? listen_unix(address, mode, waits) : listen_tcp(address);
}

void stop_listening(ListeningSocket& listening) {
  listening.socket.close();
  if (!listening.is_ours || listening.address.kind != Address::Kind::unix_socket) return;
  // What cannot be removed is replaced by the next server there.
  if (look_at(listening.address.path) == Found::stale) ::unlink(listening.address.path.c_str());
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
