#include "server/listening_socket.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <optional>

#include "io/process.h"
#include "server/socket_address.h"

namespace chimera::server {
namespace {

constexpr int backlog = 1024;

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

}  // namespace chimera::server
