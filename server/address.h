#pragma once
// Where a server listens: `unix:PATH`, `tcp:HOST:PORT`, `tcp:[::1]:PORT`.

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace chimera::server {

struct Address {
  enum class Kind : std::uint8_t { unix_socket, tcp };
  Kind kind = Kind::tcp;
  std::string path;        ///< of a unix socket
  std::string host;        ///< tcp: a name or a number, without brackets; `*` is every address of this computer
  std::uint16_t port = 0;  ///< tcp: 0 lets the kernel choose, for listening
};

/// True for what begins like an address, even if `parse_address` then finds fault with it.
[[nodiscard]] bool looks_like_address(std::string_view text) noexcept;

/// `tcp:PORT` and `tcp::PORT` mean the loopback address 127.0.0.1. Errors are whole sentences for the user.
[[nodiscard]] std::expected<Address, std::string> parse_address(std::string_view text);

/// The text that parses to this address.
[[nodiscard]] std::string to_string(const Address& address);

}  // namespace chimera::server
