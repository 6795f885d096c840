#pragma once
// The loop where io_uring is refused: disk operations are carried out, one after the other, at the step that follows
// their start; sockets are watched with poll.

#include <poll.h>

#include <cstdint>
#include <vector>

#include "io/loop.h"
#include "io/timers.h"

namespace chimera::io {

class PosixLoop final : public KernelLoop {
 public:
  PosixLoop();
  PosixLoop(const PosixLoop&) = delete;
  PosixLoop& operator=(const PosixLoop&) = delete;

  std::size_t step(int timeout_ms) override;
  void readv(int fd, const iovec* parts, unsigned part_count, std::uint64_t offset, Completion&) override;
  void writev(int fd, const iovec* parts, unsigned part_count, std::uint64_t offset, Durable durable,
              Completion&) override;
  void sync_data(int fd, Completion&) override;
  void punch_hole(int fd, std::uint64_t offset, std::uint64_t length, Completion&) override;
  /// Makes the listening descriptor non-blocking.
  void accept(int fd, Completion&) override;
  void receive(int fd, void* buffer, std::size_t size, Completion&) override;
  void send(int fd, const void* buffer, std::size_t size, Completion&) override;
  void wait_readable(int fd, Completion&) override;
  void wait_writable(int fd, Completion&) override;
  void after(std::uint64_t milliseconds, Completion&) override;
  void cancel(Completion&) override;
  void register_memory(void*, std::size_t) override {}
  [[nodiscard]] std::string_view name() const noexcept override { return "posix"; }

 private:
  enum class Kind : std::uint8_t {
    readv,
    writev,
    write_durably,
    sync_data,
    punch_hole,  ///< the last one of disks
    accept,
    receive,
    send,
    wait_readable,
    wait_writable
  };
  struct Operation {
    Kind kind;
    int fd;
    void* memory;      ///< the buffer, or the iovecs; never written through for a send or a write
    std::size_t size;  ///< of the buffer or the hole, or the number of iovecs
    std::uint64_t offset;
    Completion* completion;
  };

  void start(const Operation& operation);
  /// So many may end by one step: what has been carried out must not get lost for want of memory.
  void make_room(std::size_t count);
  void run_disk_operations();
  void run_socket_operations(std::int64_t wait_ns);
  [[nodiscard]] static bool is_for_disk(Kind kind) { return kind <= Kind::punch_hole; }
  /// A negative errno, or what the system call returned; -EAGAIN if a socket is not ready.
  [[nodiscard]] static int attempt(const Operation& operation);

  std::vector<Operation> disk_;
  std::vector<Operation> sockets_;
  std::vector<pollfd> watched_;  ///< one for each of sockets_, in the same order
  Timers timers_;
  std::vector<Ended> ended_;
  std::vector<Ended> delivering_;
  bool is_stepping_ = false;
};

}  // namespace chimera::io
