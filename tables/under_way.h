#pragma once
// For those who implement Link: scripts that were sent, and answers that came before somebody asked for them.

#include <algorithm>
#include <cassert>
#include <deque>
#include <optional>
#include <utility>

#include "tables/answers.h"
#include "tables/link.h"
#include "tables/script.h"

namespace chimera::tables {

/// `collect(script, answers)` waits for the answers of the oldest script that has none yet.
class UnderWay {
 public:
  /// Of the script is kept what tells how its answers read.
  Link::Ticket add(Script script) {
    script.drop_bytes();
    sent_.push_back({++last_, std::move(script), {}, {}});
    return last_;
  }

  /// Sets aside the answers of all that was sent: the next that come are those of what is sent next.
  template <typename Collect>
  void settle(const Collect& collect) {
    for (Sent& each : sent_) each.settle(collect);
  }

  template <typename Collect>
  [[nodiscard]] Result<> receive(Link::Ticket ticket, Answers& answers, const Collect& collect) {
    const auto found = std::ranges::find(sent_, ticket, &Sent::ticket);
    assert(found != sent_.end());
    for (auto each = sent_.begin(); each != std::next(found); ++each) each->settle(collect);
    std::swap(answers, found->answers);
    Result<> outcome = std::move(*found->outcome);
    sent_.erase(found);
    return outcome;
  }

 private:
  struct Sent {
    Link::Ticket ticket;
    Script script;
    Answers answers;
    std::optional<Result<>> outcome;  ///< once the answers are here

    template <typename Collect>
    void settle(const Collect& collect) {
      if (!outcome) outcome = collect(script, answers);
    }
  };

  std::deque<Sent> sent_;
  Link::Ticket last_ = 0;
};

}  // namespace chimera::tables
