#include "bench/nbd_link.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "bench/subject.h"

namespace chimera::bench {
namespace {

constexpr std::size_t most_parts = 1024;  // of one sendmsg, as the kernel has it

[[noreturn]] void fail_with_errno(const std::string& what) { fail(what + ": " + std::strerror(errno)); }

int connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) fail("the socket's name is too long");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0 || ::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    fail_with_errno("cannot connect to " + path);
  }
  return descriptor;
}

}  // namespace

NbdLink::NbdLink(const std::string& socket_path, const std::string& export_name, bool polls)
    : socket_(connect_to(socket_path)), polls_(polls) {
  greet(export_name);
}

NbdLink::~NbdLink() {
  std::array<std::uint8_t, nbd::request_size> goodbye;
  put_request(goodbye.data(), nbd::Command::disconnect, 0, 0, 0);
  send_all(goodbye);
  ::close(socket_);
}

void NbdLink::put_request(std::uint8_t* at, nbd::Command command, std::uint64_t cookie, std::uint64_t offset,
                          std::uint32_t length, std::uint16_t flags) {
  at = nbd::store_big(at, nbd::magic::request);
  at = nbd::store_big(at, flags);
  at = nbd::store_big(at, static_cast<std::uint16_t>(command));
  at = nbd::store_big(at, cookie);
  at = nbd::store_big(at, offset);
  nbd::store_big(at, length);
}

void NbdLink::greet(const std::string& export_name) {
  std::array<std::uint8_t, 18> greeting;
  receive_all(greeting);
  if (nbd::load_big<std::uint64_t>(greeting.data()) != nbd::magic::server) fail("this is no NBD server");
  std::vector<std::uint8_t> words(20 + export_name.size());
  std::uint8_t* at = nbd::store_big(words.data(), std::uint32_t{3});  // fixed newstyle, no zeroes
  at = nbd::store_big(at, nbd::magic::option);
  at = nbd::store_big(at, static_cast<std::uint32_t>(nbd::Option::export_name));
  at = nbd::store_big(at, static_cast<std::uint32_t>(export_name.size()));
  std::memcpy(at, export_name.data(), export_name.size());
  send_all(words);
  std::array<std::uint8_t, 10> agreed;
  receive_all(agreed);
  size_ = nbd::load_big<std::uint64_t>(agreed.data());
}

void NbdLink::send_all(std::span<const std::uint8_t> bytes) const {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) fail_with_errno("cannot send");
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
}

void NbdLink::receive_all(std::span<std::uint8_t> bytes) const {
  const ssize_t received = ::recv(socket_, bytes.data(), bytes.size(), MSG_WAITALL);
  if (received != static_cast<ssize_t>(bytes.size())) fail("the server has gone, or knows no such export");
}

void NbdLink::queue(std::span<const std::uint8_t> bytes) {
  waiting_.push_back({const_cast<std::uint8_t*>(bytes.data()), bytes.size()});
}

void NbdLink::drop_sent(std::size_t size) {
  while (size > 0) {
    iovec& part = waiting_[first_waiting_];
    const std::size_t taken = std::min(size, part.iov_len);
    part.iov_base = static_cast<std::uint8_t*>(part.iov_base) + taken;
    part.iov_len -= taken;
    size -= taken;
    if (part.iov_len == 0) ++first_waiting_;
  }
  if (first_waiting_ < waiting_.size()) return;
  waiting_.clear();
  first_waiting_ = 0;
}

bool NbdLink::send() {
  while (!waiting_.empty()) {
    msghdr message{};
    message.msg_iov = &waiting_[first_waiting_];
    message.msg_iovlen = std::min(waiting_.size() - first_waiting_, most_parts);
    const ssize_t sent = ::sendmsg(socket_, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) return false;
    if (sent < 0 && errno != EINTR) fail_with_errno("the connection broke");
    if (sent > 0) drop_sent(static_cast<std::size_t>(sent));
  }
  return true;
}

std::size_t NbdLink::receive(std::span<std::uint8_t> room) {
  for (;;) {
    const bool is_all_sent = send();
    const ssize_t received = ::recv(socket_, room.data(), room.size(), MSG_DONTWAIT);
    if (received > 0) return static_cast<std::size_t>(received);
    if (received == 0) fail("the server has gone");
    if (errno != EAGAIN && errno != EINTR) fail_with_errno("the connection broke");
    if (polls_) continue;
    // A receive that blocks would also wake up, for nothing, whenever the server takes a request out of the socket.
    pollfd watched{socket_, static_cast<short>(is_all_sent ? POLLIN : POLLIN | POLLOUT), 0};
    ::poll(&watched, 1, -1);
  }
}

}  // namespace chimera::bench
