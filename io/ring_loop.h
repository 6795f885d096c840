#pragma once
// The loop on io_uring: what is started during a turn goes to the kernel in one system call, together with the wait.

#include <liburing.h>

#include <utility>
#include <vector>

#include "io/flushing.h"
#include "io/loop.h"
#include "io/registered_memory.h"
#include "io/spinning.h"
#include "io/timers.h"

namespace chimera::io {

class RingLoop final : public KernelLoop {
 public:
  /// Sets up a ring with the newest flags that the kernel takes. On refusal a negative errno: of io_uring_setup, or
  /// -ENOSYS where the kernel's io_uring is too old (before 5.11).
  [[nodiscard]] static std::expected<std::unique_ptr<KernelLoop>, int> make();

  ~RingLoop() override;
  RingLoop(const RingLoop&) = delete;
  RingLoop& operator=(const RingLoop&) = delete;

  std::size_t step(int timeout_ms) override;
  void readv(int fd, const iovec* parts, unsigned part_count, std::uint64_t offset, Completion&) override;
  void writev(int fd, const iovec* parts, unsigned part_count, std::uint64_t offset, Durable durable,
              Completion&) override;
  void sync_data(int fd, Completion&) override;
  void punch_hole(int fd, std::uint64_t offset, std::uint64_t length, Completion&) override;
  void accept(int fd, Completion&) override;
  void receive(int fd, void* buffer, std::size_t size, Completion&) override;
  void send(int fd, const void* buffer, std::size_t size, Completion&) override;
  void wait_readable(int fd, Completion&) override;
  void wait_writable(int fd, Completion&) override;
  void after(std::uint64_t milliseconds, Completion&) override;
  void cancel(Completion&) override;
  void register_memory(void* base, std::size_t size) override;
  void look_before_sleeping(std::uint64_t longest_ns) override { spinning_.look_for_at_most(longest_ns); }
  void waited_for_disk() override { spinning_.waited_for_disk(); }
  void flush_itself(std::uint64_t longest_ns) override { flushing_.quick_below(longest_ns); }
  [[nodiscard]] bool flushes_itself() const noexcept override { return flushing_.flushes_itself() && event_ < 0; }
  [[nodiscard]] std::string_view name() const noexcept override { return "uring"; }
  /// So many flushes and durable writes it has carried out itself.
  [[nodiscard]] std::uint64_t carried_out() const noexcept { return carried_out_; }
  /// Asking for it makes every step a system call slower.
  [[nodiscard]] std::expected<int, int> descriptor() override;

 private:
  RingLoop() = default;

  [[nodiscard]] int set_up();
  io_uring_sqe* next_slot();
  io_uring_sqe* prepare_write(int fd, const iovec* parts, unsigned part_count, std::uint64_t offset,
                              Completion& completion);
  /// A flush, or a durable write.
  struct Flush {
    int fd = -1;
    const iovec* parts = nullptr;  ///< of a write
    unsigned part_count = 0;
    std::uint64_t offset = 0;
    Completion* completion = nullptr;  ///< null: there is none
    unsigned company = 0;              ///< so much else may end meanwhile, and it still counts as alone
  };
  /// Holds it back for our own thread, or submits it.
  void begin(const Flush& flush);
  void submit(const Flush& flush);
  void submit_held() {
    if (held_.completion != nullptr) submit(std::exchange(held_, {}));
  }
  /// Carries it out. What has been begun is with the kernel, and nothing has ended.
  void carry_out_held();
  /// Enters the kernel: submits, and waits up to `wait_ns` (-1: for ever) for `least` completions.
  void enter(unsigned least, std::int64_t wait_ns);
  /// Waits up to `wait_ns` (-1: for ever) for a completion: looks first, if that promises something, and then sleeps.
  void wait(std::int64_t wait_ns);
  /// True as soon as there is something, false after `ns` without.
  [[nodiscard]] bool look(std::uint64_t begun_ns, std::uint64_t ns) const;
  void collect();
  std::size_t deliver();
  [[nodiscard]] bool kernel_has_work() const;

  io_uring ring_{};
  bool is_set_up_ = false;
  int event_ = -1;  ///< the ring rings it, if somebody has asked for a descriptor
  RegisteredMemory memory_;
  Timers timers_;
  Spinning spinning_;
  Flushing flushing_;
  Flush held_;  ///< for our own thread
  std::uint64_t carried_out_ = 0;
  Completion* watched_ = nullptr;  ///< that of a flush or durable write that the kernel's threads carry out
  std::uint64_t watched_since_ns_ = 0;
  unsigned watched_company_ = 0;   ///< so much else may end meanwhile
  unsigned watched_beside_ = 0;    ///< so much has
  std::vector<Ended> ended_;       ///< to be delivered by the next step
  std::vector<Ended> delivering_;  ///< being delivered; kept for its capacity
  bool is_stepping_ = false;
};

}  // namespace chimera::io
