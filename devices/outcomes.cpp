#include "devices/outcomes.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <vector>

#include "devices/pool.h"

namespace chimera::devices {
namespace {

/// docs/store-format.md, "Outcomes".
struct Entry {
  Outcomes::Token token;
  std::uint64_t sequence;  ///< 0: none
  std::uint64_t reserved;
};
static_assert(sizeof(Entry) == 32 && block_size % sizeof(Entry) == 0);

std::uint64_t place_of(std::uint64_t sequence) { return (sequence - 1) % Outcomes::most_kept * sizeof(Entry); }

}  // namespace

Outcomes::Outcomes(Pool* pool) : pool_(pool) {
  if (pool_ != nullptr) device_ = pool_->take_outcomes();
}

Outcomes::~Outcomes() = default;

Outcome Outcomes::load(Waiter& waiter) {
  if (loaded_ || device_ == nullptr) return Outcome::ready();
  const std::uint64_t length = std::min(device_->length(), most_kept * sizeof(Entry));
  if (const Outcome fetched = device_->fetch(waiter, Plane::data, 0, length); !fetched.is_ready()) return fetched;
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(length));
  device_->read(Plane::data, 0, bytes);
  for (std::size_t at = 0; at + sizeof(Entry) <= bytes.size(); at += sizeof(Entry)) {
    Entry entry{};
    std::memcpy(&entry, &bytes[at], sizeof entry);
    if (entry.sequence != 0 && place_of(entry.sequence) == at) remember(entry.token, entry.sequence);
  }
  loaded_ = true;
  return Outcome::ready();
}

void Outcomes::remember(const Token& token, std::uint64_t sequence) {
  last_ = std::max(last_, sequence);
  sequences_[token] = sequence;
  tokens_[sequence] = token;
  if (tokens_.size() <= most_kept) return;
  // The same token may have been kept again since.
  const auto oldest = tokens_.begin();
  const auto found = sequences_.find(oldest->second);
  if (found != sequences_.end() && found->second == oldest->first) sequences_.erase(found);
  tokens_.erase(oldest);
}

Outcomes::Answer Outcomes::find(const Token& token) const {
  if (sequences_.contains(token)) return committed;
  return failures_.contains(token) ? failed : unknown;
}

Outcome Outcomes::prepare(Waiter& waiter, std::uint64_t sequence) {
  if (device_ == nullptr) return Outcome::ready();
  if (device_->hidden()) {
    if (const Outcome entry = pool_->prepare_entry(waiter); !entry.is_ready()) return entry;
  }
  return device_->prepare(waiter, Plane::data, place_of(sequence), sizeof(Entry));
}

void Outcomes::keep(const Token& token, std::uint64_t sequence) {
  remember(token, sequence);
  failures_.erase(token);
  if (device_ == nullptr) return;
  if (device_->hidden()) pool_->enter_outcomes(*device_);
  const Entry entry{token, sequence, 0};
  const auto* const bytes = reinterpret_cast<const std::uint8_t*>(&entry);
  device_->write(Plane::data, place_of(sequence), {bytes, sizeof entry});
  pool_->journal().kept_outcome(token, sequence);
}

void Outcomes::note_failure(const Token& token) {
  if (!failures_.insert(token).second) return;
  failed_order_.push_back(token);
  if (failed_order_.size() <= most_kept) return;
  failures_.erase(failed_order_.front());
  failed_order_.pop_front();
}

}  // namespace chimera::devices
