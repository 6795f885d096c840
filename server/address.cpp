#include "server/address.h"

#include <fmt/format.h>
#include <sys/un.h>

#include <charconv>

namespace chimera::server {
namespace {

constexpr std::string_view unix_prefix = "unix:";
constexpr std::string_view tcp_prefix = "tcp:";
constexpr std::string_view loopback = "127.0.0.1";
constexpr std::size_t longest_path = sizeof(sockaddr_un::sun_path) - 1;

std::expected<Address, std::string> parse_unix(std::string_view text, std::string_view path) {
  if (path.empty()) return std::unexpected(fmt::format("The address {} has no path: write unix:PATH.", text));
  if (path.find('\0') != std::string_view::npos) return std::unexpected("A path cannot hold a null byte.");
  if (path.size() > longest_path) {
    return std::unexpected(
        fmt::format("The path in {} is too long: a socket's has at most {} bytes.", text, longest_path));
  }
  return Address{Address::Kind::unix_socket, std::string(path), {}, 0};
}

std::expected<Address, std::string> parse_tcp(std::string_view text, std::string_view rest) {
  const auto wrong = [&](std::string_view what) {
    return std::unexpected(fmt::format("The address {} has {}: write tcp:HOST:PORT or tcp:[::1]:PORT.", text, what));
  };
  const std::size_t colon = rest.rfind(':');
  std::string_view host = colon == std::string_view::npos ? std::string_view{} : rest.substr(0, colon);
  const std::string_view digits = colon == std::string_view::npos ? rest : rest.substr(colon + 1);
  if (host.starts_with('[')) {
    if (!host.ends_with(']') || host.size() < 3) return wrong("a bad host");
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return wrong("a host with colons that is not in brackets");
  }
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc{} || end != digits.data() + digits.size()) return wrong("no port from 0 to 65535");
  return Address{Address::Kind::tcp, {}, std::string(host.empty() ? loopback : host), port};
}

}  // namespace

bool looks_like_address(std::string_view text) noexcept {
  return text.starts_with(unix_prefix) || text.starts_with(tcp_prefix);
}

std::expected<Address, std::string> parse_address(std::string_view text) {
  if (text.starts_with(unix_prefix)) return parse_unix(text, text.substr(unix_prefix.size()));
  if (text.starts_with(tcp_prefix)) return parse_tcp(text, text.substr(tcp_prefix.size()));
  return std::unexpected(fmt::format("{} is not an address: write unix:PATH or tcp:HOST:PORT.", text));
}

std::string to_string(const Address& address) {
  if (address.kind == Address::Kind::unix_socket) return fmt::format("unix:{}", address.path);
  const bool needs_brackets = address.host.find(':') != std::string::npos;
  return fmt::format("tcp:{}{}{}:{}", needs_brackets ? "[" : "", address.host, needs_brackets ? "]" : "", address.port);
}

}  // namespace chimera::server
