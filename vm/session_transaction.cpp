// Running a transaction again that has lost: possible as long as its bytes are kept and none of its answers has left.

#include "vm/session.h"

namespace chimera::vm {
namespace {

/// After so many losses nobody else runs meanwhile.
constexpr unsigned most_fair_losses = 3;

}  // namespace

/// From the `begin` that has just been answered on; `answered` bytes of answers were there before.
void StreamSession::keep_transaction(std::size_t answered) {
  keeping_ = true;
  kept_ = 0;
  kept_answers_ = answered;
  shifted_ = flushes_.shifted();
}

/// The transaction has ended, or is about to be seen.
void StreamSession::stop_keeping() {
  keeping_ = false;
  drop_input(std::exchange(kept_, 0));
  core_.keep_no_more(std::exchange(counted_, 0));
  losses_ = 0;
  core_.end_alone(*this);
}

void StreamSession::run_again() {
  ++core_.statistics().reruns;
  consumed_ -= kept_;
  kept_ = 0;
  keeping_ = false;
  needed_ = 1;
  answers_.truncate(answers_before());
  if (++losses_ >= most_fair_losses) core_.run_alone(*this);
}

}  // namespace chimera::vm
