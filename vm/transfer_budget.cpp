#include "vm/transfer_budget.h"

#include <algorithm>
#include <cassert>
#include <limits>
#include <utility>

namespace chimera::vm {

bool TransferBudget::Claim::ask(TransferBudget& budget, std::uint64_t bytes, Waiter& waiter) {
  assert(budget_ == nullptr);
  const std::uint64_t wanted = std::min(bytes, budget.bytes_);
  const bool is_granted = budget.waiting_.empty() && wanted <= budget.bytes_ - budget.held_;
  if (!is_granted) budget.waiting_.push_back(this);
  budget_ = &budget;
  bytes_ = wanted;
  if (is_granted) {
    budget.held_ += wanted;
  } else {
    waiter_ = &waiter;
  }
  return is_granted;
}

void TransferBudget::Claim::give_back() noexcept {
  if (budget_ == nullptr) return;
  TransferBudget& budget = *std::exchange(budget_, nullptr);
  if (std::exchange(waiter_, nullptr) != nullptr) {
    std::erase(budget.waiting_, this);
  } else {
    budget.held_ -= bytes_;
  }
  bytes_ = 0;
  budget.hand_out();
}

void TransferBudget::Claim::add(Claim&& other) noexcept {
  assert(waiter_ == nullptr && other.waiter_ == nullptr);
  if (other.budget_ == nullptr) return;
  assert(budget_ == nullptr || budget_ == other.budget_);
  budget_ = std::exchange(other.budget_, nullptr);
  bytes_ += std::exchange(other.bytes_, 0);
}

void TransferBudget::lift() noexcept {
  bytes_ = std::numeric_limits<std::uint64_t>::max();
  hand_out();
}

void TransferBudget::hand_out() noexcept {
  while (!waiting_.empty() && waiting_.front()->bytes_ <= bytes_ - held_) {
    Claim& first = *waiting_.front();
    waiting_.pop_front();
    held_ += first.bytes_;
    std::exchange(first.waiter_, nullptr)->transfer_granted();
  }
}

}  // namespace chimera::vm
