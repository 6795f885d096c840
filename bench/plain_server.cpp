// bench_plain_server SOCKET REQUEST_BYTES ANSWER_BYTES: answers each request of that size with so many zeros, by plain
// blocking system calls: what a unix socket costs by itself. Ends when it is told to.

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

int listen_on(const char* path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd < 0 || ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || ::listen(fd, 4) != 0) {
    fail(path);
  }
  return fd;
}

bool send_all(int fd, const std::vector<char>& zeros, std::size_t size) {
  while (size > 0) {
    const ssize_t sent = ::send(fd, zeros.data(), std::min(size, zeros.size()), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    size -= static_cast<std::size_t>(sent);
  }
  return true;
}

void serve(int fd, std::size_t request_size, std::size_t answer_size) {
  std::vector<char> input(512 << 10);
  const std::vector<char> zeros(256 << 10);
  std::size_t unanswered = 0;  // bytes
  for (;;) {
    const ssize_t received = ::recv(fd, input.data(), input.size(), 0);
    if (received <= 0) return;
    unanswered += static_cast<std::size_t>(received);
    if (!send_all(fd, zeros, unanswered / request_size * answer_size)) return;
    unanswered %= request_size;
  }
}

}  // namespace

int main(int count, char** words) {
  if (count != 4) {
    std::fputs("usage: bench_plain_server SOCKET REQUEST_BYTES ANSWER_BYTES\n", stderr);
    return 2;
  }
  const int listening = listen_on(words[1]);
  std::puts("listening");
  std::fflush(stdout);
  for (;;) {
    const int fd = ::accept(listening, nullptr, nullptr);
    if (fd < 0) fail("accept");
    serve(fd, std::strtoul(words[2], nullptr, 10), std::strtoul(words[3], nullptr, 10));
    ::close(fd);
  }
}
