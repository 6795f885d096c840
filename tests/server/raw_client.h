#pragma once
// A client without a will of its own.

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/server/running.h"

namespace chimera::server::testing {

/// A client that does just what it is told, and waits some minutes at most.
class RawClient {
 public:
  explicit RawClient(const RunningServer& server) {
    auto made = connect_to(server.address());
    REQUIRE(made);
    socket_ = std::move(*made);
    const timeval patience{240, 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  void send(const Bytes& bytes) const {
    std::size_t sent = 0;
    while (sent < bytes.size()) {
      const ssize_t now = ::send(socket_.get(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      REQUIRE(now > 0);
      sent += static_cast<std::size_t>(now);
    }
  }
  /// Sends until nothing more is taken; how much was.
  [[nodiscard]] std::size_t send_all_that_fits(const Bytes& bytes) const {
    std::size_t sent = 0;
    for (int quiet = 0; quiet < 20;) {
      const std::size_t start = sent % bytes.size();
      const ssize_t now =
          ::send(socket_.get(), bytes.data() + start, bytes.size() - start, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (now > 0) {
        sent += static_cast<std::size_t>(now);
        quiet = 0;
      } else {
        ++quiet;
        ::usleep(5000);
      }
    }
    return sent;
  }
  [[nodiscard]] Bytes receive(std::size_t size) const {
    Bytes bytes(size);
    std::size_t got = 0;
    while (got < size) {
      const ssize_t now = ::recv(socket_.get(), bytes.data() + got, size - got, 0);
      REQUIRE(now > 0);
      got += static_cast<std::size_t>(now);
    }
    return bytes;
  }
  /// What recv answers at the end: 0 for an orderly one.
  [[nodiscard]] ssize_t receive_end() const {
    std::uint8_t byte = 0;
    return ::recv(socket_.get(), &byte, 1, 0);
  }
  [[nodiscard]] int descriptor() const { return socket_.get(); }
  void shut_down_sending() const { ::shutdown(socket_.get(), SHUT_WR); }
  void close() { socket_.close(); }

 private:
  Socket socket_;
};

}  // namespace chimera::server::testing
