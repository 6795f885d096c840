#include "io/ring_loop.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <utility>

#include "io/clock.h"

namespace chimera::io {
namespace {

/// Tells the processor that we are only looking, so that its other thread may have what we do not need.
void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb");
#endif
}

constexpr unsigned submission_slots = 512;
// Every socket of a full machine may have an operation or two under way beside the disk's.
constexpr unsigned completion_slots = 16384;
// How much one receive or send may move: results are ints.
constexpr std::size_t longest_transfer = std::size_t{1} << 30;

// The newest set of flags first. Task work that is deferred to our own waits (6.1) interrupts nothing; before that,
// cooperative task work (5.19) at least sends no interrupts between processors. The flag in the shared memory says
// without a system call whether such work waits.
constexpr unsigned setup_flags[] = {
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    0,
};

constexpr unsigned needed_features = IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_EXT_ARG;
constexpr int needed_operations[] = {IORING_OP_READV, IORING_OP_WRITEV,   IORING_OP_READ_FIXED,   IORING_OP_WRITE_FIXED,
                                     IORING_OP_FSYNC, IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL, IORING_OP_ACCEPT,
                                     IORING_OP_SEND,  IORING_OP_RECV,     IORING_OP_FALLOCATE};

bool has_needed_operations(io_uring& ring) {
  io_uring_probe* probe = io_uring_get_probe_ring(&ring);
  if (probe == nullptr) return false;
  const bool has_all = std::ranges::all_of(
      needed_operations, [&](int operation) { return io_uring_opcode_supported(probe, operation) != 0; });
  io_uring_free_probe(probe);
  return has_all;
}

/// The one span that the parts make up in memory, or a null base if there are gaps between them.
iovec joined(const iovec* parts, unsigned part_count) {
  iovec whole = parts[0];
  for (unsigned i = 1; i < part_count; ++i) {
    if (parts[i].iov_base != static_cast<std::byte*>(whole.iov_base) + whole.iov_len) return {nullptr, 0};
    whole.iov_len += parts[i].iov_len;
  }
  return whole;
}

unsigned clamped(std::size_t size) { return static_cast<unsigned>(std::min(size, longest_transfer)); }

}  // namespace

std::expected<std::unique_ptr<KernelLoop>, int> RingLoop::make() {
  std::unique_ptr<RingLoop> loop(new RingLoop);
  if (const int error = loop->set_up(); error < 0) return std::unexpected(error);
  return loop;
}

int RingLoop::set_up() {
  int error = 0;
  for (const unsigned flags : setup_flags) {
    io_uring_params params{};
    params.flags = flags | IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE;
    params.cq_entries = completion_slots;
    error = io_uring_queue_init_params(submission_slots, &ring_, &params);
    if (error != -EINVAL) break;
  }
  if (error < 0) return error;
  is_set_up_ = true;
  // Nothing that has ended may get lost for want of memory. What is not used of this is address space only.
  ended_.reserve(completion_slots);
  delivering_.reserve(completion_slots);
  if ((ring_.features & needed_features) != needed_features || !has_needed_operations(ring_)) return -ENOSYS;
  // Spares a reference count in each system call; kernels before 5.18 refuse and work all the same.
  static_cast<void>(io_uring_register_ring_fd(&ring_));
  return 0;
}

RingLoop::~RingLoop() {
  if (is_set_up_) io_uring_queue_exit(&ring_);
  if (event_ >= 0) ::close(event_);
}

/// The ring's own descriptor will not do: while completions are deferred to our waits nobody is woken who polls it.
std::expected<int, int> RingLoop::descriptor() {
  if (event_ >= 0) return event_;
  const int event = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (event < 0) return std::unexpected(errno);
  if (const int error = io_uring_register_eventfd(&ring_, event); error < 0) {
    ::close(event);
    return std::unexpected(-error);
  }
  event_ = event;
  // What has been there before it could ring.
  const std::uint64_t once = 1;
  static_cast<void>(!::write(event_, &once, sizeof once));
  return event_;
}

io_uring_sqe* RingLoop::next_slot() {
  io_uring_sqe* slot = io_uring_get_sqe(&ring_);
  while (slot == nullptr) {
    // Kernels before 5.19 take nothing more while completions have no room, so make some: they are delivered later.
    // What has ended can be more than is kept room for, where very many are begun between two steps.
    enter(0, 0);
    if (ended_.size() == ended_.capacity()) ended_.reserve(2 * ended_.capacity());
    collect();
    slot = io_uring_get_sqe(&ring_);
  }
  return slot;
}

void RingLoop::enter(unsigned least, std::int64_t wait_ns) {
  io_uring_cqe* first = nullptr;
  if (least == 0) {
    // EBUSY, EAGAIN and EINTR all mean: later, when completions have been collected.
    static_cast<void>(io_uring_submit_and_get_events(&ring_));
    return;
  }
  __kernel_timespec timeout{wait_ns / 1'000'000'000, wait_ns % 1'000'000'000};
  // ETIME and EINTR: the time is over, or a signal came; the caller sees that nothing was delivered.
  static_cast<void>(io_uring_submit_and_wait_timeout(&ring_, &first, least, wait_ns < 0 ? nullptr : &timeout, nullptr));
}

