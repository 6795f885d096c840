#pragma once
// Flushes that have been run and are not durable yet. The stream does not wait for them: its instructions go on, and
// only the answers wait, from the flush's own on. So a client that pipelines keeps the disk busy across its flushes,
// and still nothing is answered as durable before it is.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>

#include "devices/store.h"
#include "vm/answer_queue.h"
#include "vm/statistics.h"

namespace chimera::vm {

class PendingFlushes {
 public:
  /// `settled` is called, from Loop::step or another instruction's run, when `work` has something to do.
  PendingFlushes(devices::Store& store, AnswerQueue& answers, Statistics& statistics, std::function<void()> settled)
      : store_(store), answers_(answers), statistics_(statistics), settled_(std::move(settled)) {}
  ~PendingFlushes();
  PendingFlushes(const PendingFlushes&) = delete;
  PendingFlushes& operator=(const PendingFlushes&) = delete;

  /// Ready: the next `flush` does not have to wait for others to end.
  devices::Outcome make_room(devices::Waiter& waiter);
  /// Makes durable all that has been done to the store. Ready: it is, or it is on its way; either way the answer is
  /// in the queue. Otherwise as Store::sync: nothing is answered, and `waiter` waits or has the message.
  /// The answer has this result. `since_ns`: when its instruction was first run, on io::monotonic_ns. What was written
  /// to files outside of transactions is part of it as far as `scope` says.
  devices::Outcome flush(devices::Waiter& waiter, std::uint64_t since_ns, std::span<const std::uint8_t> result = {},
                         const devices::Store::FlushScope& scope = {});
  /// The flush whose answer is the last one in the queue, if it is pending, holds back all but the first `size` bytes
  /// of the queue. So nobody is woken by the first answers of a transaction that is being committed.
  void hold_behind(std::size_t size);
  /// Looks after flushes that have ended, however they did.
  void work();
  [[nodiscard]] bool empty() const { return pending_.empty(); }
  /// Bytes at the front of the queue that nothing holds back.
  [[nodiscard]] std::size_t free_answers() const {
    return pending_.empty() ? answers_.size() : static_cast<std::size_t>(pending_.front()->held_from - taken_);
  }
  /// So many bytes more than at first the answers have become, in front of everything that is not a flush's.
  [[nodiscard]] std::uint64_t shifted() const { return shifted_; }
  /// Bytes have been taken from the front of the queue.
  void taken(std::size_t size) { taken_ += size; }

 private:
  class Flush final : public devices::Waiter {
   public:
    Flush(PendingFlushes& owner, const devices::Store::FlushScope& of_files, std::uint64_t at, std::size_t bytes,
          std::uint64_t since)
        : scope(of_files), position(at), held_from(at), size(bytes), since_ns(since), owner_(owner) {}
    void wake() override;

    devices::Store::FlushScope scope;
    std::uint64_t position;   ///< of its answer, in all answers of the session
    std::uint64_t held_from;  ///< the first byte of answers that does not leave before
    std::size_t size;         ///< of its answer
    std::uint64_t since_ns;   ///< when its instruction was first run
    bool woken = false;

   private:
    PendingFlushes& owner_;
  };

  void ended(const Flush& flush, devices::Outcome outcome);
  void answer_failure(Flush& flush, Status status);

  /// With more, the stream waits.
  static constexpr std::size_t most_pending = 64;

  devices::Store& store_;
  AnswerQueue& answers_;
  Statistics& statistics_;
  std::function<void()> settled_;
  std::uint64_t taken_ = 0;  ///< bytes of answers since the session began
  std::uint64_t shifted_ = 0;
  std::deque<std::unique_ptr<Flush>> pending_;
};

}  // namespace chimera::vm
