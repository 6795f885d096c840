// Frames whose blocks are of the present generation, and how they become clean: by a checkpoint, or by a record that
// names them.

#include "devices/block_cache.h"

#include <cassert>

#include "devices/safeguards.h"

namespace chimera::devices {

FrameId BlockCache::make_dirty(const Slot& slot, bool settles) {
  const FrameId id = take();
  become_dirty(id, slot, settles);
  return id;
}

void BlockCache::become_dirty(FrameId id, const Slot& slot, bool settles) {
  frames_[id].flags = Frame::is_dirty | Frame::was_used | (settles ? 0 : Frame::is_node);
  insert(id, slot);
  frames_[id].place = static_cast<std::uint32_t>(dirty_.size());
  dirty_.push_back(id);
  if (settles && takes_settled_) settled_.push_back({slot.address(), id});
}

void BlockCache::expect_take_settled(bool is_expected) {
  takes_settled_ = is_expected;
  if (!is_expected) settled_.clear();
}

/// It needs no checkpoint any more, being on the disk, or nobody's.
void BlockCache::leave_dirty(FrameId id) {
  Frame& frame = frames_[id];
  dirty_[frame.place] = dirty_.back();
  frames_[dirty_[frame.place]].place = frame.place;
  dirty_.pop_back();
  if (named(id)) --leaving_;
  // That it was written counts for nothing any more: what is not used again goes the next time that the hand comes by.
  change(id, [](Frame& left) {
    left.flags &=
        static_cast<std::uint16_t>(~(Frame::is_dirty | Frame::is_written | Frame::is_named | Frame::was_used));
  });
}

void BlockCache::change_dirty(FrameId id) {
  Frame& frame = frames_[id];
  assert(may_change(id));
  if ((frame.flags & Frame::is_written) == 0) return;
  frame.flags &= static_cast<std::uint16_t>(~Frame::is_written);
  if (takes_settled_) settled_.push_back({frame.address, id});
}

std::vector<BlockCache::Placed> BlockCache::take_settled(std::size_t lag, std::size_t count) {
  std::vector<Placed> taken;
  if (settled_.size() < lag + count) return taken;
  while (settled_.size() > lag && taken.size() < count) {
    const Placed placed = settled_.front();
    settled_.pop_front();
    Frame& frame = frames_[placed.frame];
    if (frame.address != placed.address) continue;
    if ((frame.flags & (Frame::is_dirty | Frame::is_writing | Frame::is_written)) != Frame::is_dirty) continue;
    frame.flags |= Frame::is_writing;
    taken.push_back(placed);
  }
  return taken;
}

void BlockCache::written(FrameId id) {
  const bool froze = frozen(id);
  const bool was_named = named(id);
  if (was_named) --leaving_;
  change(id, [](Frame& frame) {
    frame.flags &= static_cast<std::uint16_t>(~(Frame::is_writing | Frame::is_named));
    if ((frame.flags & Frame::is_dirty) != 0) frame.flags |= Frame::is_written;
  });
  if (froze) {
    thaw(id);
  } else if (was_named && safeguards::named_blocks_stay) {
    leave_dirty(id);
  } else {
    free_if_doomed(id);
  }
}

void BlockCache::name(FrameId id) {
  assert(may_change(id) && (frames_[id].flags & Frame::is_written) == 0);
  frames_[id].flags |= Frame::is_named | Frame::is_writing;
  ++leaving_;
}

bool BlockCache::is_clean(FrameId id) const {
  return (frames_[id].flags & (Frame::is_loading | Frame::is_dirty | Frame::is_frozen)) == 0;
}

void BlockCache::rename_dirty(FrameId id, const Slot& slot, bool settles) {
  assert(is_clean(id));
  remove(id);
  become_dirty(id, slot, settles);
}

bool BlockCache::discard(const Slot& slot) {
  const FrameId id = find(slot.address());
  if (id == no_frame) return true;
  if (!is_of(id, slot)) return false;
  remove(id);
  Frame& frame = frames_[id];
  if (is_dirty(id)) leave_dirty(id);
  frame.flags |= Frame::is_doomed;
  free_if_doomed(id);
  return true;
}

std::vector<BlockCache::Placed> BlockCache::freeze() {
  std::vector<Placed> to_write;
  for (const FrameId id : dirty_) {
    const std::uint16_t flags = frames_[id].flags;
    const bool on_disk = (flags & Frame::is_written) != 0;
    change(id, [&](Frame& frame) {
      frame.flags = static_cast<std::uint16_t>((flags & ~(Frame::is_dirty | Frame::is_written | Frame::is_named)) |
                                               (on_disk ? 0 : Frame::is_frozen));
    });
    if (on_disk) continue;
    ++frozen_count_;
    if ((flags & Frame::is_writing) == 0) to_write.push_back({frames_[id].address, id});
  }
  dirty_.clear();
  settled_.clear();
  leaving_ = 0;
  return to_write;
}

void BlockCache::thaw(FrameId id) {
  assert(frozen(id));
  --frozen_count_;
  change(id, [](Frame& frame) { frame.flags &= static_cast<std::uint16_t>(~Frame::is_frozen); });
  free_if_doomed(id);
}

}  // namespace chimera::devices
