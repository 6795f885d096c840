#include "devices/block_cache.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstdlib>
#include <new>

#include "devices/crc32c.h"
#include "devices/safeguards.h"

namespace chimera::devices {
namespace {

constexpr std::size_t huge_page = 2u << 20;
/// A loop registers so many pieces at least. Small ones, since the kernel clears a piece when it is registered and
/// everybody waits: 64 MiB took 140 ms where the memory was new to the virtual machine.
constexpr std::size_t most_registrations = 2048;
/// An arena below this is not worth a mapping of its own: the heap keeps its pages for the next one.
constexpr std::size_t smallest_mapping = 32u << 20;

}  // namespace

/// One request for blocks that lie side by side.
class BlockCache::Load final : public io::DiskRequest {
 public:
  struct Part {
    Slot slot;
    FrameId frame;
  };
  BlockCache* cache = nullptr;
  std::uint32_t index = 0;
  std::vector<Part> parts;
  std::vector<std::byte*> places;
  std::vector<Waiter*> waiters;

  void begin() {
    places.clear();
    for (const Part& part : parts) places.push_back(cache->bytes(part.frame));
    kind = Kind::read;
    first_block = parts.front().slot.address();
    buffers = places;
    error = 0;
    cache->disk_.start(*this);
  }
  void add_waiter(Waiter& waiter) {
    if (std::find(waiters.begin(), waiters.end(), &waiter) != waiters.end()) return;
    waiters.push_back(&waiter);
    ++waiter.loads;
  }
  void finished() override { cache->loaded(*this); }
};

BlockCache::BlockCache(io::Disk& disk, std::uint64_t bytes) : disk_(disk) {
  const std::size_t count = bytes / block_size;
  // The books first: where there is no memory for them the arena is not there yet, and need not be given back.
  frames_.resize(count);
  free_ = FreeFrames(count);
  buckets_.assign(std::bit_ceil(count), no_frame);
  if (count * block_size < smallest_mapping) {
    arena_ = static_cast<std::byte*>(std::aligned_alloc(block_size, count * block_size));
    if (arena_ == nullptr) throw std::bad_alloc();
  } else {
    map_arena(count * block_size);
  }
  evictable_ = count;
  most_hints_ = count / 16;
  hints_.reserve(most_hints_);
  free_hints_.reserve(most_hints_);
}

BlockCache::~BlockCache() {
  assert(loads_in_flight_ == 0);
  if (arena_size_ == 0) {
    std::free(arena_);
  } else {
    munmap(arena_, arena_size_);
  }
}

void BlockCache::map_arena(std::size_t bytes) {
  arena_size_ = (bytes + huge_page - 1) / huge_page * huge_page + huge_page;
  void* mapped = mmap(nullptr, arena_size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) throw std::bad_alloc();
  arena_ = static_cast<std::byte*>(mapped);
  // The surplus in front of the first huge page is given back; the mapping keeps its end.
  const auto start = reinterpret_cast<std::uintptr_t>(arena_);
  const std::size_t surplus = (huge_page - start % huge_page) % huge_page;
  if (surplus != 0) munmap(arena_, surplus);
  arena_ += surplus;
  arena_size_ -= surplus;
  madvise(arena_, arena_size_, MADV_HUGEPAGE);
}

Hints* BlockCache::hints(FrameId id) {
  Frame& frame = frames_[id];
  if (frame.hints == 0) {
    if (!free_hints_.empty()) {
      frame.hints = free_hints_.back();
      free_hints_.pop_back();
    } else if (hints_.size() < most_hints_) {
      // Looking something up takes no memory that must be there.
      std::unique_ptr<Hints> made(new (std::nothrow) Hints);
      if (made == nullptr) return nullptr;
      hints_.push_back(std::move(made));
      frame.hints = static_cast<std::uint32_t>(hints_.size());
    } else {
      return nullptr;
    }
    hints_[frame.hints - 1]->fill(no_frame);
  }
  return hints_[frame.hints - 1].get();
}

void BlockCache::pin(FrameId id) {
  change(id, [](Frame& frame) { ++frame.pins; });
}

void BlockCache::unpin(FrameId id) {
  change(id, [](Frame& frame) {
    assert(frame.pins > 0);
    --frame.pins;
  });
  free_if_doomed(id);
}

void BlockCache::insert(FrameId id, const Slot& slot) {
  const std::uint64_t address = slot.address();
  assert(address != 0 && find(address) == no_frame);
  FrameId& bucket = buckets_[bucket_of(address)];
  change(id, [&](Frame& frame) {
    frame.address = address;
    frame.birth = static_cast<std::uint32_t>(slot.generation());
    frame.next = bucket;
  });
  bucket = id;
  if (holds_node(id)) ++node_count_;
}

void BlockCache::remove(FrameId id) {
  FrameId* link = &buckets_[bucket_of(frames_[id].address)];
  while (*link != id) link = &frames_[*link].next;
  *link = frames_[id].next;
  if (holds_node(id)) --node_count_;
  change(id, [](Frame& frame) {
    frame.address = 0;
    frame.next = no_frame;
  });
}

void BlockCache::set_free(FrameId id) {
  Frame& frame = frames_[id];
  assert(frame.address == 0 && frame.pins == 0);
  if (frame.hints != 0) free_hints_.push_back(frame.hints);
  std::construct_at(&frame);
  free_.add(id);
  ++evictable_;
}

void BlockCache::free_if_doomed(FrameId id) {
  const Frame& frame = frames_[id];
  if ((frame.flags & Frame::is_doomed) == 0 || frame.pins != 0) return;
  if ((frame.flags & (Frame::is_loading | Frame::is_frozen | Frame::is_writing)) == 0) set_free(id);
}

/// A frame that belongs to nobody, its address 0.
FrameId BlockCache::take() {
  assert(evictable_ > 0);
  if (!free_.empty()) {
    --evictable_;
    return free_.take();
  }
  if (never_used_ < frames_.size()) {
    const std::size_t end = (std::size_t{never_used_} + 1) * block_size;
    if (end > registered_) {
      const std::size_t wanted = std::max(huge_page, frames_.size() * block_size / most_registrations);
      const std::size_t piece = std::min(wanted, frames_.size() * block_size - registered_);
      disk_.register_memory(arena_ + registered_, piece);
      registered_ += piece;
    }
    --evictable_;
    return never_used_++;
  }
  // Where little else may go, nobody is to wait until it is a node's turn.
  constexpr unsigned most_spared = 4096;
  for (unsigned spared = 0;; hand_ = (hand_ + 1) % static_cast<FrameId>(frames_.size())) {
    Frame& frame = frames_[hand_];
    if (!frame.evictable()) continue;
    if ((frame.flags & Frame::was_used) != 0) {
      frame.flags &= static_cast<std::uint16_t>(~Frame::was_used);
      frame.rounds = 0;
      continue;
    }
    if (holds_node(hand_) && frame.rounds < node_rounds() && spared < most_spared) {
      ++frame.rounds;
      ++spared;
      continue;
    }
    const FrameId id = hand_;
    hand_ = (hand_ + 1) % static_cast<FrameId>(frames_.size());
    remove(id);  // it is not evictable any more
    if (frames_[id].hints != 0) free_hints_.push_back(frames_[id].hints);
    std::construct_at(&frames_[id]);
    return id;
  }
}

FrameId BlockCache::expect(const Slot& slot, Waiter* waiter, bool is_node) {
  const FrameId id = take();
  frames_[id].flags = Frame::is_loading | (is_node ? Frame::is_node : 0);
  if (waiter == nullptr) {
    frames_[id].flags |= Frame::is_ahead;
    ++ahead_count_;
  }
  insert(id, slot);
  frames_[id].place = ~std::uint32_t{0};
  missing_.push_back({slot, id, waiter});
  ++misses_;
  return id;
}

void BlockCache::start_loading() {
  if (missing_.empty()) return;
  std::sort(missing_.begin(), missing_.end(),
            [](const Missing& a, const Missing& b) { return a.slot.address() < b.slot.address(); });
  for (std::size_t first = 0; first < missing_.size();) {
    std::uint32_t index;
    if (free_loads_.empty()) {
      index = static_cast<std::uint32_t>(loads_.size());
      loads_.push_back(std::make_unique<Load>());
      loads_[index]->cache = this;
      loads_[index]->index = index;
    } else {
      index = free_loads_.back();
      free_loads_.pop_back();
    }
    Load& load = *loads_[index];
    load.parts.clear();
    std::size_t last = first;
    do {
      load.parts.push_back({missing_[last].slot, missing_[last].frame});
      frames_[missing_[last].frame].place = index;
      if (missing_[last].waiter != nullptr) load.add_waiter(*missing_[last].waiter);
      ++last;
    } while (last < missing_.size() && last - first < io::Disk::most_blocks &&
             missing_[last].slot.address() == missing_[last - 1].slot.address() + 1);
    first = last;
    ++loads_in_flight_;
    load.begin();
  }
  missing_.clear();
}

void BlockCache::await(FrameId id, Waiter& waiter) {
  assert(loading(id));
  const std::uint32_t index = frames_[id].place;
  if (index != ~std::uint32_t{0}) {
    loads_[index]->add_waiter(waiter);
    return;
  }
  // Expected, but not sent off yet.
  for (Missing& missing : missing_) {
    if (missing.frame == id && missing.waiter == nullptr) missing.waiter = &waiter;
  }
}

void BlockCache::forget(Waiter& waiter) {
  if (waiter.loads == 0) return;
  for (const auto& load : loads_) std::erase(load->waiters, &waiter);
  waiter.loads = 0;
}

void BlockCache::loaded(Load& load) {
  --loads_in_flight_;
  // Which block of several could not be read is found out by asking for them one by one.
  if (load.error != 0 && load.parts.size() > 1) {
    for (const Load::Part& part : load.parts) {
      for (Waiter* waiter : load.waiters) missing_.push_back({part.slot, part.frame, waiter});
      if (load.waiters.empty()) missing_.push_back({part.slot, part.frame, nullptr});
    }
    const std::vector<Waiter*> waiters = std::move(load.waiters);
    load.waiters.clear();
    free_loads_.push_back(load.index);
    std::vector<Missing> again = std::move(missing_);
    missing_.clear();
    for (std::size_t n = 0; n < again.size();) {
      const FrameId frame = again[n].frame;
      missing_.push_back(again[n]);
      start_loading();
      for (++n; n < again.size() && again[n].frame == frame; ++n) await(frame, *again[n].waiter);
    }
    for (Waiter* waiter : waiters) --waiter->loads;
    return;
  }
  for (const Load::Part& part : load.parts) {
    Frame& frame = frames_[part.frame];
    if ((frame.flags & Frame::is_ahead) != 0) --ahead_count_;
    const bool matches = !safeguards::blocks_are_verified || block_checksum(part.slot.address(), part.slot.generation(),
                                                                            bytes(part.frame)) == part.slot.checksum();
    const bool can_be = !holds_node(part.frame) || node_can_be(part.slot, node(part.frame));
    const bool good = load.error == 0 && matches && can_be;
    change(part.frame, [](Frame& f) { f.flags &= static_cast<std::uint16_t>(~(Frame::is_loading | Frame::is_ahead)); });
    if (good || (frame.flags & Frame::is_doomed) != 0) {
      free_if_doomed(part.frame);
      continue;
    }
    for (Waiter* waiter : load.waiters) {
      waiter->failed_address = part.slot.address();
      waiter->failed_status = load.error != 0 ? Status::io_error : Status::corrupt;
    }
    (void)discard(part.slot);
  }
  const std::vector<Waiter*> waiters = std::move(load.waiters);
  load.waiters.clear();
  free_loads_.push_back(load.index);
  for (Waiter* waiter : waiters) {
    if (--waiter->loads == 0) waiter->wake();
  }
  if (waiters.empty()) ahead_arrived();
}

}  // namespace chimera::devices
