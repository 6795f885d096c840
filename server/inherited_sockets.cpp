#include "server/inherited_sockets.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string_view>

namespace chimera::server {
namespace {

constexpr int first_descriptor = 3;
constexpr int most_sockets = 1024;

constexpr std::array protocol_names{std::pair{"instructions", Protocol::instructions}, std::pair{"nbd", Protocol::nbd},
                                    std::pair{"metrics", Protocol::metrics}};

/// A variable's whole number, or nothing.
std::optional<int> number_in(const char* variable) {
  const char* const text = std::getenv(variable);
  if (text == nullptr) return std::nullopt;
  int number = 0;
  const char* const end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, number);
  return error == std::errc() && stop == end ? std::optional(number) : std::nullopt;
}

/// As many names as there are sockets; empty ones where there is no list.
std::expected<std::vector<std::string>, std::string> names_of(std::size_t count) {
  const char* const list = std::getenv("LISTEN_FDNAMES");
  if (list == nullptr) return std::vector<std::string>(count, protocol_names.front().first);
  std::vector<std::string> names{""};
  for (const char* at = list; *at != '\0'; ++at) {
    if (*at == ':') {
      names.emplace_back();
    } else {
      names.back() += *at;
    }
  }
  if (names.size() == count) return names;
  return std::unexpected(fmt::format("LISTEN_FDNAMES names {} sockets, LISTEN_FDS says {}.", names.size(), count));
}

std::expected<Protocol, std::string> protocol_named(const std::string& name) {
  for (const auto& [known, protocol] : protocol_names) {
    if (name == known) return protocol;
  }
  return std::unexpected(
      fmt::format("A socket was handed over as \"{}\", which says nothing about what is spoken there: its unit has to "
                  "have FileDescriptorName=instructions, =nbd or =metrics.",
                  name));
}

int option_of(int descriptor, int option) {
  int value = 0;
  socklen_t size = sizeof value;
  return ::getsockopt(descriptor, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

Address address_of(int descriptor) {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  auto* const generic = reinterpret_cast<sockaddr*>(&name);
  if (::getsockname(descriptor, generic, &size) != 0) return {};
  if (name.ss_family == AF_UNIX) {
    const char* const path = reinterpret_cast<const sockaddr_un&>(name).sun_path;
    const std::size_t length = size - offsetof(sockaddr_un, sun_path);
    // One without a file begins with a null byte; its name is shown with an @ in front.
    std::string text(path, length > 0 && path[0] == '\0' ? length : ::strnlen(path, length));
    if (text.starts_with('\0')) text.front() = '@';
    return {Address::Kind::unix_socket, std::move(text), {}, 0};
  }
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> port{};
  ::getnameinfo(generic, size, host.data(), host.size(), port.data(), port.size(), NI_NUMERICHOST | NI_NUMERICSERV);
  return {Address::Kind::tcp, {}, host.data(), static_cast<std::uint16_t>(std::atoi(port.data()))};
}

std::expected<ListeningSocket, std::string> take(int descriptor) {
  const auto wrong = [&](std::string_view what) {
    return std::unexpected(
        fmt::format("Descriptor {}, which was handed over to be listened on, {}.", descriptor, what));
  };
  if (::fcntl(descriptor, F_SETFD, FD_CLOEXEC) != 0) return wrong("is not open");
  const int family = option_of(descriptor, SO_DOMAIN);
  const bool is_known = family == AF_UNIX || family == AF_INET || family == AF_INET6;
  if (!is_known || option_of(descriptor, SO_TYPE) != SOCK_STREAM) return wrong("is not a stream socket, unix or TCP");
  if (option_of(descriptor, SO_ACCEPTCONN) != 1) {
    return wrong("is a connection, or nobody listens there: its unit has to have Accept=no");
  }
  // One that does not wait would have the loop ask for connections again and again.
  const int flags = ::fcntl(descriptor, F_GETFL);
  if (flags < 0 || ::fcntl(descriptor, F_SETFL, flags & ~O_NONBLOCK) != 0) return wrong(std::strerror(errno));
  return ListeningSocket{.socket = Socket(descriptor), .address = address_of(descriptor), .is_ours = false};
}

}  // namespace

bool has_inherited_sockets() noexcept {
  return number_in("LISTEN_PID") == ::getpid() && std::getenv("LISTEN_FDS") != nullptr && number_in("LISTEN_FDS") != 0;
}

std::expected<std::vector<InheritedSocket>, std::string> take_inherited_sockets() {
  std::vector<InheritedSocket> sockets;
  if (!has_inherited_sockets()) return sockets;
  const int count = number_in("LISTEN_FDS").value_or(-1);
  if (count < 0 || count > most_sockets) {
    return std::unexpected(fmt::format("LISTEN_FDS is \"{}\", which is not a number of sockets from 0 to {}.",
                                       std::getenv("LISTEN_FDS"), most_sockets));
  }
  const auto names = names_of(static_cast<std::size_t>(count));
  if (!names) return std::unexpected(names.error());
  for (int i = 0; i < count; ++i) {
    const auto protocol = protocol_named((*names)[static_cast<std::size_t>(i)]);
    if (!protocol) return std::unexpected(protocol.error());
    auto listening = take(first_descriptor + i);
    if (!listening) return std::unexpected(std::move(listening.error()));
    sockets.push_back({std::move(*listening), *protocol});
  }
  return sockets;
}

}  // namespace chimera::server
