// Operations of any size: they take a hold on the state of the moment, which is a clone that only they know, and go
// through it in pieces. A hold is booked as a grave, so a crash in the middle leaves nothing behind.

#include <algorithm>
#include <cassert>
#include <optional>

#include "devices/pool.h"
#include "devices/reference_counts.h"
#include "devices/safeguards.h"
#include "devices/sha256.h"

namespace chimera::devices {

/// What a long operation keeps of a device while it works: a grave that is not emptied before it lets go.
class Hold {
 public:
  Hold(Pool& pool, std::uint32_t grave) : pool_(pool), grave_(grave) {}
  ~Hold() { pool_.release_hold(grave_); }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;

  [[nodiscard]] Tree& tree() { return pool_.graves_.at(grave_).tree; }
  /// The journal's number for it.
  [[nodiscard]] std::uint64_t number() const { return pool_.graves_.at(grave_).hold; }
  void changed() { pool_.manifest_.mark(grave_); }

 private:
  Pool& pool_;
  std::uint32_t grave_;
};

/// A copy into a device that others may not write until it is done.
class ShareProgress final : public Progress {
 public:
  /// From what one grave holds, with another as the target's next map.
  ShareProgress(Pool& pool, Waiter& waiter, std::uint32_t device, std::uint32_t from, std::uint32_t to)
      : source(pool, from), target(pool, to), pool_(pool), waiter_(&waiter) {
    pool_.locks_.emplace_back(device, &waiter);
  }
  ~ShareProgress() override {
    if (!is_done) pool_.journal().let_go(source.number());
    std::erase_if(pool_.locks_, [&](const auto& lock) { return lock.second == waiter_; });
    pool_.blocks().wake_waiting();
  }
  ShareProgress(const ShareProgress&) = delete;
  ShareProgress& operator=(const ShareProgress&) = delete;

  Hold source;
  Hold target;
  std::uint64_t done = 0;  ///< blocks
  bool is_done = false;

