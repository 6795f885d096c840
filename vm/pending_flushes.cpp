#include "vm/pending_flushes.h"

#include <cassert>
#include <utility>
#include <vector>

#include "io/clock.h"
#include "isa/answer.h"

namespace chimera::vm {

void PendingFlushes::Flush::wake() {
  if (!std::exchange(woken, true)) owner_.settled_();
}

PendingFlushes::~PendingFlushes() {
  for (const auto& flush : pending_) store_.release(*flush);
}

devices::Outcome PendingFlushes::make_room(devices::Waiter& waiter) {
  if (pending_.size() < most_pending) return devices::Outcome::ready();
  // What it waits for covers those that were begun before with the same scope or none: the first of them, at least.
  const devices::Outcome synced = store_.flush(waiter, pending_.front()->scope);
  if (!synced.is_ready()) return synced;
  for (const auto& flush : pending_) flush->woken = true;
  work();
  return devices::Outcome::ready();
}

devices::Outcome PendingFlushes::flush(devices::Waiter& waiter, std::uint64_t since_ns,
                                       std::span<const std::uint8_t> result, const devices::Store::FlushScope& scope) {
  if (const devices::Outcome free = make_room(waiter); !free.is_ready()) return free;
  auto flush = std::make_unique<Flush>(*this, scope, taken_ + answers_.size(), 1 + result.size(), since_ns);
  const devices::Outcome synced = store_.flush(*flush, scope);
  if (synced.waits()) {
    pending_.push_back(std::move(flush));
    answers_.succeed(result);
    return devices::Outcome::ready();
  }
  ended(*flush, synced);
  if (synced.is_ready()) answers_.succeed(result);
  waiter.message = std::move(flush->message);
  store_.release(*flush);
  return synced;
}

void PendingFlushes::hold_behind(std::size_t size) {
  if (pending_.empty()) return;
  Flush& last = *pending_.back();
  if (last.position + last.size != taken_ + answers_.size()) return;
  // No flush is pending between `begin` and the commit: it would not belong there.
  assert(pending_.size() == 1 || pending_[pending_.size() - 2]->position < taken_ + size);
  last.held_from = taken_ + size;
}

void PendingFlushes::work() {
  while (!pending_.empty() && pending_.front()->woken) {
    Flush& flush = *pending_.front();
    flush.woken = false;
    const devices::Outcome synced = store_.flush(flush, flush.scope);
    if (synced.waits()) return;
    ended(flush, synced);
    if (!synced.is_ready()) answer_failure(flush, synced.status());
    store_.release(flush);
    pending_.pop_front();
  }
}

void PendingFlushes::ended(const Flush& flush, devices::Outcome outcome) {
  if (outcome.is_ready()) statistics_.flushes.add(io::monotonic_ns() - flush.since_ns);
}

/// Puts this answer in the place of the success that stands in the queue.
void PendingFlushes::answer_failure(Flush& flush, Status status) {
  const std::span<const std::uint8_t> all = answers_.bytes();
  const auto at = static_cast<std::size_t>(flush.position - taken_);
  const std::vector<std::uint8_t> before(all.begin(), all.begin() + at);
  const std::vector<std::uint8_t> behind(all.begin() + at + flush.size, all.end());
  ++statistics_.failures_of(status);
  const std::size_t size = answers_.size();
  answers_.clear();
  answers_.append(before);
  answers_.fail(status, flush.message.empty() ? status_text(status) : flush.message);
  answers_.append(behind);
  shifted_ += answers_.size() - size;
  for (const auto& later : pending_) {
    if (later.get() == &flush) continue;
    later->position += answers_.size() - size;
    later->held_from += answers_.size() - size;
  }
}

}  // namespace chimera::vm
