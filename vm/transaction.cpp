#include "vm/transaction.h"

#include <fmt/format.h>

#include <algorithm>

#include "vm/machine_core.h"

namespace chimera::vm {

using devices::CreateOptions;
using devices::Device;
using devices::Outcome;
using devices::Plane;
using devices::SnapshotTarget;

Transaction::Transaction(MachineCore& core, StreamSession& session, const Registers& at_begin)
    : core_(core), session_(session), at_begin_(at_begin) {
  core_.transactions().enter(*this);
}

Transaction::~Transaction() {
  stop_watching();
  views_.clear();
  core_.transactions().held_bytes -= charged_.bytes;
}

void Transaction::stop_watching() {
  for (const auto& view : views_) {
    if (view->base() != nullptr) core_.transactions().unwatch(*view->base(), *this);
  }
  core_.transactions().leave(*this);
}

devices::Store& Transaction::store() const { return core_.store(); }

bool Transaction::has_asked_for(std::string_view name) const {
  return asked_names_.contains(name) ||
         std::ranges::any_of(asked_prefixes_, [&](const std::string& prefix) { return name.starts_with(prefix); });
}

bool Transaction::has_asked_for(const devices::Outcomes::Token& token) const {
  return all_tokens_count_ || asked_tokens_.contains(token);
}

void Transaction::note_outcome(const devices::Outcomes::Token& token) {
  constexpr std::size_t most_tokens = 4096;
  all_tokens_count_ = all_tokens_count_ || asked_tokens_.size() == most_tokens;
  if (!all_tokens_count_) asked_tokens_.insert(token);
}

bool Transaction::has_removed(const Device& base) const {
  return removed_.contains(const_cast<Device*>(&base)) && !forced_.contains(&base);
}

std::size_t Transaction::device_count() const { return store().device_count() + new_count_ - removed_.size(); }

View& Transaction::view(Device& device) {
  const auto found = by_device_.find(&device);
  if (found != by_device_.end()) {
    found->second->refresh();
    return *found->second;
  }
  views_.push_back(std::make_unique<View>(*this, device));
  View& made = *views_.back();
  by_device_[&device] = &made;
  core_.transactions().watch(device, made, *this);
  charge_entry();
  return made;
}

/// A device that only the transaction knows.
View& Transaction::enter(std::unique_ptr<View> view) {
  View& entered = *view;
  names_[entered.name()] = uuids_[entered.uuid()] = &entered;
  by_device_[&entered] = &entered;
  views_.push_back(std::move(view));
  ++new_count_;
  charge_entry();
  return entered;
}

// ── How much it may be ───────────────────────────────────────────────────────────────────────────────────────────

void Transaction::charge(const Charge& now, const Charge& before) {
  charged_.bytes += now.bytes - before.bytes;
  charged_.blocks += now.blocks - before.blocks;
  core_.transactions().held_bytes += now.bytes - before.bytes;
}

/// For a view or a name; given back at the end.
void Transaction::charge_entry() { charge({.bytes = 1024}, {}); }

Outcome Transaction::check_room(Waiter& waiter, std::uint64_t more_bytes) {
  const std::uint64_t most_blocks = store().step_limits().blocks;
  const std::uint64_t more_blocks = more_bytes / limits::block_size + 1;
  if (charged_.bytes + more_bytes > limits::most_transaction_bytes || charged_.blocks + more_blocks > most_blocks) {
    waiter.message = fmt::format(
        "the transaction is too large: it may write {} MiB, and touch {} blocks of 4 KiB, more where they lie far "
        "apart; "
        "commit in smaller ones",
        limits::most_transaction_bytes >> 20, most_blocks);
    return Outcome::fail(Status::too_large);
  }
  if (core_.transactions().held_bytes + more_bytes > Transactions::most_bytes) {
    waiter.message = fmt::format("all transactions together hold the {} MiB that they may; try again later",
                                 Transactions::most_bytes >> 20);
    return Outcome::fail(Status::too_large);
  }
  return Outcome::ready();
}

// ── The catalogue ────────────────────────────────────────────────────────────────────────────────────────────────

/// With too many every name counts.
void Transaction::note_name(std::string_view name) const {
  constexpr std::size_t most_names = 4096;
  if (asked_names_.size() + asked_prefixes_.size() < most_names) {
    asked_names_.emplace(name);
  } else {
    asked_prefixes_.emplace();
  }
}

Device* Transaction::find(const Uuid& uuid) const {
  const auto found = uuids_.find(uuid);
  return found != uuids_.end() ? found->second : store().find(uuid);
}

Device* Transaction::find(std::string_view name) const {
  const auto found = names_.find(name);
  if (found == names_.end()) {
    note_name(name);
    return store().find(name);
  }
  if (found->second == nullptr || found->second->base() == nullptr) return found->second;
  return found->second->base();
}

std::vector<Device*> Transaction::list(std::string_view prefix, std::string_view after, std::size_t most) const {
  asked_prefixes_.emplace(prefix);
  std::vector<Device*> found = store().list(prefix, after, most + names_.size());
  std::erase_if(found, [&](const Device* device) { return names_.contains(device->name()); });
  for (const auto& [name, view] : names_) {
    if (view != nullptr && name.starts_with(prefix) && name > after) found.push_back(view);
  }
  std::ranges::sort(found, {}, [](const Device* device) -> const std::string& { return device->name(); });
  if (found.size() > most) found.resize(most);
  return found;
}

Outcome Transaction::create(Waiter& waiter, std::string_view name, std::span<const std::uint8_t> columns,
                            const CreateOptions& options, Device*& made) {
  if (const Outcome fresh = check_new_name(waiter, name); !fresh.is_ready()) return fresh;
  if (const Outcome fresh = check_new_uuid(waiter, options.uuid); !fresh.is_ready()) return fresh;
  if (const Outcome room = store().check_room(waiter, new_count_ + 1); !room.is_ready()) return room;
  if (const Outcome room = check_room(waiter, columns.size()); !room.is_ready()) return room;
  const Uuid uuid = options.uuid.value_or(unused_uuid());
  std::unique_ptr<Device> hidden;
  if (options.kind == devices::Kind::file) {
    const Outcome opened = store().make_hidden_file(waiter, uuid, name, options.path, hidden);
    if (!opened.is_ready()) return opened;
  } else {
    hidden = store().make_hidden(uuid, name, options);
  }
  View& view = enter(std::make_unique<View>(*this, std::move(hidden), std::string(name)));
  if (!columns.empty()) {
    view.write(Plane::columns, 0, columns);
    view.set_columns_length(columns.size());
  }
  made = &view;
  return Outcome::ready();
}

/// A hidden device with the content that lies below a view.
Outcome Transaction::clone_subject(Waiter& waiter, View& of, const Uuid& uuid, std::unique_ptr<Device>& made) {
  made = store().make_hidden(uuid, of.name(), {.kind = of.kind()});
  const Outcome cloned = store().clone_hidden(waiter, of.subject(), *made);
  if (cloned.is_ready()) of.note_all();
  return cloned;
}

Outcome Transaction::snapshot(Waiter& waiter, std::span<const SnapshotTarget> targets, std::vector<Device*>& made) {
  if (const Outcome fresh = check_new_names(waiter, targets); !fresh.is_ready()) return fresh;
  if (const Outcome room = store().check_room(waiter, new_count_ + targets.size()); !room.is_ready()) return room;
  std::vector<std::unique_ptr<View>> clones;
  for (const SnapshotTarget& target : targets) {
    View& origin = as_view(*target.origin);
    if (const Outcome room = check_room(waiter, origin.held_bytes()); !room.is_ready()) return room;
    const Uuid uuid = target.uuid.value_or(unused_uuid());
    std::unique_ptr<Device> hidden;
    if (const Outcome cloned = clone_subject(waiter, origin, uuid, hidden); !cloned.is_ready()) return cloned;
    auto empty = store().make_hidden(uuid, target.name, {.kind = origin.kind()});
    clones.push_back(std::make_unique<View>(*this, std::move(empty), target.name));
    clones.back()->adopt(origin, std::move(hidden));
  }
  for (auto& clone : clones) made.push_back(&enter(std::move(clone)));
  return Outcome::ready();
}

Outcome Transaction::rename(Waiter& waiter, Device& device, std::string_view name) {
  if (device.name() == name) return Outcome::ready();
  if (const Outcome fresh = check_new_name(waiter, name); !fresh.is_ready()) return fresh;
  View& view = as_view(device);
  if (const Outcome room = check_room(waiter, 0); !room.is_ready()) return room;
  charge_entry();
  names_[view.name()] = nullptr;
  names_[std::string(name)] = &view;
  view.set_name(name);
  return Outcome::ready();
}

Outcome Transaction::protect(Waiter&, Device& device, bool read_only) {
  as_view(device).set_read_only(read_only);
  return Outcome::ready();
}

Outcome Transaction::roll_back(Waiter& waiter, Device& device, Device& content_device) {
  if (const Outcome related = check_related(waiter, device, content_device); !related.is_ready()) return related;
  if (&device == &content_device) return Outcome::ready();
  View& view = as_view(device);
  View& content = as_view(content_device);
  if (const Outcome room = check_room(waiter, content.held_bytes()); !room.is_ready()) return room;
  // A UUID that was given up and is used again makes a new device a relative.
  const bool base_of_new = view.base() != nullptr && content.origin() == nullptr;
  const bool takes_uuid = view.base() == nullptr && store().find(view.uuid()) != nullptr;
  if (base_of_new || takes_uuid) {
    waiter.message = "what has been made anew in this transaction is rolled back in the next one";
    return Outcome::fail(Status::unsupported);
  }
  std::unique_ptr<Device> hidden;
  const bool is_its_own = content.origin() != nullptr && content.origin() == view.base();
  if (!is_its_own) {
    const Outcome cloned = clone_subject(waiter, content, view.uuid(), hidden);
    if (!cloned.is_ready()) return cloned;
  }
  view.adopt(content, std::move(hidden));
  return Outcome::ready();
}

Outcome Transaction::remove(Waiter& waiter, Device& device) {
  View& view = as_view(device);
  if (const Outcome room = check_room(waiter, 0); !room.is_ready()) return room;
  charge_entry();
  names_[view.name()] = nullptr;
  uuids_[view.uuid()] = nullptr;
  if (view.base() != nullptr) {
    removed_.insert(view.base());
    return Outcome::ready();
  }
  --new_count_;
  by_device_.erase(&view);
  std::erase_if(views_, [&](const auto& known) { return known.get() == &view; });
  return Outcome::ready();
}

}  // namespace chimera::vm
