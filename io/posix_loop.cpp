#include "io/posix_loop.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <utility>

namespace chimera::io {
namespace {

constexpr std::size_t longest_transfer = std::size_t{1} << 30;  // results are ints
constexpr std::size_t usual_operations = 256;

/// As pwritev2 with RWF_DSYNC, also where that is not known (gVisor).
ssize_t write_durably(int fd, const iovec* parts, int part_count, off_t offset) {
  const ssize_t result = ::pwritev2(fd, parts, part_count, offset, RWF_DSYNC);
  if (result >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS)) return result;
  const ssize_t written = ::pwritev(fd, parts, part_count, offset);
  return written >= 0 && ::fdatasync(fd) != 0 ? -1 : written;
}

short events_of(bool is_for_writing) { return is_for_writing ? POLLOUT : POLLIN; }

}  // namespace

PosixLoop::PosixLoop() {
  disk_.reserve(usual_operations);
  make_room(usual_operations);
}

void PosixLoop::make_room(std::size_t count) {
  if (count <= ended_.capacity() && count <= delivering_.capacity()) return;
  ended_.reserve(2 * count);
  delivering_.reserve(2 * count);
}

int PosixLoop::attempt(const Operation& operation) {
  const int fd = operation.fd;
  const auto* parts = static_cast<const iovec*>(operation.memory);
  const auto part_count = static_cast<int>(operation.size);
  const auto offset = static_cast<off_t>(operation.offset);
  const std::size_t size = std::min(operation.size, longest_transfer);
  ssize_t result = 0;
  do {
    switch (operation.kind) {
      case Kind::readv: result = ::preadv(fd, parts, part_count, offset); break;
      case Kind::writev: result = ::pwritev(fd, parts, part_count, offset); break;
      case Kind::write_durably: result = write_durably(fd, parts, part_count, offset); break;
      case Kind::sync_data: result = ::fdatasync(fd); break;
      case Kind::punch_hole:
        result =
            ::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, static_cast<off_t>(operation.size));
        break;
      case Kind::accept: result = ::accept4(fd, nullptr, nullptr, SOCK_CLOEXEC); break;
      case Kind::receive: result = ::recv(fd, operation.memory, size, MSG_DONTWAIT); break;
      case Kind::send: result = ::send(fd, operation.memory, size, MSG_DONTWAIT | MSG_NOSIGNAL); break;
      case Kind::wait_readable:
      case Kind::wait_writable: {
        pollfd watched{fd, events_of(operation.kind == Kind::wait_writable), 0};
        const int ready = ::poll(&watched, 1, 0);
        if (ready == 0) return -EAGAIN;
        result = ready < 0 ? -1 : watched.revents;
        break;
      }
    }
  } while (result < 0 && errno == EINTR);
  return result < 0 ? -errno : static_cast<int>(result);
}

void PosixLoop::run_disk_operations() {
  for (const Operation& operation : disk_) ended_.push_back({operation.completion, attempt(operation)});
  disk_.clear();
}

void PosixLoop::run_socket_operations(std::int64_t wait_ns) {
  const timespec timeout{wait_ns / 1'000'000'000, wait_ns % 1'000'000'000};
  const int ready = ::ppoll(watched_.data(), watched_.size(), wait_ns < 0 ? nullptr : &timeout, nullptr);
  if (ready <= 0) return;  // the time is over, or a signal came
  std::size_t kept = 0;
  for (std::size_t i = 0; i < sockets_.size(); ++i) {
    const int result = watched_[i].revents == 0 ? -EAGAIN : attempt(sockets_[i]);
    if (result != -EAGAIN) {
      ended_.push_back({sockets_[i].completion, result});
      continue;
    }
    sockets_[kept] = sockets_[i];
    watched_[kept] = watched_[i];
    ++kept;
  }
  sockets_.resize(kept);
  watched_.resize(kept);
}

std::size_t PosixLoop::step(int timeout_ms) {
  assert(!is_stepping_ && "completions must not step the loop");
  is_stepping_ = true;
  run_disk_operations();
  timers_.expire(ended_);
  const std::int64_t wait_ns = ended_.empty() ? timers_.bound(timeout_ms) : 0;
  if (wait_ns != 0 || !sockets_.empty()) run_socket_operations(wait_ns);
  timers_.expire(ended_);

  std::swap(ended_, delivering_);
  const std::size_t count = deliver_each(delivering_, ended_, is_stepping_);
  is_stepping_ = false;
  return count;
}

void PosixLoop::start(const Operation& operation) {
  make_room(ended_.size() + disk_.size() + sockets_.size() + 1);
  if (is_for_disk(operation.kind)) {
    disk_.push_back(operation);
    return;
  }
  const bool is_for_writing = operation.kind == Kind::send || operation.kind == Kind::wait_writable;
  sockets_.push_back(operation);
  watched_.push_back({operation.fd, events_of(is_for_writing), 0});
}

void PosixLoop::readv(int fd, const iovec* parts, unsigned part_count, std::uint64_t offset, Completion& completion) {
  start({Kind::readv, fd, const_cast<iovec*>(parts), part_count, offset, &completion});
}

void PosixLoop::writev(int fd, const iovec* parts, unsigned part_count, std::uint64_t offset, Durable durable,
                       Completion& completion) {
  const Kind kind = durable == Durable::no ? Kind::writev : Kind::write_durably;
  start({kind, fd, const_cast<iovec*>(parts), part_count, offset, &completion});
}

void PosixLoop::sync_data(int fd, Completion& completion) { start({Kind::sync_data, fd, nullptr, 0, 0, &completion}); }

void PosixLoop::punch_hole(int fd, std::uint64_t offset, std::uint64_t length, Completion& completion) {
  start({Kind::punch_hole, fd, nullptr, length, offset, &completion});
}

void PosixLoop::accept(int fd, Completion& completion) {
  // A connection that is gone again between poll and accept would block us otherwise.
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags >= 0 && (flags & O_NONBLOCK) == 0) ::fcntl(fd, F_SETFL, flags | O_NONBLOCK);
  start({Kind::accept, fd, nullptr, 0, 0, &completion});
}

void PosixLoop::receive(int fd, void* buffer, std::size_t size, Completion& completion) {
  start({Kind::receive, fd, buffer, size, 0, &completion});
}

void PosixLoop::send(int fd, const void* buffer, std::size_t size, Completion& completion) {
  start({Kind::send, fd, const_cast<void*>(buffer), size, 0, &completion});
}

void PosixLoop::wait_readable(int fd, Completion& completion) {
  start({Kind::wait_readable, fd, nullptr, 0, 0, &completion});
}

void PosixLoop::wait_writable(int fd, Completion& completion) {
  start({Kind::wait_writable, fd, nullptr, 0, 0, &completion});
}

void PosixLoop::after(std::uint64_t milliseconds, Completion& completion) { timers_.add(milliseconds, completion); }

void PosixLoop::cancel(Completion& completion) {
  bool was_found = timers_.remove(completion);
  const auto is_its = [&](const Operation& operation) { return operation.completion == &completion; };
  if (const auto found = std::ranges::find_if(disk_, is_its); found != disk_.end()) {
    disk_.erase(found);
    was_found = true;
  }
  if (const auto found = std::ranges::find_if(sockets_, is_its); found != sockets_.end()) {
    watched_.erase(watched_.begin() + (found - sockets_.begin()));
    sockets_.erase(found);
    was_found = true;
  }
  if (was_found) ended_.push_back({&completion, -ECANCELED});
}

}  // namespace chimera::io
