#pragma once
// Sockets, and those that are connected to an address.

#include <cstdint>
#include <expected>
#include <string>
#include <utility>

#include "server/address.h"

namespace chimera::server {

/// A descriptor, closed when it goes.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int descriptor) : descriptor_(descriptor) {}
  Socket(Socket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~Socket();
  [[nodiscard]] int get() const noexcept { return descriptor_; }
  [[nodiscard]] bool is_open() const noexcept { return descriptor_ >= 0; }
  void close();

 private:
  int descriptor_ = -1;
};

// Errors are whole sentences for the user.

/// Waits until the other side has accepted. Blocking, close-on-exec, without delay.
[[nodiscard]] std::expected<Socket, std::string> connect_to(const Address& address);

/// Small answers leave at once, and a computer that has gone away is noticed. Nothing on unix sockets.
void tune_tcp(const Socket& socket);

/// A unix socket takes more at once than the kernel's default of some 200 KiB, so that neither side has to wake the
/// other up for each piece of a long answer; at most what the computer allows (net.core.wmem_max). Nothing on TCP
/// sockets, whose size the kernel adapts.
void widen_unix(const Socket& socket);
/// What the kernel may hold of a unix socket then, in bytes.
inline constexpr std::size_t widened_bytes = 2 << 20;

/// A computer that gives no sign of life, or takes nothing, for about so long counts as gone: what is received or sent
/// fails then. 0 leaves it to the kernel (hours). Nothing on unix sockets, whose other end cannot vanish unseen.
void bound_silence(const Socket& socket, std::uint64_t timeout_ms);

}  // namespace chimera::server
