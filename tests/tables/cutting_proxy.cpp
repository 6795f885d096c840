#include "tests/tables/cutting_proxy.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <utility>

#include "server/listening_socket.h"

namespace chimera::tables::testing {
namespace {

using Bytes = std::vector<std::uint8_t>;

void write_all(const server::Socket& to, const Bytes& bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const ssize_t sent = ::send(to.get(), bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
    if (sent <= 0) return;  // gone, as it may be
    at += static_cast<std::size_t>(sent);
  }
}

/// Nothing: the other side has ended it, or `flags` say not to wait.
Bytes read_some(const server::Socket& from, int flags = 0) {
  Bytes bytes(1 << 16);
  const ssize_t size = ::recv(from.get(), bytes.data(), bytes.size(), flags);
  bytes.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return bytes;
}

}  // namespace

CuttingProxy::CuttingProxy(server::Address upstream) : upstream_address_(std::move(upstream)) {
  auto listening = server::listen_on(*server::parse_address(address()), 0600);
  REQUIRE(listening);
  listening_ = std::move(listening->socket);
  thread_ = std::thread([this] { serve(); });
}

CuttingProxy::~CuttingProxy() {
  ends_ = true;
  thread_.join();
}

void CuttingProxy::cut(Cut cut) {
  const std::lock_guard lock(mutex_);
  cut_ = std::move(cut);
}

void CuttingProxy::serve() {
  while (!ends_) {
    // No descriptor is ignored. A moment is waited for, as the end comes unannounced.
    std::array<pollfd, 3> waiting{{{client_.is_open() ? -1 : listening_.get(), POLLIN, 0},
                                   {client_.get(), POLLIN, 0},
                                   {upstream_.get(), POLLIN, 0}}};
    if (::poll(waiting.data(), waiting.size(), 2) <= 0) continue;
    if (waiting[0].revents != 0) accept();
    if (waiting[1].revents != 0) pass(Cut::Side::requests);
    if (waiting[2].revents != 0 && upstream_.is_open()) pass(Cut::Side::answers);
  }
}

void CuttingProxy::accept() {
  client_ = server::Socket(::accept(listening_.get(), nullptr, nullptr));
  auto upstream = server::connect_to(upstream_address_);
  if (upstream) {
    upstream_ = std::move(*upstream);
  } else {
    client_.close();
  }
}

void CuttingProxy::pass(Cut::Side side) {
  const bool is_request = side == Cut::Side::requests;
  Bytes bytes = read_some(is_request ? client_ : upstream_);
  if (bytes.empty()) {
    client_.close();
    upstream_.close();
    return;
  }
  if (late_.is_open() && is_request == (late_when_ == Cut::Rest::comes_before)) deliver_late();
  std::optional<Cut> reached;
  {
    const std::lock_guard lock(mutex_);
    if (cut_ && cut_->side == side) {
      if (bytes.size() >= cut_->after) {
        reached = std::exchange(cut_, {});
      } else {
        cut_->after -= bytes.size();
      }
    }
  }
  if (!reached) return write_all(is_request ? upstream_ : client_, bytes);
  const auto end = bytes.begin() + static_cast<std::ptrdiff_t>(reached->after);
  Bytes rest(end, bytes.end());
  bytes.erase(end, bytes.end());
  write_all(is_request ? upstream_ : client_, bytes);
  break_off(*reached, is_request ? std::move(rest) : Bytes());
}

void CuttingProxy::break_off(const Cut& cut, Bytes rest) {
  if (cut.rest == Cut::Rest::is_lost_unheard) {
    unheard_.push_back(std::exchange(upstream_, server::Socket()));
  } else if (cut.rest != Cut::Rest::is_lost) {
    for (Bytes more = read_some(client_, MSG_DONTWAIT); !more.empty(); more = read_some(client_, MSG_DONTWAIT)) {
      rest.insert(rest.end(), more.begin(), more.end());
    }
    deliver_late();
    late_ = std::exchange(upstream_, server::Socket());
    late_bytes_ = std::move(rest);
    late_when_ = cut.rest;
  }
  upstream_.close();
  write_all(client_, cut.last_words);
  if (cut.meanwhile) cut.meanwhile();
  ++cuts_;
  client_.close();
}

/// Until the server has done all of it, and closed.
void CuttingProxy::deliver_late() {
  if (!late_.is_open()) return;
  write_all(late_, late_bytes_);
  ::shutdown(late_.get(), SHUT_WR);
  while (!read_some(late_).empty()) continue;
  late_.close();
}

}  // namespace chimera::tables::testing
