#include "nbd/conversation.h"

#include <utility>

namespace chimera::nbd {

Conversation::Conversation(vm::Machine& machine, const Options& options, vm::TransferBudget& transfers,
                           Statistics& statistics, std::function<void()> changed, Outlet* outlet)
    : machine_(machine), transfers_(transfers), statistics_(statistics), changed_(std::move(changed)), outlet_(outlet) {
  negotiation_.emplace(machine, options, output_, changed_);
}

std::size_t Conversation::take(std::span<const std::uint8_t> input) {
  return negotiation_ ? negotiation_->take(input) : transmission_->take(input);
}

bool Conversation::takes_input() const {
  if (!negotiation_) return !transmission_->is_full();
  const bool is_talking = negotiation_->phase() == Negotiation::Phase::talking && !negotiation_->is_full();
  return is_talking && negotiation_->is_waiting_for_client();
}

void Conversation::sent(std::size_t size) {
  if (transmission_) return transmission_->sent(size);
  output_.drop(size);
  proceed();
}

void Conversation::proceed() {
  if (transmission_) return transmission_->proceed();
  negotiation_->proceed();
  if (negotiation_->phase() == Negotiation::Phase::agreed) begin_transmission();
}

void Conversation::begin_transmission() {
  holder_ = negotiation_->take_search();
  transmission_.emplace(machine_, negotiation_->agreement(), transfers_, statistics_, output_, changed_, outlet_);
  negotiation_.reset();
}

bool Conversation::is_waiting_for_client() const {
  return negotiation_ ? negotiation_->is_waiting_for_client() : transmission_->is_waiting_for_client();
}

bool Conversation::has_ended() const {
  if (negotiation_) return negotiation_->phase() == Negotiation::Phase::over;
  return transmission_->has_ended() && transmission_->is_idle();
}

}  // namespace chimera::nbd
