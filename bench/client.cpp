// One client of a unix socket: a server of ours, or bench_plain_server in its place.
//
//   client socket=PATH size=1|4096 way=pipelined|one_by_one count=INSTRUCTIONS server=chimera|plain seconds=S
//
// `read byte D O` or `read block D O` of the hot devices, which are made and filled on a server of ours. Instructions a
// second when pipelined; the seconds that one instruction takes when one by one.

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "bench/embedded_store.h"
#include "bench/subject.h"
#include "bench/workload.h"
#include "isa/bytes.h"

namespace chimera::bench {
namespace {

int connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) fail("the socket's name is too long");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    fail("cannot connect to " + path + ": " + std::strerror(errno));
  }
  return fd;
}

class Client final : public Subject {
 public:
  explicit Client(const Arguments& arguments)
      : fd_(connect_to(arguments.text("socket"))),
        count_(arguments.number("count")),
        answer_size_(1 + arguments.number("size")),
        is_pipelined_(arguments.text("way") == "pipelined"),
        seconds_(arguments.seconds()),
        input_(1 << 20),
        program_(answer_size_ == 2 ? hot::byte_reads(count_) : hot::block_reads(count_)) {
    if (arguments.text("server") == "chimera") {
      const std::vector<std::uint8_t> contents = hot::make_contents();
      fill_devices(contents);
      verify(contents);
    }
    sample();
  }
  ~Client() override { ::close(fd_); }

  double sample() override {
    if (is_pipelined_) return rate_of(seconds_, [&] { return exchange(program_.bytes(), nullptr); });
    return 1 / rate_of(seconds_, [&] { return ask_one_by_one(); });
  }

 private:
  /// Sends the program as fast as it is taken, and takes the answers as they come; into `answers` if they are wanted.
  std::uint64_t exchange(std::span<const std::uint8_t> program, std::vector<std::uint8_t>* answers) {
    const std::uint64_t count = program.size() / addressed_size;
    std::uint64_t wanted = count * answer_size_;
    while (wanted > 0) {
      const std::size_t sent = send_some(program);
      program = program.subspan(sent);
      const std::size_t received = receive_some();
      if (received > wanted) fail("more answers than expected");
      if (answers != nullptr) answers->insert(answers->end(), input_.begin(), input_.begin() + received);
      wanted -= received;
      if (sent == 0 && received == 0) wait(/*can_send=*/!program.empty());
    }
    return count;
  }

  std::size_t send_some(std::span<const std::uint8_t> program) {
    constexpr std::size_t most = 128 << 10;
    if (program.empty()) return 0;
    return result_of(::send(fd_, program.data(), std::min(most, program.size()), MSG_DONTWAIT | MSG_NOSIGNAL));
  }

  std::size_t receive_some() {
    const ssize_t received = ::recv(fd_, input_.data(), input_.size(), MSG_DONTWAIT);
    if (received == 0) fail("the server has gone");
    return result_of(received);
  }

  static std::size_t result_of(ssize_t result) {
    if (result >= 0) return static_cast<std::size_t>(result);
    if (errno != EAGAIN && errno != EINTR) fail(std::string("the connection broke: ") + std::strerror(errno));
    return 0;
  }

  void wait(bool can_send) {
    pollfd watched{fd_, static_cast<short>(can_send ? POLLIN | POLLOUT : POLLIN), 0};
    ::poll(&watched, 1, -1);
  }

  std::uint64_t ask_one_by_one() {
    constexpr std::size_t batch = 512;  // between two looks at the clock
    const std::span<const std::uint8_t> program = program_.bytes();
    for (std::size_t i = 0; i < batch; ++i) {
      if (next_ == program.size()) next_ = 0;
      if (::send(fd_, program.data() + next_, addressed_size, MSG_NOSIGNAL) != addressed_size) fail("cannot send");
      next_ += addressed_size;
      for (std::size_t received = 0; received < answer_size_;) {
        const ssize_t size = ::recv(fd_, input_.data() + received, answer_size_ - received, 0);
        if (size <= 0) fail("the server has gone");
        received += static_cast<std::size_t>(size);
      }
      if (input_[0] != 0) fail("a read was refused");
    }
    return batch;
  }

  /// Makes those devices that the server does not have yet.
  void fill_devices(std::span<const std::uint8_t> contents) {
    for (std::uint32_t index = 0; index < hot::device_count; ++index) {
      Program program;
      hot::add_device(program, index, contents);
      send_all(program.bytes());
      constexpr std::size_t answers_size = 1 + sizeof(Uuid) + 1;
      receive_all(answers_size);
      check_answers(program.bytes(), std::span(input_).first(answers_size));
    }
  }

  void send_all(std::span<const std::uint8_t> bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) fail("cannot send");
      bytes = bytes.subspan(static_cast<std::size_t>(sent));
    }
  }

  void receive_all(std::size_t size) {
    if (::recv(fd_, input_.data(), size, MSG_WAITALL) != static_cast<ssize_t>(size)) fail("the server has gone");
  }

  void verify(std::span<const std::uint8_t> contents) {
    const std::size_t count = std::min<std::size_t>(count_, 4096);
    const std::span<const std::uint8_t> program = program_.bytes().first(count * addressed_size);
    std::vector<std::uint8_t> answers;
    exchange(program, &answers);
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint8_t* const instruction = program.data() + i * addressed_size;
      const std::size_t place = load<std::uint16_t>(instruction + 15) * std::size_t{hot::device_size} +
                                load<std::uint64_t>(instruction + offset_place);
      const std::uint8_t* const answer = answers.data() + i * answer_size_;
      if (*answer != 0 || std::memcmp(answer + 1, contents.data() + place, answer_size_ - 1) != 0) {
        fail("a read gave wrong bytes");
      }
    }
  }

  int fd_;
  std::uint64_t count_;
  std::size_t answer_size_;
  bool is_pipelined_;
  double seconds_;
  std::vector<std::uint8_t> input_;
  Program program_;
  std::size_t next_ = 0;  ///< one by one: where in the program
};

}  // namespace

std::unique_ptr<Subject> make_client(const Arguments& arguments) { return std::make_unique<Client>(arguments); }

}  // namespace chimera::bench
