#include "server/service_manager.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace chimera::server {
namespace {

constexpr timeval most_waiting{.tv_sec = 5, .tv_usec = 0};

std::string_view variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string_view{} : value;
}

/// `path`, or `@name` for one without a file.
std::expected<Socket, std::string> connect_to_manager(std::string_view path) {
  const auto wrong = [&](std::string_view why) {
    return std::unexpected(fmt::format("NOTIFY_SOCKET is \"{}\": {}.", path, why));
  };
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (!path.starts_with('/') && !path.starts_with('@')) return wrong("it has to be an absolute path, or @ and a name");
  if (path.size() >= sizeof name.sun_path) return wrong("it is longer than a socket's path can be");
  path.copy(name.sun_path, path.size());
  if (path.starts_with('@')) name.sun_path[0] = '\0';
  Socket socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  if (!socket.is_open() || ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&name), size) != 0) {
    return wrong(std::strerror(errno));
  }
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &most_waiting, sizeof most_waiting);
  return socket;
}

std::expected<std::uint64_t, std::string> number_in(const char* name) {
  const std::string_view text = variable(name);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size()) return number;
  return std::unexpected(fmt::format("{} is \"{}\", which is not a number.", name, text));
}

/// Half of what the manager waits; 0 if it waits for no heartbeat, or for another process's.
std::expected<std::uint64_t, std::string> wanted_heartbeat_ms() {
  if (variable("WATCHDOG_USEC").empty()) return 0;
  const auto patience_us = number_in("WATCHDOG_USEC");
  if (!patience_us) return patience_us;
  if (!variable("WATCHDOG_PID").empty()) {
    const auto process = number_in("WATCHDOG_PID");
    if (!process) return process;
    if (*process != static_cast<std::uint64_t>(::getpid())) return 0;
  }
  return *patience_us == 0 ? 0 : std::max<std::uint64_t>(*patience_us / 2000, 1);
}

}  // namespace

std::expected<ServiceManager, std::string> ServiceManager::from_environment() {
  ServiceManager manager;
  const std::string_view path = variable("NOTIFY_SOCKET");
  if (path.empty()) return manager;
  auto socket = connect_to_manager(path);
  if (!socket) return std::unexpected(std::move(socket.error()));
  const auto heartbeat_ms = wanted_heartbeat_ms();
  if (!heartbeat_ms) return std::unexpected(heartbeat_ms.error());
  manager.socket_ = std::move(*socket);
  manager.heartbeat_ms_ = *heartbeat_ms;
  return manager;
}

void ServiceManager::tell(std::string_view lines) const noexcept {
  if (!socket_.is_open()) return;
  while (::send(socket_.get(), lines.data(), lines.size(), MSG_NOSIGNAL) < 0 && errno == EINTR) {
  }
}

void ServiceManager::beat() const noexcept {
  constexpr std::string_view sign = "WATCHDOG=1";
  if (socket_.is_open()) ::send(socket_.get(), sign.data(), sign.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void ServiceManager::end_beating() const noexcept {
  // A watchdog cannot be called off, but its patience be made longer: in microseconds.
  if (heartbeat_ms_ != 0) tell("WATCHDOG_USEC=600000000");
}

}  // namespace chimera::server