bool RingLoop::look(std::uint64_t begun_ns, std::uint64_t ns) const {
  // Reading the clock costs as much as some of these turns.
  constexpr int turns = 32;
  do {
    for (int turn = 0; turn < turns; ++turn) {
      if (kernel_has_work() || io_uring_cq_ready(&ring_) > 0) return true;
      pause();
    }
    // What we wait for may be waiting for this very processor.
    ::sched_yield();
  } while (monotonic_ns() - begun_ns < ns);
  return false;
}

void RingLoop::wait(std::int64_t wait_ns) {
  // A flush ends in a thread of the kernel's that may be bound to this very processor.
  if (!spinning_.is_allowed() || watched_ != nullptr) return enter(1, wait_ns);
  const std::uint64_t begun_ns = monotonic_ns();
  const std::uint64_t budget_ns = spinning_.budget_ns();
  bool is_there = false;
  if (budget_ns > 0) {
    if (io_uring_sq_ready(&ring_) > 0) enter(0, 0);
    is_there = look(begun_ns, wait_ns < 0 ? budget_ns : std::min(budget_ns, static_cast<std::uint64_t>(wait_ns)));
    wait_ns = Spinning::left_of(wait_ns, monotonic_ns() - begun_ns);
  }
  enter(is_there || wait_ns == 0 ? 0 : 1, wait_ns);
  spinning_.waited(monotonic_ns() - begun_ns);
}

void RingLoop::collect() {
  unsigned head = 0;
  unsigned count = 0;
  io_uring_cqe* entry = nullptr;
  bool is_watched_over = false;
  io_uring_for_each_cqe(&ring_, head, entry) {
    if (ended_.size() == ended_.capacity()) break;  // the rest stays with the kernel until the next step
    ++count;
    // Cancellations carry no completion of their own.
    if (auto* completion = static_cast<Completion*>(io_uring_cqe_get_data(entry))) {
      ended_.push_back({completion, entry->res});
      if (completion == watched_) {
        is_watched_over = true;
      } else {
        ++watched_beside_;
      }
    }
  }
  io_uring_cq_advance(&ring_, count);
  if (!is_watched_over) return;
  watched_ = nullptr;
  flushing_.flushed(monotonic_ns() - watched_since_ns_, watched_beside_ <= watched_company_);
  spinning_.waited_for_disk();
}

std::size_t RingLoop::deliver() {
  std::swap(ended_, delivering_);
  return deliver_each(delivering_, ended_, is_stepping_);
}

