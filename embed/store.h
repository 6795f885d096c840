#pragma once
// What stands behind the C interface's handle of a store: the host, its sessions, and what has come to its end.

#include <array>
#include <atomic>
#include <list>
#include <memory>
#include <string_view>
#include <vector>

#include "embed/caller_disk.h"
#include "embed/failure.h"
#include "embed/host.h"
#include "embed/session.h"
#include "embed/wakeup.h"

namespace chimera::embed {

/// The words of the last failure, in memory of its own: that there is none left has to be said too.
class ErrorText {
 public:
  [[nodiscard]] const char* text() const { return text_.data(); }
  /// What does not fit is cut off.
  void set(std::string_view text) noexcept;

 private:
  std::array<char, 2048> text_{};
};

class Store {
 public:
  Store() = default;
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  enum class State : std::uint8_t { closed, open, broken };
  [[nodiscard]] State state() const { return state_.load(); }
  [[nodiscard]] bool belongs_to_caller() const noexcept;  ///< to this thread; a closed one belongs to everybody

  /// The disk that reports to this store from now on, if there is one.
  void expect_reports(CallerDisk* disk) { reporting_.store(disk); }
  [[nodiscard]] CallerDisk* reporting() const { return reporting_.load(); }

  void open(std::unique_ptr<Host> host);
  [[nodiscard]] Outcome<> close();
  /// Does what would leave the host unusable if it were broken off: what it throws marks the store as broken.
  template <class Operation>
  decltype(auto) amid_operation(Operation&& operation) {
    try {
      return operation();
    } catch (...) {
      state_ = State::broken;
      throw;
    }
  }

  [[nodiscard]] Outcome<Session*> connect();
  void end_session(Session& session);
  [[nodiscard]] bool has_under_way() const;
  /// Runs one program to its end.
  [[nodiscard]] int run(Session& session, CheckedProgram::Bytes program);
  void submit(Session& session, CheckedProgram::Bytes program, void* tag);
  /// At most `most` programs that have come to their end; valid until the next reap.
  [[nodiscard]] const std::list<Finished>& reap(std::size_t most, int timeout_ms);
  [[nodiscard]] Outcome<int> descriptor();

  ErrorText error;
  /// A call is under way: whoever comes in between comes from a callback.
  bool is_entered = false;

 private:
  void let_go();
  void collect();
  /// Until something has come to its end, the time is over, or nothing more can be done without waiting.
  void advance(int timeout_ms);
  void go_on(int timeout_ms) { more_ = host_->go_on(timeout_ms); }
  /// Whoever polls learns whether reap would have something to do at once.
  void ring();

  // Other threads may look at these two, to find that the store is not theirs.
  std::atomic<State> state_ = State::closed;
  std::atomic<long> owner_ = 0;     ///< the kernel's number of the thread
  bool more_ = false;               ///< the host can go on at once
  std::unique_ptr<Wakeup> wakeup_;  ///< outlives the host
  std::unique_ptr<Host> host_;
  std::vector<std::unique_ptr<Session>> sessions_;
  std::list<Finished> finished_;  ///< not told yet
  std::list<Finished> told_;      ///< by the last reap
  std::atomic<CallerDisk*> reporting_ = nullptr;
};

}  // namespace chimera::embed
