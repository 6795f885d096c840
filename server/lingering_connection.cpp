#include "server/lingering_connection.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

namespace chimera::server {
namespace {

/// Where bytes go that nobody will read.
std::array<std::uint8_t, 16 * 1024> rubbish;

}  // namespace

LingeringConnection::LingeringConnection(Host& host, io::KernelLoop& loop, Socket socket, std::uint64_t linger_ms)
    : host_(host), loop_(loop), socket_(std::move(socket)) {
  loop_.after(linger_ms, timer_.begin());
  ::shutdown(socket_.get(), SHUT_WR);
  loop_.receive(socket_.get(), rubbish.data(), rubbish.size(), draining_.begin());
}

void LingeringConnection::on_drained(int result) {
  const bool is_more = result > 0 || result == -EINTR || result == -EAGAIN;
  if (is_more && !is_closing_) return loop_.receive(socket_.get(), rubbish.data(), rubbish.size(), draining_.begin());
  drop();
}

void LingeringConnection::on_too_long(int) { drop(); }

void LingeringConnection::drop() {
  is_closing_ = true;
  draining_.cancel(loop_);
  timer_.cancel(loop_);
  if (is_gone_ || draining_.is_under_way() || timer_.is_under_way()) return;
  is_gone_ = true;
  host_.connection_gone(*this);
}

}  // namespace chimera::server
