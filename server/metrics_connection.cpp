#include "server/metrics_connection.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "server/http.h"
#include "server/metrics_text.h"

namespace chimera::server {

MetricsConnection::MetricsConnection(Host& host, io::KernelLoop& loop, const Options& options, Socket socket,
                                     const vm::Machine& machine)
    : host_(host), loop_(loop), socket_(std::move(socket)), machine_(machine) {
  loop_.after(options.metrics_ms, deadline_.begin());
  receive();
}

void MetricsConnection::receive() { loop_.receive(socket_.get(), piece_.data(), piece_.size(), receiving_.begin()); }

void MetricsConnection::on_received(int result) {
  if (state_ == State::closing) return go_if_over();
  if (result == -EINTR || result == -EAGAIN) return receive();
  // Whoever has sent all that it had to send still gets its answer.
  if (result == 0 && state_ == State::answering) {
    has_client_closed_ = true;
    return;
  }
  if (result <= 0) return close();
  // Behind the request nothing is wanted; it is taken so that the close does not reset the connection.
  if (state_ != State::asking) return receive();
  request_.append(piece_.data(), static_cast<std::size_t>(result));
  auto answer =
      answer_http(request_, "/metrics", metrics_content_type, [this] { return metrics_text(machine_.measure()); });
  receive();
  if (!answer) return;
  answer_ = std::move(*answer);
  state_ = State::answering;
  host_.connection_changed(*this);
}

void MetricsConnection::advance(bool) {
  if (state_ == State::answering) send_answer();
}

void MetricsConnection::send_answer() {
  while (!awaiting_room_.is_under_way()) {
    const ssize_t sent =
        ::send(socket_.get(), answer_.data() + sent_, answer_.size() - sent_, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) {
      sent_ += static_cast<std::size_t>(sent);
      if (sent_ < answer_.size()) continue;
      lingers_ = !has_client_closed_;
      return close();
    } else if (errno == EAGAIN) {
      loop_.wait_writable(socket_.get(), awaiting_room_.begin());
    } else if (errno != EINTR) {
      return close();
    }
  }
}

void MetricsConnection::on_writable(int) {
  if (state_ == State::closing) return go_if_over();
  host_.connection_changed(*this);
}

void MetricsConnection::end_input() {
  if (state_ != State::answering) drop();
}

void MetricsConnection::on_deadline(int) {
  if (state_ == State::closing) return go_if_over();
  close();
}

void MetricsConnection::drop() {
  lingers_ = false;
  if (state_ != State::closing) close();
}

void MetricsConnection::close() {
  state_ = State::closing;
  receiving_.cancel(loop_);
  awaiting_room_.cancel(loop_);
  deadline_.cancel(loop_);
  go_if_over();
}

void MetricsConnection::go_if_over() {
  if (receiving_.is_under_way() || awaiting_room_.is_under_way() || deadline_.is_under_way() || is_gone_) return;
  is_gone_ = true;
  if (lingers_) left_socket = std::move(socket_);
  socket_.close();
  host_.connection_gone(*this);
}

}  // namespace chimera::server
