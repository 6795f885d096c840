#include "server/stream_connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace chimera::server {
namespace {

// While a session waits for its blocks, the machine looks so far ahead.
constexpr std::size_t read_ahead = 256 * 1024;
// So many are sent although the session goes on: the client has something to do meanwhile.
constexpr std::size_t worthwhile_send = 64 * 1024;

}  // namespace

StreamConnection::StreamConnection(Host& host, io::KernelLoop& loop, const Options& options, Socket socket,
                                   std::unique_ptr<vm::Session> session, vm::TransferBudget& transfers)
    : host_(host),
      loop_(loop),
      options_(options),
      socket_(std::move(socket)),
      session_(std::move(session)),
      transfers_(transfers) {
  session_->ask_before_transfers(transfers);
  session_->cap_answers(options_.answer_cap_bytes);
  session_->listen(this);
  receive();
}

std::uint64_t StreamConnection::most_memory(const Options& options) {
  // A small instruction that has begun to come, or what the machine looks ahead; and what one receive brings.
  constexpr std::uint64_t begun = std::max<std::uint64_t>(vm::TransferBudget::free_bytes, read_ahead);
  constexpr std::uint64_t input = begun + ReceiveSize::largest + 2 * ReceiveSize::smallest;
  const std::uint64_t answers = options.answer_cap_bytes + vm::TransferBudget::free_bytes;
  constexpr std::uint64_t handles = vm::Machine::freely_open_handles * 2 * std::uint64_t{128};
  constexpr std::uint64_t session = 48 * 1024;  // itself, its run-ahead, its pending flushes, this
  return input + answers + handles + session;
}

void StreamConnection::session_changed(vm::Session&) { host_.connection_changed(*this); }

void StreamConnection::advance(bool is_machine_busy) {
  if (is_closing_) return;
  send_answers(is_machine_busy);
  receive();
  if (session_->ended() && session_->answers().empty() && !receiving_.is_under_way()) {
    lingers_ = !has_client_closed_ && !is_output_lost_;
    close();
  }
}

// Answers out.

bool StreamConnection::is_worth_sending(std::size_t size, bool is_machine_busy) const {
  return size >= worthwhile_send || !is_machine_busy || session_->idle();
}

void StreamConnection::send_answers(bool is_machine_busy) {
  // At once, and not by way of the loop: the client wakes earlier, and the answers need not outlive the session's next
  // step. A round trip is measurably shorter although it is one system call more.
  while (!awaiting_room_.is_under_way()) {
    const std::span<const std::uint8_t> answers = session_->answers();
    if (answers.empty()) return;
    if (!is_worth_sending(answers.size(), is_machine_busy)) return host_.connection_changed(*this);
    send_some(answers);
  }
}

void StreamConnection::send_some(std::span<const std::uint8_t> answers) {
  const ssize_t sent =
      is_output_lost_ ? -1 : ::send(socket_.get(), answers.data(), answers.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent >= 0) {
    patience_.note(static_cast<std::size_t>(sent));
    return session_->take_answers(static_cast<std::size_t>(sent));
  }
  if (!is_output_lost_ && errno == EINTR) return;
  if (!is_output_lost_ && errno == EAGAIN) return loop_.wait_writable(socket_.get(), awaiting_room_.begin());
  is_output_lost_ = true;
  session_->take_answers(answers.size());
}

void StreamConnection::on_writable(int) {
  if (is_closing_) return go_if_over();
  host_.connection_changed(*this);
}

// Instructions in.

void StreamConnection::receive() {
  if (has_input_ended_ || receiving_.is_under_way() || receiving_piece_.is_under_way() || session_->ended()) return;
  if (session_->answers().size() >= options_.answer_cap_bytes) return;
  if (session_->idle()) {
    const std::span<std::uint8_t> space = session_->input_space(receive_size_.get());
    loop_.receive(socket_.get(), space.data(), std::min(space.size(), ReceiveSize::largest), receiving_.begin());
  } else if (session_->unread_input() < read_ahead) {
    // The session may run at any moment, so nothing can be under way into its input.
    loop_.receive(socket_.get(), piece_.data(), piece_.size(), receiving_piece_.begin());
  }
}

