// The commit of a transaction: rehearsed until nothing has to wait, then performed in one go.
//
// The order is one that the journal can repeat: clones before what they are clones of is changed, new devices after
// those whose UUID or name they may take, contents last.

#include <fmt/format.h>

#include <algorithm>
#include <boost/uuid/uuid_io.hpp>
#include <cassert>

#include "vm/machine_core.h"
#include "vm/safeguards.h"
#include "vm/transaction.h"

namespace chimera::vm {

using devices::Outcome;
using devices::Plane;

namespace {

constexpr Plane all_planes[] = {Plane::data, Plane::metadata, Plane::columns};
/// Each may leave a grave behind.
constexpr std::size_t most_cleared = 4096;

/// The part of a piece of zeros that lies within a length of data; the metadata has none.
std::uint64_t cleared_bytes(Plane plane, std::uint64_t length, const Overlay::Pieces::value_type& piece) {
  const std::uint64_t count = piece.second.last - piece.first + 1;
  if (plane != Plane::data) return count;
  return piece.first < length ? std::min(count, length - piece.first) : 0;
}

void must_be_ready(const Outcome& outcome) {
  assert(outcome.is_ready());
  (void)outcome;
}

}  // namespace

bool Transaction::reads_only() const {
  const bool all_as_they_were = std::ranges::all_of(views_, [](const auto& view) {
    return view->base() != nullptr && !view->changes_content() && !view->replaced() &&
           view->name() == view->base()->name() && view->read_only() == view->base()->read_only();
  });
  return removed_.empty() && all_as_they_were && !token_;
}

bool Transaction::touches_pool() const {
  return token_ || std::ranges::any_of(views_, [](const auto& view) { return view->kind() != devices::Kind::memory; });
}

/// What the commit adds to a record at most.
std::uint64_t Transaction::journal_bytes() const {
  constexpr std::uint64_t for_an_instruction = 64;
  constexpr std::uint64_t for_a_block = 24;
  std::uint64_t sum = for_an_instruction;
  for (const auto& view : views_) {
    sum += 8 * for_an_instruction + 4 * limits::longest_name;
    for (const Plane plane : all_planes) {
      for (const auto& [first, piece] : view->overlay(plane).pieces()) {
        // What is written whole is named, and only what stands in front of it and behind it is in the record.
        constexpr std::uint64_t block = limits::block_size;
        const std::uint64_t size = piece.bytes.size();
        const std::uint64_t front = std::min(size, (block - first % block) % block);
        const std::uint64_t blocks = (size - front) / block;
        sum += 2 * for_an_instruction + size - blocks * block + blocks * for_a_block;
      }
    }
  }
  return sum;
}

Outcome Transaction::check_can_win(Waiter& waiter) {
  // Of a doomed one devices may be gone.
  const bool has_lost = doomed_ && safeguards::doomed_ones_lose;
  const bool wins = !has_lost && std::ranges::none_of(uuids_, [&](const auto& entry) {
    Device* const taken = store().find(entry.first);
    return entry.second != nullptr && taken != nullptr && !removed_.contains(taken);
  }) && std::ranges::none_of(removed_, [&](const Device* base) {
    return safeguards::open_devices_stay && !forced_.contains(base) && core_.open_elsewhere(session_, *base);
  });
  if (wins) return Outcome::ready();
  waiter.message = "another session has changed what this transaction has read; run it again";
  return Outcome::fail(Status::conflict);
}

Outcome Transaction::check_size(Waiter& waiter) {
  // A device that goes, or gets other content, leaves three.
  std::size_t cleared = 3 * removed_.size();
  for (const auto& view : views_) {
    cleared += view->replaced() ? 3 : 0;
    for (const Plane plane : all_planes) {
      for (const auto& [first, piece] : view->overlay(plane).pieces()) cleared += piece.bytes.empty() ? 1 : 0;
    }
  }
  const auto limits = store().step_limits();
  if (journal_bytes() <= limits.journal_bytes && cleared <= most_cleared) return check_room(waiter, 0);
  waiter.message = fmt::format(
      "the transaction is too large: it would take {} bytes in the journal of the {} that it may, and gives up {} "
      "ranges "
      "of {}; commit in smaller ones",
      journal_bytes(), limits.journal_bytes, cleared, most_cleared);
  return Outcome::fail(Status::too_large);
}

Outcome Transaction::rehearse(Waiter& waiter) {
  if (const Outcome can_win = check_can_win(waiter); !can_win.is_ready()) return can_win;
  if (const Outcome size = check_size(waiter); !size.is_ready()) return size;
  waiter.stage = Waiter::Stage::rehearsing;
  waiter.rehearsed = {};
  give_up_forced(true);
  const Outcome rehearsed = safeguards::commits_are_rehearsed ? rehearse_all(waiter) : Outcome::ready();
  if (!rehearsed.is_ready()) give_up_forced(false);
  waiter.stage = Waiter::Stage::single;
  return rehearsed;
}

void Transaction::give_up_forced(bool may_go) {
  for (Device* base : removed_) {
    if (forced_.contains(base)) store().give_up(*base, may_go);
  }
}

Outcome Transaction::rehearse_all(Waiter& waiter) {
  if (const Outcome room = store().check_room(waiter, new_count_); !room.is_ready()) return room;
  if (touches_pool()) {
    const Outcome admitted = store().admit_step(waiter, journal_bytes());
    if (!admitted.is_ready()) return admitted;
  }
  bool waits = false;
  if (token_) {
    const Outcome kept = store().outcomes().prepare(waiter, store().outcomes().next());
    if (!kept.is_ready() && !kept.waits()) return kept;
    waits = kept.waits();
  }
  for (Device* base : removed_) {
    const Outcome removed = store().remove(waiter, *base);
    if (!removed.is_ready() && !removed.waits()) return removed;
    waits = waits || removed.waits();
  }
  for (const auto& view : views_) {
    if (is_removed(*view)) continue;
    const Outcome rehearsed = rehearse_view(waiter, *view);
    if (!rehearsed.is_ready() && !rehearsed.waits()) return rehearsed;
    waits = waits || rehearsed.waits();
  }
  return waits ? Outcome::wait() : Outcome::ready();
}

Outcome Transaction::rehearse_view(Waiter& waiter, View& view) {
  if (view.base() == nullptr) {
    if (const Outcome entry = store().prepare_entry(waiter, view.subject()); !entry.is_ready()) return entry;
  }
  if (view.replaced()) {
    const Outcome replacement = store().prepare_replacement(waiter, *view.base());
    if (!replacement.is_ready()) return replacement;
  }
  return view.changes_content() ? rehearse_content(waiter, view) : Outcome::ready();
}

/// Whatever is missing is asked for before anything is waited for.
Outcome Transaction::rehearse_content(Waiter& waiter, View& view) {
  Device& subject = view.subject();
  const std::uint64_t length = std::min(subject.length(), view.least_length().value_or(subject.length()));
  bool waits = false;
  Outcome failed = Outcome::ready();
  const auto goes_on = [&](const Outcome& outcome) {
    waits = waits || outcome.waits();
    if (!outcome.is_ready() && !outcome.waits()) failed = outcome;
    return failed.is_ready();
  };
  if (length < subject.length() && !goes_on(subject.set_length(waiter, length))) return failed;
  const bool grows = view.least_length() && view.length() > subject.length();
  if (grows && !goes_on(subject.set_length(waiter, view.length()))) return failed;
  // What a clear takes away a write puts there again.
  std::size_t nodes = 0;
  for (const Plane plane : all_planes) {
    const Overlay& overlay = view.overlay(plane);
    nodes += 8 * overlay.pieces().size() + overlay.blocks() / 128;
    for (const auto& piece : overlay.pieces()) {
      const std::uint64_t cleared = cleared_bytes(plane, length, piece);
      const bool done = !piece.second.bytes.empty()
                            ? goes_on(subject.prepare(waiter, plane, piece.first, piece.second.bytes.size()))
                            : cleared == 0 || goes_on(subject.clear(waiter, plane, piece.first, cleared));
      if (!done) return failed;
    }
  }
  const bool cuts = view.least_length() || std::ranges::any_of(all_planes, [&](Plane plane) {
                      return std::ranges::any_of(view.overlay(plane).pieces(),
                                                 [](const auto& piece) { return piece.second.bytes.empty(); });
                    });
  if (cuts && view.kind() != devices::Kind::memory && !goes_on(store().prepare_nodes(waiter, nodes))) return failed;
  return waits ? Outcome::wait() : Outcome::ready();
}

// ── Performing ───────────────────────────────────────────────────────────────────────────────────────────────────

void Transaction::perform(Waiter& waiter, Registers& registers) {
  stop_watching();
  waiter.stage = Waiter::Stage::performing;
  make_way_for_names(waiter);
  for (const auto& view : views_) {
    if (view->base() == nullptr && view->origin() != nullptr) enter_new(*view, registers);
  }
  unprotect(waiter);
  replace_contents();
  remove_bases(waiter);
  for (const auto& view : views_) {
    if (view->base() == nullptr && view->origin() == nullptr) enter_new(*view, registers);
  }
  for (const auto& view : views_) {
    if (!is_removed(*view)) perform_view(waiter, *view);
  }
  if (token_) {
    store().outcomes().keep(*token_, store().outcomes().next());
    core_.transactions().outcome_changed(*token_);
  }
  waiter.stage = Waiter::Stage::single;
}

/// Names that others take in the same step are given up first.
void Transaction::make_way_for_names(Waiter& waiter) {
  for (const auto& view : views_) {
    Device* const base = view->base();
    const auto taken = base != nullptr ? names_.find(base->name()) : names_.end();
    if (taken == names_.end() || taken->second == nullptr || taken->second == view.get()) continue;
    std::string other = to_string(base->uuid());
    while (store().find(other) != nullptr || names_.contains(other)) other += '~';
    core_.transactions().renamed(base->name());
    must_be_ready(store().rename(waiter, *base, other));
  }
}

void Transaction::enter_new(View& view, Registers& registers) {
  Device* origin = view.origin();
  if (origin == nullptr && view.new_origin()) {
    const auto found = uuids_.find(*view.new_origin());
    if (found != uuids_.end() && found->second != nullptr) origin = entered_[found->second];
  }
  Handle* const handle = registers.find(view.uuid());
  Device& entered = store().enter_hidden(view.take_hidden(), view.name(), origin);
  entered.count(view.traffic());
  entered_[&view] = &entered;
  if (handle != nullptr) handle->device = &entered;
  core_.transactions().renamed(view.name());
}

/// A journal that is repeated asks again whether a device may be rolled back, deleted or written.
void Transaction::unprotect(Waiter& waiter) {
  for (const auto& view : views_) {
    Device* const base = view->base();
    const bool changes = base != nullptr && (is_removed(*view) || view->replaced() || view->changes_content());
    if (changes && base->read_only()) must_be_ready(store().protect(waiter, *base, false));
  }
}

void Transaction::replace_contents() {
  std::vector<devices::Store::Replacement> all;
  for (const auto& view : views_) {
    if (view->replaced() && !is_removed(*view)) all.push_back({view->base(), &view->subject(), view->origin()});
  }
  store().replace(all);
}

void Transaction::remove_bases(Waiter& waiter) {
  for (Device* base : removed_) {
    if (forced_.contains(base)) core_.interrupt_users(session_, *base);
    const Uuid uuid = base->uuid();
    core_.transactions().renamed(base->name());
    must_be_ready(store().remove(waiter, *base));
    core_.transactions().reshaped(*base);
    core_.forget(session_, uuid, base);
  }
}

void Transaction::perform_view(Waiter& waiter, View& view) {
  Device& target = view.base() != nullptr ? *view.base() : *entered_.at(&view);
  Transactions& others = core_.transactions();
  const bool changes = view.changes_content();
  if (changes) perform_content(waiter, view, target);
  const bool reshapes =
      target.read_only() != view.read_only() || target.name() != view.name() || view.replaced() || view.columns_set();
  if (target.read_only() != view.read_only()) must_be_ready(store().protect(waiter, target, view.read_only()));
  if (target.name() != view.name()) {
    others.renamed(target.name());
    must_be_ready(store().rename(waiter, target, view.name()));
    others.renamed(view.name());
  }
  if (reshapes) others.reshaped(target);
}

void Transaction::perform_content(Waiter& waiter, const View& view, Device& target) {
  Transactions& others = core_.transactions();
  const std::uint64_t length = std::min(target.length(), view.least_length().value_or(target.length()));
  if (length < target.length()) {
    must_be_ready(target.set_length(waiter, length));
    others.changed(target, Plane::data, length, ~std::uint64_t{0});
  }
  for (const Plane plane : all_planes) {
    for (const auto& piece : view.overlay(plane).pieces()) {
      const std::uint64_t cleared = cleared_bytes(plane, length, piece);
      if (!piece.second.bytes.empty() || cleared == 0) continue;
      must_be_ready(target.clear(waiter, plane, piece.first, cleared));
      others.changed_bytes(target, plane, piece.first, cleared);
    }
    for (const auto& [first, piece] : view.overlay(plane).pieces()) {
      if (piece.bytes.empty()) continue;
      target.write(plane, first, piece.bytes);
      others.changed(target, plane, first, piece.last);
    }
  }
  if (view.columns_set()) target.set_columns_length(view.columns_length());
  // Where the end is a hole nothing was written that would have moved it.
  const std::uint64_t end = view.least_length() ? view.length() : std::max(target.length(), view.end());
  if (target.length() != end) {
    must_be_ready(target.set_length(waiter, end));
    others.changed(target, Plane::data, end, ~std::uint64_t{0});
  }
}

}  // namespace chimera::vm
