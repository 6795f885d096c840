#include "io/timers.h"

#include <algorithm>
#include <cassert>
#include <chrono>

namespace chimera::io {
namespace {

constexpr std::int64_t nanoseconds_per_millisecond = 1'000'000;
// A year: far enough for a timeout, and no overflow when it is added to the clock.
constexpr std::uint64_t longest_ms = 365ull * 24 * 3600 * 1000;

std::int64_t now() {
  const auto since_start = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(since_start).count();
}

}  // namespace

std::size_t deliver_each(std::vector<Ended>& ended, std::vector<Ended>& later, bool& is_stepping) {
  const std::size_t count = ended.size();
  std::size_t told = 0;
  try {
    while (told < count) {
      const Ended next = ended[told++];
      next.completion->complete(next.result);
    }
  } catch (...) {
    is_stepping = false;
    later.insert(later.begin(), ended.begin() + static_cast<std::ptrdiff_t>(told), ended.end());
    ended.clear();
    throw;
  }
  ended.clear();
  return count;
}

void Timers::add(std::uint64_t milliseconds, Completion& completion) {
  const auto wait = static_cast<std::int64_t>(std::min(milliseconds, longest_ms)) * nanoseconds_per_millisecond;
  const Moment due = now() + wait;
  const bool is_new = due_.emplace(&completion, due).second;
  assert(is_new && "a completion has one operation under way at most");
  static_cast<void>(is_new);
  queue_.emplace(due, &completion);
}

bool Timers::remove(Completion& completion) {
  const auto found = due_.find(&completion);
  if (found == due_.end()) return false;
  queue_.erase({found->second, &completion});
  due_.erase(found);
  return true;
}

void Timers::expire(std::vector<Ended>& ended) {
  if (queue_.empty()) return;
  const Moment moment = now();
  while (!queue_.empty() && queue_.begin()->first <= moment && ended.size() < ended.capacity()) {
    Completion* completion = queue_.begin()->second;
    queue_.erase(queue_.begin());
    due_.erase(completion);
    ended.push_back({completion, 0});
  }
}

std::int64_t Timers::bound(int timeout_ms) const {
  const std::int64_t wait = timeout_ms < 0 ? -1 : timeout_ms * nanoseconds_per_millisecond;
  if (queue_.empty() || wait == 0) return wait;
  const std::int64_t until_due = std::max<std::int64_t>(0, queue_.begin()->first - now());
  return wait < 0 ? until_due : std::min(wait, until_due);
}

}  // namespace chimera::io