/// What has come already, right into the session's input.
void StreamConnection::receive_directly() {
  if (has_input_ended_ || session_->ended() || session_->unread_input() >= read_ahead) return;
  const std::span<std::uint8_t> space = session_->input_space(receive_size_.get());
  const ssize_t received =
      ::recv(socket_.get(), space.data(), std::min(space.size(), ReceiveSize::largest), MSG_DONTWAIT);
  take_input(received < 0 ? -errno : static_cast<int>(received));
}

/// Of a receive right into the session's input.
void StreamConnection::take_input(int result) {
  const auto size = static_cast<std::size_t>(std::max(result, 0));
  session_->commit_input(size);
  receive_size_.note(size);
  note_received(result);
}

void StreamConnection::note_received(int result) {
  patience_.note(static_cast<std::size_t>(std::max(result, 0)));
  // A connection that breaks ends the input just as one that is closed: what arrived whole is run.
  const bool is_over = result <= 0 && result != -EINTR && result != -EAGAIN && result != -ECANCELED;
  has_client_closed_ = has_client_closed_ || is_over;
  if ((is_over || is_input_ending_) && !has_input_ended_) {
    has_input_ended_ = true;
    session_->end_input();
  }
}

void StreamConnection::on_received(int result) {
  if (is_closing_) return go_if_over();
  take_input(result);
  host_.connection_changed(*this);
}

void StreamConnection::on_piece(int result) {
  if (is_closing_) return go_if_over();
  session_->feed(std::span(piece_).first(static_cast<std::size_t>(std::max(result, 0))));
  note_received(result);
  if (result == static_cast<int>(piece_.size())) receive_directly();
  host_.connection_changed(*this);
}

void StreamConnection::end_input() {
  if (is_closing_ || has_input_ended_) return;
  is_input_ending_ = true;
  if (receiving_.is_under_way()) return receiving_.cancel(loop_);
  if (receiving_piece_.is_under_way()) return receiving_piece_.cancel(loop_);
  has_input_ended_ = true;
  session_->end_input();
  host_.connection_changed(*this);
}

// The end.

/// How long the client, whose turn it is, may stay as quiet as it is; 0: as long as it likes.
std::uint64_t StreamConnection::patience_ms() const {
  const bool is_amid = !session_->answers().empty() || session_->unread_input() > 0 || session_->in_transaction();
  return is_amid ? options_.stall_timeout_ms : options_.idle_timeout_ms;
}

void StreamConnection::check_patience(std::uint64_t elapsed_ms) {
  if (is_closing_) return;
  const bool is_theirs = session_->idle();  // otherwise it waits for us
  const bool is_waited_for = is_theirs && session_->holds_transfer() && transfers_.waiting() > 0;
  const bool is_quiet = patience_.is_quiet(elapsed_ms, is_theirs ? patience_ms() : 0);
  const bool holds_up = patience_.holds_others_up(elapsed_ms, is_waited_for ? options_.transfer_timeout_ms : 0);
  if (is_quiet || holds_up) drop();
}

void StreamConnection::drop() {
  lingers_ = false;
  if (!is_closing_) close();
}

void StreamConnection::close() {
  is_closing_ = true;
  receiving_.cancel(loop_);
  receiving_piece_.cancel(loop_);
  awaiting_room_.cancel(loop_);
  // The session stays while the kernel may still write into its input.
  if (!receiving_.is_under_way()) session_.reset();
  go_if_over();
}

void StreamConnection::go_if_over() {
  const bool is_under_way =
      receiving_.is_under_way() || receiving_piece_.is_under_way() || awaiting_room_.is_under_way();
  if (is_under_way || is_gone_) return;
  is_gone_ = true;
  session_.reset();
  if (lingers_) left_socket = std::move(socket_);
  socket_.close();
  host_.connection_gone(*this);
}

}  // namespace chimera::server
