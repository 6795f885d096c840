#include "server/listener.h"

#include <cerrno>
#include <utility>

namespace chimera::server {
namespace {

// When descriptors or memory are used up, or something else stays as it is, trying again at once would only spin.
constexpr std::uint64_t pause_ms = 250;

/// Of the one connection that has already gone again, or of nothing at all.
bool is_over_with(int error) {
  return error == -ECONNABORTED || error == -EPROTO || error == -EINTR || error == -EAGAIN || error == -ECANCELED;
}

}  // namespace

Listener::Listener(Host& host, io::KernelLoop& loop, ListeningSocket listening, Protocol protocol)
    : host_(host), loop_(loop), listening_(std::move(listening)), protocol_(protocol) {
  resume();
}

Listener::~Listener() { stop_listening(listening_); }

void Listener::resume() {
  if (is_stopping_ || accepting_.is_under_way() || waiting_.is_under_way() || !host_.has_room(protocol_)) return;
  loop_.accept(listening_.socket.get(), accepting_.begin());
}

void Listener::on_accepted(int result) {
  if (result >= 0) {
    Socket socket(result);
    if (is_stopping_) return;
    host_.accepted(std::move(socket), protocol_);
  } else if (!is_over_with(result) && !is_stopping_) {
    return loop_.after(pause_ms, waiting_.begin());
  }
  resume();
}

void Listener::on_waited(int) { resume(); }

void Listener::stop() {
  is_stopping_ = true;
  accepting_.cancel(loop_);
  waiting_.cancel(loop_);
}

bool Listener::has_stopped() const { return is_stopping_ && !accepting_.is_under_way() && !waiting_.is_under_way(); }

}  // namespace chimera::server
