// Space that comes back to the pool, from graves, and goes back from it to the disk's host.

#include <algorithm>

#include "devices/pool.h"

namespace chimera::devices {
namespace {

constexpr unsigned reaps_at_once = 16;
/// So many blocks freed by graves are worth checkpoints, so that they can be given back: 16 MiB.
constexpr std::uint64_t worth_giving_back = 4096;
/// It is given back while others write, too, from the second on and up to this one.
constexpr std::uint64_t checkpoints_giving_back = 3;

}  // namespace

/// Frees a piece of a grave. False if there is none, or it has to wait.
bool Pool::reap() {
  if (!may_change()) {
    // Others are not to queue behind what will never go on.
    blocks_.release_waiter(reaper_);
    return false;
  }
  if (reaper_.waits) return false;
  const auto found = std::find_if(graves_.begin(), graves_.end(), [](const auto& grave) { return !grave.second.held; });
  if (found == graves_.end()) return false;
  auto& [number, grave] = *found;
  // Before it waits it may have copied nodes on its way down.
  manifest_.mark(number);
  const Outcome outcome = grave.tree.empty() ? Outcome::ready() : grave.tree.reap(reaper_);
  if (outcome.waits()) {
    reaper_.waits = true;
    return false;
  }
  blocks_.release_waiter(reaper_);
  if (!outcome.is_ready()) {
    // Damaged: what cannot be read cannot be freed. It stays booked; the check names it.
    grave.held = true;
    return true;
  }
  if (grave.tree.empty()) {
    manifest_.remove(number);
    graves_.erase(found);
    if (graves_.empty()) blocks_.wake_waiting();
  }
  return true;
}

bool Pool::reap_some() {
  const std::size_t pending_before = blocks_.space().pending_count();
  bool more = false;
  for (unsigned n = 0; n < reaps_at_once && (more = reap()); ++n) {
  }
  if (discards_.enabled()) reclaimed_ += blocks_.space().pending_count() - pending_before;
  return more;
}

/// Whether enough has been freed for two checkpoints more to be made for its sake. While others go on that is what
/// graves had: who overwrites frees as much as he takes, and checkpoints come by themselves.
bool Pool::is_worth_giving_back() const {
  const SpaceMap& space = blocks_.space();
  if (is_ending_) return space.unripe_count() + space.pending_count() >= discards_.options().least_blocks;
  return reclaimed_ >= worth_giving_back;
}

/// What is freed may be given back when neither superblock leads to it: two checkpoints later.
bool Pool::give_back() {
  if (!discards_.enabled() || replaying_) return false;
  const bool between_checkpoints = checkpoint_.idle() && !checkpoint_.wanted() && !checkpoint_.refused();
  if (between_checkpoints && !blocks_.is_freeing()) {
    if (is_worth_giving_back()) {
      reclaimed_ = 0;
      is_ending_ = false;
      ripening_ = 2;
      gives_back_until_ = checkpoint_.count() + checkpoints_giving_back;
    }
    if (ripening_ > 0) {
      --ripening_;
      checkpoint_.want_even_if_unchanged();
      return true;
    }
  }
  const bool at_rest = between_checkpoints && !blocks_.is_freeing() && blocks_.cache().dirty_count() == 0;
  // Who only overwrites needs soon again what he frees.
  if (!at_rest && checkpoint_.count() > gives_back_until_ && !discards_.options().eager) return false;
  return discards_.work(at_rest);
}

void Pool::discard_all_free() {
  blocks_.space().note_all_free();
  ripening_ = 2;
}

bool Pool::is_giving_back() const {
  if (!discards_.enabled() || !may_change() || checkpoint_.refused()) return false;
  const bool between_checkpoints = checkpoint_.idle() && !checkpoint_.wanted();
  return !between_checkpoints || discards_.anything_left() || ripening_ > 0 || is_worth_giving_back() ||
         blocks_.is_freeing();
}

}  // namespace chimera::devices
