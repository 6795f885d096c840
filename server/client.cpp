#include "server/client.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace chimera::server {
namespace {

constexpr std::size_t smallest_room = 64 * 1024;
constexpr std::size_t largest_room = 1 << 20;

}  // namespace

std::expected<Client, std::string> Client::connect(const Address& address, std::uint64_t silence_ms) {
  auto socket = connect_to(address);
  if (!socket) return std::unexpected(std::move(socket.error()));
  bound_silence(*socket, silence_ms);
  return Client(std::move(*socket), address);
}

std::unexpected<std::string> Client::lost(int error) const {
  return std::unexpected(fmt::format("The connection to {} is lost: {}.", to_string(address_), std::strerror(error)));
}

void Client::send(std::span<const std::uint8_t> bytes) {
  if (is_output_refused_) return;
  if (unsent() == 0) {
    // Most often all goes out at once and needs no copy.
    const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) bytes = bytes.subspan(static_cast<std::size_t>(sent));
    if (bytes.empty()) return;
  }
  // Where there is always something unsent, what has gone out has to make room all the same. It costs no more than the
  // sending did, since fewer bytes are moved than have gone out.
  if (output_start_ > unsent()) {
    output_.erase(output_.begin(), output_.begin() + static_cast<std::ptrdiff_t>(output_start_));
    output_start_ = 0;
  }
  output_.insert(output_.end(), bytes.begin(), bytes.end());
  send_some();
}

void Client::end_input() {
  is_input_ending_ = true;
  send_some();
}

void Client::send_some() {
  while (unsent() > 0 && !is_output_refused_) {
    const ssize_t sent = ::send(socket_.get(), output_.data() + output_start_, unsent(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) return;
    // Gone. The answers that still come tell more about why than this error.
    if (sent < 0) is_output_refused_ = true;
    output_start_ += static_cast<std::size_t>(std::max<ssize_t>(sent, 0));
  }
  output_.clear();
  output_start_ = 0;
  if (std::exchange(is_input_ending_, false)) ::shutdown(socket_.get(), SHUT_WR);
}

void Client::make_room() {
  if (input_start_ == input_end_) input_start_ = input_end_ = 0;
  if (input_.size() - input_end_ >= smallest_room) return;
  if (input_start_ >= arrived() && input_start_ >= smallest_room) {
    std::memcpy(input_.data(), input_.data() + input_start_, arrived());
    input_end_ -= std::exchange(input_start_, 0);
    return;
  }
  input_.resize(std::max(2 * input_.size(), smallest_room));
}

std::expected<void, std::string> Client::receive_some(bool may_wait) {
  make_room();
  const std::size_t room = std::min(input_.size() - input_end_, largest_room);
  const ssize_t received = ::recv(socket_.get(), input_.data() + input_end_, room, may_wait ? 0 : MSG_DONTWAIT);
  if (received < 0) {
    if (errno == EINTR || errno == EAGAIN) return {};
    return lost(errno);
  }
  has_ended_ = received == 0;
  input_end_ += static_cast<std::size_t>(received);
  return {};
}

std::expected<void, std::string> Client::wait_and_move() {
  // With nothing left to send, the receive itself is the wait.
  if (unsent() == 0) return receive_some(true);
  pollfd waiting{socket_.get(), POLLIN | POLLOUT, 0};
  if (::poll(&waiting, 1, -1) < 0) {
    if (errno == EINTR) return {};
    return lost(errno);
  }
  if ((waiting.revents & POLLOUT) != 0) send_some();
  if ((waiting.revents & (POLLIN | POLLHUP | POLLERR)) != 0) return receive_some(false);
  return {};
}

std::expected<void, std::string> Client::move_some() {
  send_some();
  return has_ended_ ? std::expected<void, std::string>() : receive_some(false);
}

std::expected<std::span<const std::uint8_t>, std::string> Client::receive(std::size_t least) {
  while (arrived() < least && !has_ended_) {
    if (auto moved = wait_and_move(); !moved) return std::unexpected(std::move(moved.error()));
  }
  return received();
}

void Client::take(std::size_t size) { input_start_ += std::min(size, arrived()); }

std::expected<std::vector<std::uint8_t>, std::string> run_program(Client client,
                                                                  std::span<const std::uint8_t> program) {
  client.send(program);
  client.end_input();
  std::vector<std::uint8_t> answers;
  while (true) {
    auto arrived = client.receive(1);
    if (!arrived) return std::unexpected(std::move(arrived.error()));
    if (arrived->empty()) return answers;
    answers.insert(answers.end(), arrived->begin(), arrived->end());
    client.take(arrived->size());
  }
}

}  // namespace chimera::server
