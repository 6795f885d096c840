#include "devices/block_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <utility>

#include "devices/reference_counts.h"
#include "devices/safeguards.h"

namespace chimera::devices {
namespace {

/// An instruction that waited this often for space, with nothing more to come, has waited long enough.
constexpr unsigned most_space_waits = 4;
/// Blocks more than somebody has asked for, since nobody counts to the last one.
constexpr std::size_t slack = 16;

}  // namespace

BlockStore::BlockStore(io::Disk& disk, std::uint64_t cache_bytes)
    : cache_(disk, cache_bytes),
      space_(disk, [this] { wake_waiting(); }),
      references_(std::make_unique<ReferenceCounts>(*this)) {
  cache_.node_can_be = [this](const Slot& slot, const Node& node) {
    // A node is copied whenever something below it changes, so it is as young as the youngest of them.
    return std::ranges::all_of(node, [&](const Slot& below) { return space_.may_hold(below, slot.generation()); });
  };
  cache_.ahead_arrived = [this] { wake_for_memory(); };
}

BlockStore::~BlockStore() = default;

/// What someone has to leave, beside the needs of a checkpoint.
std::uint64_t BlockStore::kept_for(Purpose purpose) const {
  if (keeps_nothing_back) return 0;
  const auto all = std::clamp<std::uint64_t>(space_.block_count() / 64, 256, 16384);
  switch (purpose) {
    case Purpose::user: return all;
    case Purpose::shrinking: return all / 2;
    case Purpose::freeing: break;
  }
  return 0;
}

/// The first in the queue for memory takes what there is; while there is a queue, others take nothing new.
bool BlockStore::may_take(const Waiter& waiter, std::size_t frames) const {
  if (!memory_queue_.empty() && memory_queue_.front() != &waiter) return false;
  return cache_.can_take(frames);
}

FrameId BlockStore::hold(Waiter& waiter, const Slot& slot, FrameId& hint, unsigned level, Collected& collected) {
  // What is being performed goes on to its end; nothing of it will be published.
  if (contradictory_ && waiter.stage != Waiter::Stage::performing) {
    collected.failed = Status::corrupt;
    return no_frame;
  }
  FrameId frame = cache_.find(slot.address(), hint);
  if (frame == no_frame) {
    if (waiter.failed_address == slot.address()) {
      if (collected.failed == Status::ok) collected.failed = waiter.failed_status;
      return no_frame;
    }
    if (!may_take(waiter, 1)) {
      collected.starved = true;
      return no_frame;
    }
    frame = hint = cache_.expect(slot, &waiter, level > 0);
    cache_.pin(frame);
    waiter.pins.push_back(frame);
    collected.waits = true;
    return no_frame;
  }
  if (!cache_.is_of(frame, slot) || (level > 0 && !cache_.holds_node(frame))) {
    collected.failed = Status::corrupt;  // another slot has it as something else
    return no_frame;
  }
  cache_.pin(frame);
  waiter.pins.push_back(frame);
  if (cache_.loading(frame)) {
    cache_.await(frame, waiter);
    collected.waits = true;
    return no_frame;
  }
  cache_.touch(frame);
  cache_.note_found();
  return frame;
}

Outcome BlockStore::conclude(Waiter& waiter, const Collected& collected) {
  cache_.start_loading();
  if (collected.failed != Status::ok) {
    const char* what = contradictory_                        ? "belongs to a store whose maps contradict each other"
                       : collected.failed == Status::corrupt ? "does not match its checksum"
                                                             : "could not be read";
    waiter.message =
        fmt::format("block {} of the device, or the map that leads to it, {}; `chimera check` lists damage",
                    collected.failed_index, what);
    return Outcome::fail(collected.failed);
  }
  if (collected.starved && waiter.loads == 0) return wait_for_memory(waiter);
  if (collected.waits || collected.starved) return Outcome::wait();
  return Outcome::ready();
}

Outcome BlockStore::provide(Waiter& waiter, const Needs& own, Purpose purpose) {
  if (waiter.stage == Waiter::Stage::performing) return Outcome::ready();
  Needs needs = own;
  if (waiter.stage == Waiter::Stage::rehearsing && safeguards::rehearsals_add_up) {
    needs.frames = waiter.rehearsed.frames += own.frames;
    needs.blocks = waiter.rehearsed.blocks += own.blocks;
    if (needs.frames > cache_.frame_count() / 2) {
      waiter.message = "the transaction is too large: it needs more than half of the cache; commit in smaller ones";
      return Outcome::fail(Status::too_large);
    }
  }
  // The others are clean without a checkpoint.
  const std::size_t staying = cache_.dirty_count() - cache_.leaving_count();
  if (staying + needs.frames > cache_.frame_count() / 4) want_checkpoint();
  const std::size_t busy = cache_.dirty_count() + cache_.frozen_count();
  const bool too_dirty = busy + needs.frames > cache_.frame_count() / 4 * 3 && busy > 0;
  if (too_dirty || !may_take(waiter, needs.frames + slack)) return wait_for_memory(waiter);

  if (off_the_map) return Outcome::ready();

  const std::uint64_t wanted = needs.blocks + slack + checkpoint_needs() + kept_for(purpose);
  if (needs.blocks > 0 && space_.available() < wanted) {
    if (space_.available() + space_.discarding_count() >= wanted) {
      // It ends soon, and later ones leave enough.
      missed_ = std::max(missed_, wanted);
      wait_for_event(waiter);
      return Outcome::wait();
    }
    const bool more = space_.more_to_come() || is_freeing();
    if (!can_clean()) want_checkpoint();
    if (!more || !can_clean() || waiter.space_waits > most_space_waits) return fail_for_space(waiter, wanted);
    if (!is_freeing()) ++waiter.space_waits;
    // Whoever empties graves must not wait for himself.
    if (purpose == Purpose::freeing || is_worth_a_checkpoint()) {
      want_checkpoint();
    } else {
      space_is_wanted_ = true;
    }
    wait_for_event(waiter);
    return Outcome::wait();
  }
  if (!waiter.bitmap_failures) waiter.bitmap_failures = space_.failures();
  switch (space_.reserve(needs.blocks + slack, *waiter.bitmap_failures)) {
    case SpaceMap::Reserved::ready: return Outcome::ready();
    case SpaceMap::Reserved::loading: wait_for_event(waiter); return Outcome::wait();
    case SpaceMap::Reserved::failed: break;
  }
  if (needs.blocks == 0) return Outcome::ready();
  waiter.message = "the map of free space could not be read; run `chimera check`";
  return Outcome::fail(Status::io_error);
}

std::uint64_t BlockStore::kept_from_discards() const { return std::max(checkpoint_needs() + slack, missed_); }

bool BlockStore::is_worth_a_checkpoint() const {
  constexpr std::size_t worth = 4096;
  return space_.pending_count() >= worth || !is_freeing();
}

void BlockStore::look_for_space() {
  if (!space_is_wanted_ || !is_worth_a_checkpoint()) return;
  space_is_wanted_ = false;
  want_checkpoint();
}

Outcome BlockStore::fail_for_space(Waiter& waiter, std::uint64_t wanted) const {
  if (!can_clean()) {
    waiter.message = "there is no space, and no checkpoint that would bring some could be made";
    return Outcome::fail(Status::io_error);
  }
  if (space_.available() + space_.lost_count() >= wanted) {
    waiter.message = "the map of free space is damaged, and the rest of the store is full; run `chimera check`";
    return Outcome::fail(Status::corrupt);
  }
  waiter.message = fmt::format(
      "the store is full: {} of its {} MiB are free, some of which it keeps for deletes; delete devices or grow it",
      space_.free_count() * block_size >> 20, space_.block_count() * block_size >> 20);
  return Outcome::fail(Status::no_space);
}

Outcome BlockStore::wait_for_memory(Waiter& waiter) {
  if (!waiter.queued) {
    waiter.queued = true;
    memory_queue_.push_back(&waiter);
  }
  if (memory_queue_.front() != &waiter) {
    for (const FrameId frame : waiter.pins) cache_.unpin(frame);
    waiter.pins.clear();
    memory_queue_.front()->wake();
  } else if (!can_clean() && !is_writing_out() && !cache_.any_loading()) {
    want_checkpoint();
    waiter.message = "too little memory is left beside what could not be written to the disk";
    return Outcome::fail(Status::io_error);
  }
  // What is being written is clean when it is; then this is tried again.
  if (cache_.dirty_count() != 0 && !is_writing_out()) want_checkpoint();
  return Outcome::wait();
}

void BlockStore::wait_for_event(Waiter& waiter) {
  if (!std::exchange(waiter.listed, true)) events_.push_back(&waiter);
}

void BlockStore::wake_waiting() {
  for (Waiter* waiter : std::exchange(events_, {})) {
    waiter->listed = false;
    waiter->wake();
  }
  wake_for_memory();
}

void BlockStore::note_written_out() {
  const bool is_worth_a_look = cache_.leaving_count() == 0 || cache_.evictable_count() >= cache_.frame_count() / 4;
  if (is_worth_a_look) wake_for_memory();
}

void BlockStore::wake_for_memory() {
  if (!memory_queue_.empty()) memory_queue_.front()->wake();
}

void BlockStore::release_waiter(Waiter& waiter) {
  const bool makes_room = !waiter.pins.empty() || waiter.queued;
  for (const FrameId frame : waiter.pins) cache_.unpin(frame);
  waiter.pins.clear();
  cache_.forget(waiter);
  if (waiter.queued) std::erase(memory_queue_, &waiter);
  if (std::exchange(waiter.listed, false)) std::erase(events_, &waiter);
  waiter.queued = false;
  waiter.space_waits = 0;
  waiter.bitmap_failures.reset();
  waiter.failed_address = 0;
  if (makes_room) wake_for_memory();
}

/// A block that is booked as free and yet in memory belongs to somebody. Where that is found out, the instruction goes
/// on to its end with addresses that are on no disk; nothing of it will be published.
std::uint64_t BlockStore::allocate(SpaceMap::Use use) {
  if (!contradictory_ && !off_the_map) {
    const std::uint64_t address = space_.allocate(use);
    if (cache_.find(address) == no_frame) return address;
    contradict();
  }
  return Slot::most_address - unreal_++;
}

FrameId BlockStore::birth(Slot& slot, SpaceMap::Use use) {
  slot = Slot(allocate(use), generation_, 0);
  slot.unsettle();
  return cache_.make_dirty(slot, use == SpaceMap::Use::data);
}

void BlockStore::release(const Slot& slot, bool maybe_shared) {
  if (contradictory_) return;
  if (maybe_shared && references_->get(slot.address()) > 0) {
    references_->add(slot.address(), -1);
    return;
  }
  if (!cache_.discard(slot)) return contradict();
  if (!off_the_map) space_.release(slot.address());
}

FrameId BlockStore::renew(Slot& slot, FrameId old_frame, bool shared, bool keep_bytes, SpaceMap::Use use) {
  const Slot old = slot;
  slot = Slot(allocate(use), generation_, 0);
  slot.unsettle();
  FrameId frame;
  if (old_frame != no_frame && !shared && cache_.is_clean(old_frame) && cache_.is_of(old_frame, old)) {
    cache_.rename_dirty(old_frame, slot, use == SpaceMap::Use::data);
    frame = old_frame;
  } else {
    frame = cache_.make_dirty(slot, use == SpaceMap::Use::data);
    if (keep_bytes) {
      std::memcpy(cache_.bytes(frame), cache_.bytes(old_frame), block_size);
      if (cache_.has_unsettled(old_frame)) cache_.note_unsettled(frame);
    }
  }
  release(old, shared);
  return frame;
}

}  // namespace chimera::devices
