#include "embed/wakeup.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "include/chimera.h"

namespace chimera::embed {
namespace {

std::unexpected<Failure> refused(const char* what) {
  return failure(CHIMERA_E_SYSTEM, fmt::format("The system refuses {}: {}.", what, std::strerror(errno)));
}

}  // namespace

Outcome<std::unique_ptr<Wakeup>> Wakeup::make() {
  std::unique_ptr<Wakeup> wakeup(new Wakeup);
  wakeup->epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  if (wakeup->epoll_ < 0) return refused("a descriptor to be polled");
  wakeup->event_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wakeup->event_ < 0) return refused("a descriptor for events");
  if (auto watched = wakeup->watch(wakeup->event_); !watched) return std::unexpected(std::move(watched.error()));
  return wakeup;
}

Wakeup::~Wakeup() {
  if (event_ >= 0) ::close(event_);
  if (epoll_ >= 0) ::close(epoll_);
}

Outcome<> Wakeup::watch(int fd, bool for_writing) {
  epoll_event wanted{};
  wanted.events = EPOLLIN | (for_writing ? static_cast<std::uint32_t>(EPOLLOUT) : 0u);
  if (::epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &wanted) == 0) return {};
  if (errno != ENOENT || ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &wanted) != 0) return refused("to watch a descriptor");
  return {};
}

void Wakeup::forget(int fd) { ::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr); }

void Wakeup::set(bool ready) {
  if (ready == is_set_) return;
  is_set_ = ready;
  // Neither can fail: the counter is 0 or 1, and nobody else reads it.
  std::uint64_t count = 1;
  const ssize_t moved = ready ? ::write(event_, &count, sizeof count) : ::read(event_, &count, sizeof count);
  static_cast<void>(moved);
}

}  // namespace chimera::embed
