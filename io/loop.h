#pragma once
// The event loop of a machine: one thread, one source of completions, for disks and sockets alike.

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

namespace chimera::io {

/// Told when an operation ends. Owned by whoever started the operation; it and all buffers of the operation
/// must live until then. `complete` is called from Loop::step only, never from inside the starting call.
class Completion {
 public:
  /// `result` is what the system call would have returned: 0 or more, or a negative errno.
  virtual void complete(int result) = 0;

 protected:
  ~Completion() = default;
};

/// What a machine needs of any loop: time passes and completions are delivered.
class Loop {
 public:
  virtual ~Loop() = default;
  static constexpr int forever = -1;
  /// Hands everything started so far to the kernel, waits up to `timeout_ms` (0: not at all; `forever`) for
  /// something to complete, and delivers all that has. Returns how many completions were delivered.
  virtual std::size_t step(int timeout_ms) = 0;
};

/// Whether a write is on the medium before it completes; `ahead`: it is, and nobody waits for it yet, but somebody is
/// about to, and asks while it is under way.
enum class Durable : std::uint8_t { no, yes, ahead };

/// A loop over file descriptors. Two implementations: io_uring, and pread/pwrite with poll.
/// It belongs to the thread that made it; nothing here throws; errors arrive in the completion. Whatever was started
/// must have ended before the loop goes, and a Completion has one operation under way at most.
class KernelLoop : public Loop {
 public:
  virtual void readv(int fd, const iovec* parts, unsigned part_count, std::uint64_t offset, Completion&) = 0;
  virtual void writev(int fd, const iovec* parts, unsigned part_count, std::uint64_t offset, Durable durable,
                      Completion&) = 0;
  virtual void sync_data(int fd, Completion&) = 0;  ///< fdatasync: covers writes completed before this call
  /// Gives the space of a range of a file or block device back, which reads as zeros then (fallocate, punching a hole).
  virtual void punch_hole(int fd, std::uint64_t offset, std::uint64_t length, Completion&) = 0;
  virtual void accept(int fd, Completion&) = 0;  ///< the result is the new descriptor, close-on-exec
  virtual void receive(int fd, void* buffer, std::size_t size, Completion&) = 0;
  virtual void send(int fd, const void* buffer, std::size_t size, Completion&) = 0;  ///< never raises SIGPIPE
  virtual void wait_readable(int fd, Completion&) = 0;              ///< one shot; also when the other side has gone
  virtual void wait_writable(int fd, Completion&) = 0;              ///< one shot
  virtual void after(std::uint64_t milliseconds, Completion&) = 0;  ///< monotonic; the result is 0 or -ECANCELED
  /// The operation of this completion ends soon, perhaps with -ECANCELED; `complete` is still called once.
  virtual void cancel(Completion&) = 0;
  /// A hint that transfers will use this memory often (page-aligned). Failing to register it costs speed only.
  virtual void register_memory(void* base, std::size_t size) = 0;
  /// Before it sleeps, a step may look for completions that long (nanoseconds; 0, as at first: never), where that has
  /// helped lately. It keeps a processor busy meanwhile. A loop that cannot look without a system call ignores it.
  virtual void look_before_sleeping(std::uint64_t /*longest_ns*/) {}
  /// A read of a disk has ended: somebody is likely to wait for another, and looking does not help then, for a while.
  virtual void waited_for_disk() {}
  /// Instead of sleeping, a step may carry out a flush or a durable write in its own thread, where those of late took
  /// less than that (nanoseconds; 0: never; 300,000 at first) and nothing else ended meanwhile. Beside a write that is
  /// durable `ahead` one other may, that of who asks for it.
  virtual void flush_itself(std::uint64_t /*longest_ns*/) {}
  /// It would now.
  [[nodiscard]] virtual bool flushes_itself() const noexcept { return false; }
  [[nodiscard]] virtual std::string_view name() const noexcept = 0;  ///< "uring" or "posix"
  /// Can be polled for reading where a host has a loop of its own: ready when a step would deliver something that a
  /// disk has done. -1 where disks keep nothing waiting beyond a step. Belongs to the loop. The error is an errno.
  [[nodiscard]] virtual std::expected<int, int> descriptor() { return -1; }
};

enum class LoopKind { automatic, uring, posix };

/// `automatic` takes io_uring where the kernel allows it and else posix, with one line in `warning` that names the
/// likely cause of the refusal. `uring` fails with that line instead.
[[nodiscard]] std::expected<std::unique_ptr<KernelLoop>, std::string> make_loop(LoopKind kind, std::string& warning);

}  // namespace chimera::io