bool RingLoop::kernel_has_work() const {
  const unsigned flags = __atomic_load_n(ring_.sq.kflags, __ATOMIC_RELAXED);
  return (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

std::size_t RingLoop::step(int timeout_ms) {
  assert(!is_stepping_ && "completions must not step the loop");
  is_stepping_ = true;
  if (event_ >= 0) {
    // Before looking: what comes from now on rings again.
    std::uint64_t rings = 0;
    static_cast<void>(!::read(event_, &rings, sizeof rings));
  }
  timers_.expire(ended_);
  const bool has_completions = !ended_.empty() || io_uring_cq_ready(&ring_) > 0;
  const std::int64_t wait_ns = has_completions ? 0 : timers_.bound(timeout_ms);
  if (wait_ns == 0) submit_held();
  if (held_.completion != nullptr) {
    carry_out_held();
  } else if (wait_ns != 0) {
    wait(wait_ns);
    // The wait ends with the first few, although many may have come together.
    for (unsigned n = 0; n < 16 && kernel_has_work(); ++n) enter(0, 0);
    timers_.expire(ended_);
  } else if (io_uring_sq_ready(&ring_) > 0 || kernel_has_work()) {
    enter(0, 0);
  }
  collect();
  const std::size_t count = deliver();
  // What the completions have begun goes to the disk now, before whoever stepped works on what they brought.
  if (count > 0 && io_uring_sq_ready(&ring_) > 0) static_cast<void>(io_uring_submit(&ring_));
  is_stepping_ = false;
  return count;
}

void RingLoop::readv(int fd, const iovec* parts, unsigned part_count, std::uint64_t offset, Completion& completion) {
  io_uring_sqe* slot = next_slot();
  const iovec whole = joined(parts, part_count);
  const auto index = whole.iov_base ? memory_.find(whole.iov_base, whole.iov_len) : std::nullopt;
  if (index) {
    io_uring_prep_read_fixed(slot, fd, whole.iov_base, clamped(whole.iov_len), offset, *index);
  } else {
    io_uring_prep_readv(slot, fd, parts, part_count, offset);
  }
  io_uring_sqe_set_data(slot, &completion);
}

void RingLoop::writev(int fd, const iovec* parts, unsigned part_count, std::uint64_t offset, Durable durable,
                      Completion& completion) {
  if (durable == Durable::no) {
    prepare_write(fd, parts, part_count, offset, completion);
  } else {
    // Who asks for it meanwhile is no sign of others.
    begin({fd, parts, part_count, offset, &completion, durable == Durable::ahead ? 1u : 0u});
  }
}

io_uring_sqe* RingLoop::prepare_write(int fd, const iovec* parts, unsigned part_count, std::uint64_t offset,
                                      Completion& completion) {
  io_uring_sqe* slot = next_slot();
  const iovec whole = joined(parts, part_count);
  const auto index = whole.iov_base ? memory_.find(whole.iov_base, whole.iov_len) : std::nullopt;
  if (index) {
    io_uring_prep_write_fixed(slot, fd, whole.iov_base, clamped(whole.iov_len), offset, *index);
  } else {
    io_uring_prep_writev(slot, fd, parts, part_count, offset);
  }
  io_uring_sqe_set_data(slot, &completion);
  return slot;
}

void RingLoop::sync_data(int fd, Completion& completion) { begin({fd, nullptr, 0, 0, &completion, 0}); }

void RingLoop::begin(const Flush& flush) {
  // Who polls a descriptor may step only when that is ready, which our own thread does not make it.
  if (!flushes_itself() || held_.completion != nullptr) return submit(flush);
  held_ = flush;
}

void RingLoop::submit(const Flush& flush) {
  if (flush.parts == nullptr) {
    io_uring_sqe* slot = next_slot();
    io_uring_prep_fsync(slot, flush.fd, IORING_FSYNC_DATASYNC);
    io_uring_sqe_set_data(slot, flush.completion);
  } else {
    prepare_write(flush.fd, flush.parts, flush.part_count, flush.offset, *flush.completion)->rw_flags = RWF_DSYNC;
  }
  if (watched_ != nullptr) return;
  watched_ = flush.completion;
  watched_since_ns_ = monotonic_ns();
  watched_company_ = flush.company;
  watched_beside_ = 0;
}

void RingLoop::carry_out_held() {
  if (io_uring_sq_ready(&ring_) > 0 || kernel_has_work()) enter(0, 0);
  if (io_uring_cq_ready(&ring_) > 0) {
    submit_held();
    return enter(0, 0);
  }
  const Flush flush = std::exchange(held_, {});
  ++carried_out_;
  const std::uint64_t begun_ns = monotonic_ns();
  const auto part_count = static_cast<int>(flush.part_count);
  const ssize_t done = flush.parts == nullptr
                           ? ::fdatasync(flush.fd)
                           : ::pwritev2(flush.fd, flush.parts, part_count, static_cast<off_t>(flush.offset), RWF_DSYNC);
  ended_.push_back({flush.completion, done < 0 ? -errno : static_cast<int>(done)});
  const std::uint64_t taken_ns = monotonic_ns() - begun_ns;
  if (kernel_has_work()) enter(0, 0);
  flushing_.flushed(taken_ns, io_uring_cq_ready(&ring_) <= flush.company);
  spinning_.waited_for_disk();
}

void RingLoop::punch_hole(int fd, std::uint64_t offset, std::uint64_t length, Completion& completion) {
  io_uring_sqe* slot = next_slot();
  io_uring_prep_fallocate(slot, fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                          static_cast<off_t>(length));
  io_uring_sqe_set_data(slot, &completion);
}

void RingLoop::accept(int fd, Completion& completion) {
  io_uring_sqe* slot = next_slot();
  io_uring_prep_accept(slot, fd, nullptr, nullptr, SOCK_CLOEXEC);
  io_uring_sqe_set_data(slot, &completion);
}

void RingLoop::receive(int fd, void* buffer, std::size_t size, Completion& completion) {
  io_uring_sqe* slot = next_slot();
  io_uring_prep_recv(slot, fd, buffer, clamped(size), 0);
  io_uring_sqe_set_data(slot, &completion);
}

void RingLoop::send(int fd, const void* buffer, std::size_t size, Completion& completion) {
  io_uring_sqe* slot = next_slot();
  io_uring_prep_send(slot, fd, buffer, clamped(size), MSG_NOSIGNAL);
  io_uring_sqe_set_data(slot, &completion);
}

void RingLoop::wait_readable(int fd, Completion& completion) {
  io_uring_sqe* slot = next_slot();
  io_uring_prep_poll_add(slot, fd, POLLIN);
  io_uring_sqe_set_data(slot, &completion);
}

void RingLoop::wait_writable(int fd, Completion& completion) {
  io_uring_sqe* slot = next_slot();
  io_uring_prep_poll_add(slot, fd, POLLOUT);
  io_uring_sqe_set_data(slot, &completion);
}

void RingLoop::after(std::uint64_t milliseconds, Completion& completion) { timers_.add(milliseconds, completion); }

void RingLoop::cancel(Completion& completion) {
  if (timers_.remove(completion)) {
    ended_.push_back({&completion, -ECANCELED});
    return;
  }
  if (held_.completion == &completion) submit_held();
  io_uring_sqe* slot = next_slot();
  io_uring_prep_cancel(slot, &completion, 0);
  io_uring_sqe_set_data(slot, nullptr);
}

void RingLoop::register_memory(void* base, std::size_t size) { memory_.add(ring_, base, size); }

}  // namespace chimera::io
