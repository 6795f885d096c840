#pragma once
// A loop whose time passes only when a test says so, and whose disk may stand still meanwhile.

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "io/loop.h"

namespace chimera::server::testing {

/// The test's end: the loop belongs to another thread.
class HandClock {
 public:
  /// Returns when everything that is due by then has been delivered.
  void pass(std::uint64_t milliseconds) {
    now_ += milliseconds;
    // The step that is under way may have looked at the time before.
    for (const std::uint64_t seen = steps_; steps_ < seen + 2;) std::this_thread::yield();
  }
  /// While it stands nothing on a disk becomes durable.
  void let_disk_stand(bool stands) { disk_stands_ = stands; }

 private:
  friend class ClockedLoop;
  std::atomic<std::uint64_t> now_ = 0;  ///< milliseconds
  std::atomic<std::uint64_t> steps_ = 0;
  std::atomic<bool> disk_stands_ = false;
};

class ClockedLoop final : public io::KernelLoop {
 public:
  ClockedLoop(std::unique_ptr<io::KernelLoop> inner, HandClock& clock) : inner_(std::move(inner)), clock_(clock) {}

  std::size_t step(int timeout_ms) override {
    const std::size_t count = deliver_due();
    if (!clock_.disk_stands_) start_held();
    // The clock does not wake the inner loop, so that one never waits for long.
    const std::size_t more = inner_->step(count > 0 || timeout_ms == 0 ? 0 : 1);
    ++clock_.steps_;
    return count + more;
  }
  void after(std::uint64_t milliseconds, io::Completion& completion) override {
    timers_.push_back({clock_.now_ + milliseconds, &completion});
  }
  void cancel(io::Completion& completion) override {
    const auto found = std::ranges::find(timers_, &completion, &Timer::completion);
    if (found == timers_.end()) return inner_->cancel(completion);
    found->is_cancelled = true;
  }
  void punch_hole(int fd, std::uint64_t offset, std::uint64_t length, io::Completion& completion) override {
    held_.emplace_back([=, this, &completion] { inner_->punch_hole(fd, offset, length, completion); });
  }
  void sync_data(int fd, io::Completion& completion) override {
    held_.emplace_back([=, this, &completion] { inner_->sync_data(fd, completion); });
  }

  void readv(int fd, const iovec* parts, unsigned count, std::uint64_t offset, io::Completion& completion) override {
    inner_->readv(fd, parts, count, offset, completion);
  }
  void writev(int fd, const iovec* parts, unsigned count, std::uint64_t offset, io::Durable durable,
              io::Completion& completion) override {
    if (durable == io::Durable::no) return inner_->writev(fd, parts, count, offset, durable, completion);
    held_.emplace_back([=, this, &completion] { inner_->writev(fd, parts, count, offset, durable, completion); });
  }
  void accept(int fd, io::Completion& completion) override { inner_->accept(fd, completion); }
  void receive(int fd, void* buffer, std::size_t size, io::Completion& completion) override {
    inner_->receive(fd, buffer, size, completion);
  }
  void send(int fd, const void* buffer, std::size_t size, io::Completion& completion) override {
    inner_->send(fd, buffer, size, completion);
  }
  void wait_readable(int fd, io::Completion& completion) override { inner_->wait_readable(fd, completion); }
  void wait_writable(int fd, io::Completion& completion) override { inner_->wait_writable(fd, completion); }
  void register_memory(void* base, std::size_t size) override { inner_->register_memory(base, size); }
  [[nodiscard]] std::string_view name() const noexcept override { return inner_->name(); }

 private:
  struct Timer {
    std::uint64_t due;
    io::Completion* completion;
    bool is_cancelled = false;
  };

  std::size_t deliver_due() {
    const std::uint64_t now = clock_.now_;
    std::vector<Timer> due;
    std::erase_if(timers_, [&](const Timer& timer) {
      const bool is_over = timer.is_cancelled || timer.due <= now;
      if (is_over) due.push_back(timer);
      return is_over;
    });
    for (const Timer& timer : due) timer.completion->complete(timer.is_cancelled ? -ECANCELED : 0);
    return due.size();
  }

  void start_held() {
    for (const auto& start : std::exchange(held_, {})) start();
  }

  std::unique_ptr<io::KernelLoop> inner_;
  HandClock& clock_;
  std::vector<Timer> timers_;
  std::vector<std::function<void()>> held_;  ///< what makes something durable
};

}  // namespace chimera::server::testing
