#include "vm/machine.h"

#include <algorithm>
#include <cassert>

#include "devices/pool.h"
#include "isa/limits.h"
#include "vm/machine_core.h"
#include "vm/session.h"

namespace chimera::vm {

namespace {

/// Whoever runs alone has had its chance then: a turn is a quantum, or a piece of something long.
constexpr unsigned most_turns_alone = 256;
/// At an orderly end: each frees up to 4,096 blocks, or gives back up to 16 MiB.
constexpr unsigned most_turns_giving_back = 4096;

}  // namespace

MachineCore::~MachineCore() { assert(sessions_.empty()); }

std::uint64_t MachineCore::enter(StreamSession& session) {
  sessions_.push_back(&session);
  return ++last_number_;
}

void MachineCore::leave(StreamSession& session) {
  end_alone(session);
  std::erase(sessions_, &session);
  if (session.queued) std::erase(ready_, &session);
}

void MachineCore::enqueue(StreamSession& session) {
  if (session.queued) return;
  session.queued = true;
  ready_.push_back(&session);
}

bool MachineCore::run_ready() {
  // Those that become ready meanwhile have their turn next time. A turn may end sessions.
  for (std::size_t turns = ready_.size(); turns > 0 && !ready_.empty(); --turns) {
    StreamSession* const session = ready_.front();
    ready_.pop_front();
    if (alone_ != nullptr && session != alone_) {
      ready_.push_back(session);
      continue;
    }
    session->queued = false;
    if (alone_ != nullptr && ++turns_alone_ > most_turns_alone) alone_ = nullptr;
    session->turn();
  }
  // Last, because what sessions wait for may have to be begun by it.
  has_new_work_ = false;
  const bool more_work = store_->work();
  return more_work || has_ready();
}

bool MachineCore::has_ready() const { return has_new_work_ || (alone_ != nullptr ? alone_->queued : !ready_.empty()); }

void MachineCore::run_alone(StreamSession& session) {
  if (alone_ != nullptr) return;
  alone_ = &session;
  turns_alone_ = 0;
  for (StreamSession* other : sessions_) {
    if (other != &session) other->interrupt();
  }
}

void MachineCore::end_alone(StreamSession& session) {
  if (alone_ == &session) alone_ = nullptr;
}

void MachineCore::turn(int timeout_ms) {
  // Who had a turn may have ended all that was under way, and its caller wants to see that before anything waits.
  const bool had_turns = has_ready();
  const bool more = run_ready();
  loop_.step(more || had_turns ? 0 : timeout_ms);
}

Status MachineCore::sync() {
  class SyncWaiter final : public devices::Waiter {
   public:
    void wake() override { woken = true; }
    bool woken = false;
  };
  SyncWaiter waiter;
  for (;;) {
    waiter.woken = false;
    const devices::Outcome outcome = store_->checkpoint(waiter);
    if (!outcome.waits()) {
      store_->release(waiter);
      give_back();
      return outcome.status();
    }
    while (!waiter.woken) {
      // What it waits for may come by this turn itself, and nothing be under way any more.
      const bool more = run_ready();
      loop_.step(more || waiter.woken ? 0 : io::Loop::forever);
    }
  }
}

std::size_t MachineCore::open_handles() const {
  std::size_t sum = 0;
  for (const StreamSession* session : sessions_) {
    sum += session->open_count() - std::min(session->open_count(), Machine::freely_open_handles);
  }
  return sum;
}

/// Deletes that nobody has waited for come to their end if that takes no long time; the next opening goes on with them.
void MachineCore::give_back() {
  store_->give_back_at_end();
  for (unsigned turns = 0; turns < most_turns_giving_back && store_->is_giving_back(); ++turns) {
    const bool more = run_ready();
    if (!more && !store_->io_pending()) return;
    loop_.step(more ? 0 : io::Loop::forever);
  }
}

bool MachineCore::open_elsewhere(const StreamSession& asking, const devices::Device& device) const {
  return std::ranges::any_of(sessions_,
                             [&](StreamSession* other) { return other != &asking && other->has_open(device); });
}

void MachineCore::interrupt_users(const StreamSession& asking, const devices::Device& device) {
  for (StreamSession* other : sessions_) {
    if (other != &asking && other->has_open(device)) other->interrupt();
  }
}

void MachineCore::forget(const StreamSession& asking, const Uuid& uuid, const devices::Device* gone) {
  for (StreamSession* other : sessions_) {
    if (other != &asking) other->forget(uuid, gone);
  }
}

class Machine::Implementation final : public MachineCore {
 public:
  using MachineCore::MachineCore;
};

Machine::Machine(io::Loop& loop, std::unique_ptr<devices::Store> store)
    : implementation_(std::make_unique<Implementation>(loop, std::move(store))) {}
Machine::~Machine() = default;

std::unique_ptr<Session> Machine::connect() { return std::make_unique<StreamSession>(*implementation_); }
bool Machine::run_ready() { return implementation_->run_ready(); }
bool Machine::has_ready() const { return implementation_->has_ready(); }
void Machine::turn(int timeout_ms) { implementation_->turn(timeout_ms); }
void Machine::shut_down() { implementation_->shut_down(); }
Status Machine::sync() { return implementation_->sync(); }
std::vector<Measurement> Machine::measure() const { return implementation_->measure(); }
void Machine::add_source(const MeasurementSource& source) { implementation_->add_source(source); }
void Machine::remove_source(const MeasurementSource& source) { implementation_->remove_source(source); }
std::string Machine::failure() const {
  const devices::Pool* const pool = implementation_->store().pool();
  return pool == nullptr ? std::string() : pool->failure();
}

const std::string& Machine::damage() const { return implementation_->damage(); }

devices::Store& Machine::store() { return implementation_->store(); }
io::Loop& Machine::loop() { return implementation_->loop(); }

}  // namespace chimera::vm
