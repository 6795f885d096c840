#include "server/nbd_connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <utility>

namespace chimera::server {
namespace {

// From this size on it is worth more to move nothing than to receive much at once.
constexpr std::size_t long_request = 128 * 1024;

static_assert(nbd::Outlet::most_parts <= IOV_MAX, "a long reply is one system call");

// So many pieces of output may leave before others have their turn.
constexpr unsigned most_rounds = 16;

}  // namespace

NbdConnection::NbdConnection(Host& host, io::KernelLoop& loop, const Options& options, Socket socket,
                             vm::Machine& machine, vm::TransferBudget& transfers, nbd::Statistics& statistics)
    : host_(host),
      loop_(loop),
      options_(options),
      socket_(std::move(socket)),
      transfers_(transfers),
      conversation_(
          std::in_place, machine, options.nbd, transfers, statistics, [this] { host_.connection_changed(*this); },
          static_cast<nbd::Outlet*>(this)) {
  if (options_.nbd_handshake_ms != 0) loop_.after(options_.nbd_handshake_ms, handshake_timer_.begin());
  host_.connection_changed(*this);
}

std::uint64_t NbdConnection::most_memory() {
  // A request that is to be done at once has to come whole; a queue that grows doubles.
  constexpr std::uint64_t input =
      std::max(2 * nbd::Transmission::free_bytes, nbd::Transmission::free_bytes + std::uint64_t{ReceiveSize::largest});
  return input + nbd::Conversation::most_memory;
}

void NbdConnection::advance(bool is_machine_busy) {
  if (is_closing_) return;
  // For one turn, whatever others do in it.
  const bool may_wait = is_machine_busy && !std::exchange(is_send_postponed_, false);
  // What was done as it was received may be enough to be sent before anything else is replied to: those whose requests
  // have ended meanwhile would wait as long as more is received.
  if (conversation_->is_worth_sending()) send_output(may_wait);
  if (is_closing_) return;
  conversation_->proceed();
  if (!conversation_->is_negotiating()) handshake_timer_.cancel(loop_);
  bool is_more_taken = true;
  for (unsigned round = 0; round < most_rounds && is_more_taken; ++round) {
    send_output(may_wait);
    if (is_closing_) return;
    // Room for more, in the output and of what may be under way; what is answered at once makes output.
    is_more_taken = take_input();
  }
  send_output(may_wait);
  if (is_closing_) return;
  // Others have their turn, and nothing may be received into what is gone through.
  if (is_more_taken) return host_.connection_changed(*this);
  const bool is_done = conversation_->has_ended() || (has_input_ended_ && conversation_->is_waiting_for_client());
  if (!is_done || !conversation_->output().empty()) return receive();
  lingers_ = !has_client_closed_;
  close();
}

// Requests in.

bool NbdConnection::takes_input() const {
  return conversation_->takes_input() && conversation_->output().size() < options_.answer_cap_bytes;
}

/// True if something has been taken, so that there may be more.
bool NbdConnection::take_input() {
  if (receiving_.is_under_way() || !takes_input()) return false;
  const std::size_t taken = conversation_->take(input_.bytes());
  input_.drop(taken);
  return taken > 0;
}

void NbdConnection::receive() {
  // While one is under way the input stays as it is. So there is one only where nothing of it could be taken.
  if (has_input_ended_ || receiving_.is_under_way() || !takes_input()) return;
  const std::size_t wanted = conversation_->wanted();
  const std::size_t missing = wanted - std::min(wanted, input_.size());
  // The rest of a long request comes alone: what follows finds the queue empty, and need not be moved to its front.
  const bool is_long = missing > 0 && wanted >= long_request;
  std::uint8_t* const room = input_.room(is_long ? missing : std::max(receive_size_.get(), missing));
  const std::size_t size = std::min(is_long ? missing : input_.room_size(), ReceiveSize::largest);
  loop_.receive(socket_.get(), room, size, receiving_.begin());
}

void NbdConnection::on_received(int result) {
  if (is_closing_) return go_if_over();
  host_.connection_changed(*this);
  if (result <= 0) {
    const bool is_over = result != -EINTR && result != -EAGAIN && result != -ECANCELED;
    has_client_closed_ = has_client_closed_ || is_over;
    has_input_ended_ = has_input_ended_ || is_over;
    return;
  }
  const auto size = static_cast<std::size_t>(result);
  patience_.note(size);
  input_.commit(size);
  receive_size_.note(size);
  // Before the machine has its turn.
  static_cast<void>(take_input());
}

void NbdConnection::end_input() {
  if (is_closing_) return;
  has_input_ended_ = true;
  receiving_.cancel(loop_);
  host_.connection_changed(*this);
}

// Replies out.

/// `may_wait`: the machine goes on at once, and may bring more with its next turn.
void NbdConnection::send_output(bool may_wait) {
  while (!awaiting_room_.is_under_way()) {
    const std::span<const std::uint8_t> output = conversation_->output();
    if (output.empty()) {
      if (conversation_->is_worth_sending()) conversation_->sent(0);
      return;
    }
    if (may_wait && !conversation_->is_worth_sending() && !conversation_->is_waiting_for_client()) {
      is_send_postponed_ = true;
      return host_.connection_changed(*this);
    }
    const ssize_t sent = ::send(socket_.get(), output.data(), output.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) {
      patience_.note(static_cast<std::size_t>(sent));
      conversation_->sent(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      loop_.wait_writable(socket_.get(), awaiting_room_.begin());
    } else if (errno != EINTR) {
      return close();
    }
  }
}

/// What is wrong with the connection the next `send_output` finds.
std::size_t NbdConnection::send_at_once(std::span<const std::span<const std::uint8_t>> parts) {
  std::array<iovec, most_parts> vector;
  // Not changed: iovec has no const.
  std::ranges::transform(parts, vector.begin(), [](std::span<const std::uint8_t> part) {
    return iovec{const_cast<std::uint8_t*>(part.data()), part.size()};
  });
  msghdr message{};
  message.msg_iov = vector.data();
  message.msg_iovlen = parts.size();
  const ssize_t result = ::sendmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (result < 0) return 0;
  const auto sent = static_cast<std::size_t>(result);
  patience_.note(sent);
  return sent;
}

void NbdConnection::on_writable(int) {
  if (is_closing_) return go_if_over();
  host_.connection_changed(*this);
}

// The end.

void NbdConnection::on_too_long(int result) {
  if (is_closing_) return go_if_over();
  if (result != -ECANCELED && conversation_->is_negotiating()) close();
}

void NbdConnection::check_patience(std::uint64_t elapsed_ms) {
  if (is_closing_ || conversation_->is_negotiating()) return;
  const bool is_ours = conversation_->output().empty() && !conversation_->is_waiting_for_client();
  // What has come and was not taken is the beginning of a request.
  const bool is_idle = conversation_->is_idle() && conversation_->output().empty() && input_.bytes().empty();
  const std::uint64_t patience = is_idle ? options_.idle_timeout_ms : options_.stall_timeout_ms;
  const std::size_t others = transfers_.waiting() - (conversation_->is_waiting_for_transfer() ? 1 : 0);
  const bool is_waited_for = !is_ours && conversation_->holds_transfer() && others > 0;
  const bool is_quiet = patience_.is_quiet(elapsed_ms, is_ours ? 0 : patience);
  const bool holds_up = patience_.holds_others_up(elapsed_ms, is_waited_for ? options_.transfer_timeout_ms : 0);
  if (is_quiet || holds_up) drop();
}

void NbdConnection::drop() {
  lingers_ = false;
  if (!is_closing_) close();
}

void NbdConnection::close() {
  is_closing_ = true;
  receiving_.cancel(loop_);
  awaiting_room_.cancel(loop_);
  handshake_timer_.cancel(loop_);
  go_if_over();
}

void NbdConnection::go_if_over() {
  const bool is_under_way =
      receiving_.is_under_way() || awaiting_room_.is_under_way() || handshake_timer_.is_under_way();
  if (is_under_way || is_gone_) return;
  is_gone_ = true;
  if (lingers_) left_socket = std::move(socket_);
  socket_.close();
  host_.connection_gone(*this);
}

}  // namespace chimera::server