 private:
  Pool& pool_;
  const Waiter* waiter_;
};

namespace {

/// Up to this many blocks are hashed or shared in one go.
constexpr std::uint64_t piece_blocks = 1024;

/// First phase of a hold on each of these trees.
Outcome prepare_holds(Pool& pool, Waiter& waiter, std::span<Tree* const> trees) {
  std::vector<std::uint64_t> roots;
  for (const Tree* tree : trees) {
    if (!tree->empty()) roots.push_back(tree->root().slot.address());
  }
  Collected collected;
  Needs needs{.blocks = Manifest::most_blocks_for(trees.size())};
  pool.blocks().references().prepare(waiter, roots, collected, needs);
  if (const Outcome outcome = pool.blocks().conclude(waiter, collected); !outcome.is_ready()) return outcome;
  return pool.blocks().provide(waiter, needs, BlockStore::Purpose::shrinking);
}

/// Second phase: from now on the tree's blocks are shared with the hold that is made of it.
void share_with_hold(Pool& pool, Tree& tree) {
  if (!tree.empty()) pool.blocks().references().add(tree.root().slot.address(), 1);
  tree.settle();
  tree.set_share_generation(pool.blocks().generation());
}

/// Lets others have their turn, and the frames of the last piece.
Outcome yield_turn(Pool& pool, Waiter& waiter) {
  pool.blocks().release_waiter(waiter);
  waiter.wake();
  return Outcome::wait();
}

class DigestProgress final : public Progress {
 public:
  std::optional<Hold> hold;  ///< none where nothing can change any more
  Sha256 digest;
  std::uint64_t done = 0;
};

void hash_blocks(Sha256& digest, Tree& tree, std::uint64_t offset, std::uint64_t count) {
  alignas(block_size) static constexpr Block zeros{};
  while (count > 0) {
    const std::size_t within = offset % block_size;
    const std::size_t size = std::min<std::uint64_t>(block_size - within, count);
    const std::byte* bytes = tree.block(offset / block_size);
    digest.add(bytes == nullptr ? zeros.data() : bytes + within, size);
    offset += size;
    count -= size;
  }
}

/// Shares `count` blocks of one tree with another, in one go.
Outcome share_piece(Pool& pool, Waiter& waiter, Tree& to, std::uint64_t to_block, Tree& from, std::uint64_t from_block,
                    std::uint64_t count) {
  BlockStore& blocks = pool.blocks();
  Collected collected;
  Needs needs;
  std::vector<std::uint64_t> counted;
  from.fetch_maps(waiter, from_block, from_block + count - 1, collected);
  to.prepare(waiter, to_block, to_block + count - 1, true, true, collected, needs, counted);
  if (const Outcome outcome = blocks.conclude(waiter, collected); !outcome.is_ready()) return outcome;
  from.settle();
  std::vector<Slot> slots;
  slots.reserve(count);
  for (std::uint64_t n = 0; n < count; ++n) {
    slots.push_back(from.slot(from_block + n));
    if (!slots.back().empty()) counted.push_back(slots.back().address());
    const Slot replaced = to.slot(to_block + n);
    if (!replaced.empty()) counted.push_back(replaced.address());
  }
  blocks.references().prepare(waiter, counted, collected, needs);
  if (const Outcome outcome = blocks.conclude(waiter, collected); !outcome.is_ready()) return outcome;
  // The blocks themselves are there already.
  needs.blocks -= count;
  needs.frames -= count;
  if (const Outcome room = blocks.provide(waiter, needs, BlockStore::Purpose::user); !room.is_ready()) return room;
  for (const Slot& slot : slots) {
    if (slot.empty() || blocks.references().get(slot.address()) < (1u << 31)) continue;
    waiter.message = "a block of the source is shared too often already";
    return Outcome::fail(Status::no_space);
  }
  for (const Slot& slot : slots) {
    if (!slot.empty()) blocks.references().add(slot.address(), 1);
  }
  for (std::uint64_t n = 0; n < count; ++n) to.put(to_block + n, slots[n]);
  from.set_share_generation(blocks.generation());
  to.set_share_generation(blocks.generation());
  blocks.begin_generation();
  return Outcome::ready();
}

}  // namespace

Outcome PoolDevice::digest(Waiter& waiter, std::uint64_t offset, std::uint64_t count, std::span<std::uint8_t, 32> out) {
  constexpr std::uint64_t piece = piece_blocks * block_size;
  Tree& data = tree(Plane::data);
  if (count <= piece) {
    if (const Outcome outcome = fetch(waiter, Plane::data, offset, count); !outcome.is_ready()) return outcome;
    Sha256 sum;
    hash_blocks(sum, data, offset, count);
    sum.finish(out);
    return Outcome::ready();
  }
  if (waiter.progress == nullptr) {
    auto begun = std::make_unique<DigestProgress>();
    if (pool_.may_change()) {
      Tree* const trees[] = {&data};
      if (const Outcome outcome = prepare_holds(pool_, waiter, trees); !outcome.is_ready()) return outcome;
      share_with_hold(pool_, data);
      begun->hold.emplace(pool_, pool_.dig({data, true}));
      pool_.blocks().begin_generation();
      mark();
    }
    waiter.progress = std::move(begun);
  }
  auto& progress = static_cast<DigestProgress&>(*waiter.progress);
  Tree& tree = progress.hold ? progress.hold->tree() : data;
  const std::uint64_t at = offset + progress.done;
  const std::uint64_t size = std::min(piece - at % block_size, count - progress.done);
  Collected collected;
  tree.fetch(waiter, at / block_size, (at + size - 1) / block_size, collected);
  if (const Outcome outcome = pool_.blocks().conclude(waiter, collected); !outcome.is_ready()) return outcome;
  hash_blocks(progress.digest, tree, at, size);
  progress.done += size;
  if (progress.done < count) {
    const std::uint64_t next = at + size;
    (void)tree.prefetch(next / block_size, next / block_size + piece_blocks - 1, 0);
    return yield_turn(pool_, waiter);
  }
  progress.digest.finish(out);
  return Outcome::ready();
}

Outcome PoolDevice::share(Waiter& waiter, std::uint64_t offset, Device& from_device, std::uint64_t from_offset,
                          std::uint64_t count) {
  if (const Outcome writable = check_writable(waiter); !writable.is_ready()) return writable;
  assert(from_device.kind() == Kind::pool);
  auto& from = static_cast<PoolDevice&>(from_device);
  if (count == 0) return Outcome::ready();
  const std::uint64_t to_block = offset / block_size;
  const std::uint64_t from_block = from_offset / block_size;
  const std::uint64_t blocks = count / block_size;
  Tree& data = tree(Plane::data);
  if (blocks <= piece_blocks) {
    pool_.journal().sharing();
    const Outcome outcome = share_piece(pool_, waiter, data, to_block, from.tree(Plane::data), from_block, blocks);
    if (!outcome.is_ready()) return outcome;
    from.mark();
    pool_.journal().copied(from, from_offset, *this, offset, count);
  } else {
    if (waiter.progress == nullptr) {
      Tree& source = from.tree(Plane::data);
      Tree* const trees[] = {&data, &source};
      if (const Outcome outcome = prepare_holds(pool_, waiter, trees); !outcome.is_ready()) return outcome;
      pool_.journal().sharing();
      share_with_hold(pool_, source);
      share_with_hold(pool_, data);
      // A generation begins with each, so there is none that the journal calls the same.
      const std::uint64_t number = pool_.blocks().generation();
      waiter.progress = std::make_unique<ShareProgress>(pool_, waiter, number_, pool_.dig({source, true, number}),
                                                        pool_.dig({data, true}));
      pool_.journal().held(from, number);
      pool_.blocks().begin_generation();
      from.mark();
    }
    return share_some(waiter, offset, from_offset, count);
  }
  length_ = std::max(length_, offset + count);
  mark();
  return Outcome::ready();
}

/// The next piece of a copy from a hold, and after the last one the effect.
Outcome PoolDevice::share_some(Waiter& waiter, std::uint64_t offset, std::uint64_t from_offset, std::uint64_t count) {
  auto& progress = static_cast<ShareProgress&>(*waiter.progress);
  const std::uint64_t blocks = count / block_size;
  const std::uint64_t size = std::min(piece_blocks, blocks - progress.done);
  Tree& data = tree(Plane::data);
  Tree& target = safeguards::pieces_are_hidden ? progress.target.tree() : data;
  const Outcome outcome = share_piece(pool_, waiter, target, offset / block_size + progress.done,
                                      progress.source.tree(), from_offset / block_size + progress.done, size);
  if (!outcome.is_ready()) return outcome;
  progress.done += size;
  progress.source.changed();
  progress.target.changed();
  if (!safeguards::pieces_are_hidden) mark();
  if (progress.done < blocks) return yield_turn(pool_, waiter);
  pool_.journal().sharing();
  if (safeguards::pieces_are_hidden) std::swap(data, progress.target.tree());
  pool_.journal().copied_held(*this, offset, progress.source.number(), from_offset, count);
  progress.is_done = true;
  length_ = std::max(length_, offset + count);
  mark();
  return Outcome::ready();
}

// ── Replay ───────────────────────────────────────────────────────────────────────────────────────────────────────

std::optional<std::uint32_t> Pool::find_hold(std::uint64_t hold) const {
  const auto found =
      std::ranges::find_if(graves_, [hold](const auto& grave) { return hold != 0 && grave.second.hold == hold; });
  if (found == graves_.end()) return std::nullopt;
  return found->first;
}

void Pool::release_hold(std::uint32_t number) {
  Grave& grave = graves_.at(number);
  if (grave.hold != 0) manifest_.mark(number);
  grave.held = false;
  grave.hold = 0;
}

void Pool::let_go(std::uint64_t hold) {
  if (const auto grave = find_hold(hold)) release_hold(*grave);
}

void Pool::release_holds() {
  for (const auto& [number, grave] : graves_) {
    if (grave.hold != 0) release_hold(number);
  }
}

Outcome PoolDevice::hold(Waiter& waiter, std::uint64_t number) {
  if (number == 0 || pool_.find_hold(number)) {
    waiter.message = "a copy is under way under this number";
    return Outcome::fail(Status::illegal_instruction);
  }
  Tree& data = tree(Plane::data);
  Tree* const trees[] = {&data};
  if (const Outcome outcome = prepare_holds(pool_, waiter, trees); !outcome.is_ready()) return outcome;
  share_with_hold(pool_, data);
  pool_.dig({data, true, number});
  pool_.blocks().begin_generation();
  mark();
  return Outcome::ready();
}

Outcome PoolDevice::share_held(Waiter& waiter, std::uint64_t offset, std::uint64_t number, std::uint64_t from_offset,
                               std::uint64_t count) {
  if (waiter.progress == nullptr) {
    const auto source = pool_.find_hold(number);
    if (!source) {
      waiter.message = "nothing is held under this number";
      return Outcome::fail(Status::not_found);
    }
    Tree& data = tree(Plane::data);
    Tree* const trees[] = {&data};
    if (const Outcome outcome = prepare_holds(pool_, waiter, trees); !outcome.is_ready()) return outcome;
    share_with_hold(pool_, data);
    waiter.progress = std::make_unique<ShareProgress>(pool_, waiter, number_, *source, pool_.dig({data, true}));
    pool_.blocks().begin_generation();
    mark();
  }
  return share_some(waiter, offset, from_offset, count);
}

}  // namespace chimera::devices
