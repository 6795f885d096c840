#include "vm/transactions.h"

#include "vm/safeguards.h"
#include "vm/transaction.h"
#include "vm/view.h"

namespace chimera::vm {

void Transactions::watch(const devices::Device& base, View& view, Transaction& transaction) {
  watched_[&base].push_back({&view, &transaction});
}

void Transactions::unwatch(const devices::Device& base, const Transaction& transaction) {
  const auto found = watched_.find(&base);
  if (found == watched_.end()) return;
  std::erase_if(found->second, [&](const Watcher& watcher) { return watcher.transaction == &transaction; });
  if (found->second.empty()) watched_.erase(found);
}

void Transactions::doom_readers(const devices::Device& device, devices::Plane plane, std::uint64_t first,
                                std::uint64_t last) {
  const auto found = watched_.find(&device);
  if (found == watched_.end()) return;
  for (const Watcher& watcher : found->second) {
    const bool has_read = safeguards::readers_are_doomed && watcher.view->has_read(plane, first, last);
    if (has_read) watcher.transaction->doom();
  }
}

void Transactions::reshaped(const devices::Device& device) {
  const auto found = watched_.find(&device);
  if (found == watched_.end()) return;
  for (const Watcher& watcher : found->second) {
    if (safeguards::reshaping_dooms) watcher.transaction->doom();
  }
  // It may be gone.
  watched_.erase(found);
}

void Transactions::opened(const devices::Device& device) {
  const auto found = watched_.find(&device);
  if (found == watched_.end()) return;
  for (const Watcher& watcher : found->second) {
    if (safeguards::open_devices_stay && watcher.transaction->has_removed(device)) watcher.transaction->doom();
  }
}

void Transactions::renamed(std::string_view name) {
  for (Transaction* transaction : open_) {
    if (safeguards::renaming_dooms && transaction->has_asked_for(name)) transaction->doom();
  }
}

void Transactions::outcome_changed(const devices::Outcomes::Token& token) {
  for (Transaction* transaction : open_) {
    if (safeguards::outcomes_doom && transaction->has_asked_for(token)) transaction->doom();
  }
}

}  // namespace chimera::vm
