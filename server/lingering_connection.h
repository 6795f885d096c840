#pragma once
// What is left of a connection when all is said: its socket, until the client closes its side too. If we closed it with
// bytes unread the connection would be reset, and the client might lose answers that are on their way.

#include <cstdint>

#include "io/callback.h"
#include "io/loop.h"
#include "server/connection.h"
#include "server/socket.h"

namespace chimera::server {

class LingeringConnection final : public Connection {
 public:
  /// Shuts our side down and reads what comes, for so many milliseconds at most. Host and loop must outlive it.
  LingeringConnection(Host& host, io::KernelLoop& loop, Socket socket, std::uint64_t linger_ms);

  void advance(bool) override {}
  void end_input() override {}
  void check_patience(std::uint64_t) override {}
  void drop() override;

 private:
  void on_drained(int result);
  void on_too_long(int result);

  Host& host_;
  io::KernelLoop& loop_;
  Socket socket_;
  bool is_closing_ = false;  ///< operations that are under way end
  bool is_gone_ = false;     ///< its host has been told

  io::Callback<&LingeringConnection::on_drained> draining_{*this};
  io::Callback<&LingeringConnection::on_too_long> timer_{*this};
};

}  // namespace chimera::server
