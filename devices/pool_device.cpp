#include "devices/pool_device.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <utility>

#include "devices/pool.h"
#include "devices/reference_counts.h"

namespace chimera::devices {
namespace {

alignas(block_size) constexpr Block zero_block{};

const std::byte* zeros() { return zero_block.data(); }

/// One past the last byte does not fit into 64 bits for the metadata's very end, so ranges are kept as blocks.
struct Blocks {
  std::uint64_t first, last;
  bool first_whole, last_whole;

  Blocks(std::uint64_t offset, std::uint64_t count)
      : first(offset / block_size),
        last((offset + (count - 1)) / block_size),
        first_whole(offset % block_size == 0 && (first != last || (offset + count) % block_size == 0)),
        last_whole((offset + count) % block_size == 0 && (first != last || offset % block_size == 0)) {}
};

}  // namespace

PoolDevice::PoolDevice(Pool& pool, const Uuid& uuid, std::string name)
    : Device(Kind::pool, uuid, std::move(name)),
      pool_(pool),
      trees_{Tree(pool.blocks(), {}, 0), Tree(pool.blocks(), {}, 0), Tree(pool.blocks(), {}, 0)} {}

PoolDevice::PoolDevice(Pool& pool, std::uint32_t number, const DeviceRecord& record)
    : PoolDevice(pool, record.uuid, std::string(record.name.data(), record.name_length)) {
  number_ = number;
  family_ = record.family;
  length_ = record.length;
  columns_length_ = record.columns_length;
  fixed_length_ = (record.flags & DeviceRecord::fixed_length) != 0;
  read_only_ = (record.flags & DeviceRecord::read_only) != 0;
  internal_ = (record.flags & DeviceRecord::internal) != 0;
  if ((record.flags & DeviceRecord::file) != 0) path_.assign(record.path.data(), record.path_length);
  if (record.cut != 0) cut_ = record.cut - 1;
  for (std::size_t plane = 0; plane < trees_.size(); ++plane) {
    trees_[plane] = Tree(pool.blocks(), {record.roots[plane], record.heights[plane]}, record.share_generation);
  }
}

void PoolDevice::fill(DeviceRecord& record) const {
  record.uuid = uuid_;
  record.family = family_;
  record.length = length_;
  record.columns_length = columns_length_;
  record.flags = DeviceRecord::in_use;
  if (fixed_length_) record.flags |= DeviceRecord::fixed_length;
  if (read_only_) record.flags |= DeviceRecord::read_only;
  if (internal_) record.flags |= DeviceRecord::internal;
  if (!path_.empty()) record.flags |= DeviceRecord::file;
  record.path_length = static_cast<std::uint8_t>(path_.size());
  std::copy(path_.begin(), path_.end(), record.path.begin());
  record.cut = cut_ ? *cut_ + 1 : 0;
  record.name_length = static_cast<std::uint8_t>(name_.size());
  std::copy(name_.begin(), name_.end(), record.name.begin());
  for (std::size_t plane = 0; plane < trees_.size(); ++plane) {
    record.roots[plane] = trees_[plane].root().slot;
    record.heights[plane] = trees_[plane].root().height;
    record.share_generation = std::max(record.share_generation, trees_[plane].share_generation());
  }
}

PoolDevice::~PoolDevice() {
  for (const std::uint32_t hold : holds_) pool_.graves_.at(hold).held = false;
  pool_.hidden_holds_ -= holds_.size();
}

void PoolDevice::take_content(const PoolDevice& other) {
  trees_ = other.trees_;
  length_ = other.length_;
  columns_length_ = other.columns_length_;
  fixed_length_ = other.fixed_length_;
}

void PoolDevice::mark() { pool_.mark(*this); }

Outcome PoolDevice::check_writable(Waiter& waiter) {
  if (const Outcome admitted = pool_.admit(waiter); !admitted.is_ready()) return admitted;
  for (const auto& [number, owner] : pool_.locks_) {
    if (number != number_ || owner == &waiter) continue;
    pool_.blocks().wait_for_event(waiter);
    return Outcome::wait();
  }
  return Outcome::ready();
}

Outcome PoolDevice::fetch(Waiter& waiter, Plane plane, std::uint64_t offset, std::uint64_t count) {
  if (count == 0) return Outcome::ready();
  const Blocks range(offset, count);
  Collected collected;
  tree(plane).fetch(waiter, range.first, range.last, collected);
  return pool_.blocks().conclude(waiter, collected);
}

Outcome PoolDevice::prepare(Waiter& waiter, Plane plane, std::uint64_t offset, std::uint64_t count) {
  if (const Outcome writable = check_writable(waiter); !writable.is_ready()) return writable;
  if (count == 0) return Outcome::ready();
  const Blocks range(offset, count);
  Collected collected;
  Needs needs;
  std::vector<std::uint64_t> counted;
  tree(plane).prepare(waiter, range.first, range.last, range.first_whole, range.last_whole, collected, needs, counted);
  pool_.blocks().references().prepare(waiter, counted, collected, needs);
  if (const Outcome outcome = pool_.blocks().conclude(waiter, collected); !outcome.is_ready()) return outcome;
  return pool_.blocks().provide(waiter, needs, BlockStore::Purpose::user);
}

bool PoolDevice::prefetch(Plane plane, std::uint64_t offset, std::uint64_t count, Depth depth) {
  if (count == 0) return true;
  const Blocks range(offset, count);
  return tree(plane).prefetch(range.first, range.last, depth == Depth::maps ? 1 : 0);
}

/// Calls visit(block index, place in the block, place in the range, bytes) for each block that a range touches.
template <typename Visit>
void PoolDevice::each_block(std::uint64_t offset, std::uint64_t count, Visit&& visit) {
  for (std::uint64_t done = 0; done < count;) {
    const std::size_t within = (offset + done) % block_size;
    const std::size_t size = std::min<std::uint64_t>(block_size - within, count - done);
    visit((offset + done) / block_size, within, done, size);
    done += size;
  }
}

void PoolDevice::read(Plane plane, std::uint64_t offset, std::span<std::uint8_t> out) {
  Tree& blocks = tree(plane);
  each_block(offset, out.size(), [&](std::uint64_t block, std::size_t within, std::size_t done, std::size_t size) {
    const std::byte* bytes = blocks.block(block);
    if (bytes == nullptr) {
      std::memset(&out[done], 0, size);
    } else {
      std::memcpy(&out[done], bytes + within, size);
    }
  });
}

const std::uint8_t* PoolDevice::peek(std::uint64_t block) const noexcept {
  // Looking a block up leaves hints behind, which nobody can see.
  auto& data = const_cast<Tree&>(trees_[static_cast<std::size_t>(Plane::data)]);
  return reinterpret_cast<const std::uint8_t*>(data.peek(block, zeros()));
}

Device::Place PoolDevice::locate(std::uint64_t block) const noexcept {
  auto& data = const_cast<Tree&>(trees_[static_cast<std::size_t>(Plane::data)]);
  return data.locate(block);
}

void PoolDevice::approach(const Place& place) const noexcept {
  trees_[static_cast<std::size_t>(Plane::data)].approach(place);
}

bool PoolDevice::equal(Plane plane, std::uint64_t offset, std::span<const std::uint8_t> expected) {
  Tree& blocks = tree(plane);
  bool same = true;
  each_block(offset, expected.size(), [&](std::uint64_t block, std::size_t within, std::size_t done, std::size_t size) {
    if (!same) return;
    const std::byte* bytes = blocks.block(block);
    same = std::memcmp(bytes == nullptr ? zeros() : bytes + within, &expected[done], size) == 0;
  });
  return same;
}

void PoolDevice::write(Plane plane, std::uint64_t offset, std::span<const std::uint8_t> bytes) {
  Tree& blocks = tree(plane);
  for (std::size_t done = 0; done < bytes.size();) {
    const std::uint64_t block = (offset + done) / block_size;
    const std::size_t within = (offset + done) % block_size;
    const std::size_t left = bytes.size() - done;
    if (within == 0 && left >= block_size) {
      blocks.write(block, left / block_size, &bytes[done]);
      done += left / block_size * block_size;
    } else {
      const std::size_t size = std::min<std::size_t>(block_size - within, left);
      std::memcpy(blocks.writable(block, false) + within, &bytes[done], size);
      done += size;
    }
  }
  const bool grows = plane == Plane::data && offset + bytes.size() > length_;
  if (grows) length_ = offset + bytes.size();
  mark();
  if (!internal_) pool_.journal().wrote(*this, plane, offset, bytes, grows);
}

/// Some of the entries, in one step.
Outcome PoolDevice::place_piece(Waiter& waiter, Tree& blocks, std::span<const JournalEntry> entries) {
  Collected collected;
  Needs needs;
  std::vector<std::uint64_t> counted;
  for (const JournalEntry& entry : entries) {
    blocks.prepare(waiter, entry.index, entry.index, true, true, collected, needs, counted);
  }
  if (const Outcome outcome = pool_.blocks().conclude(waiter, collected); !outcome.is_ready()) return outcome;
  for (const JournalEntry& entry : entries) {
    if (const Slot replaced = blocks.slot(entry.index); !replaced.empty()) counted.push_back(replaced.address());
  }
  pool_.blocks().references().prepare(waiter, counted, collected, needs);
  if (const Outcome outcome = pool_.blocks().conclude(waiter, collected); !outcome.is_ready()) return outcome;
  // The blocks themselves are there already.
  needs.blocks -= entries.size();
  needs.frames -= entries.size();
  const Outcome room = pool_.blocks().provide(waiter, needs, BlockStore::Purpose::user);
  if (!room.is_ready()) return room;
  for (const JournalEntry& entry : entries) {
    if (blocks.slot(entry.index) != entry.slot) blocks.put(entry.index, entry.slot);
  }
  return Outcome::ready();
}

Outcome PoolDevice::place(Waiter& waiter, Plane plane, std::span<const JournalEntry> entries) {
  std::size_t piece = 64;
  bool damaged = false;  // somewhere in the map: the other entries find their places
  while (!entries.empty()) {
    const std::size_t size = std::min(piece, entries.size());
    const Outcome placed = place_piece(waiter, tree(plane), entries.first(size));
    // Each is prepared as if it were alone, so many at a time seem to need more room than they do.
    const bool try_alone = placed.status() == Status::no_space || placed.status() == Status::corrupt;
    if (try_alone && std::exchange(piece, 1) > 1) continue;
    damaged = damaged || placed.status() == Status::corrupt;
    if (!placed.is_ready() && placed.status() != Status::corrupt) return placed;
    entries = entries.subspan(size);
  }
  mark();
  return damaged ? Outcome::fail(Status::corrupt) : Outcome::ready();
}

void PoolDevice::set_lengths(std::uint64_t length, std::uint64_t columns_length) {
  length_ = length;
  columns_length_ = columns_length;
  mark();
}

void PoolDevice::set_cut(std::optional<std::uint64_t> length) {
  cut_ = length;
  mark();
  pool_.journal().cut_file(*this);
}

void PoolDevice::set_columns_length(std::uint64_t length) {
  columns_length_ = length;
  mark();
  pool_.journal().set_columns_length(*this);
}

/// Empties [offset, end) of a tree, and sets the length if it is the data's, once everything for it is at hand.
Outcome PoolDevice::clear_range(Waiter& waiter, Tree& blocks, std::uint64_t offset, std::uint64_t count,
                                std::uint64_t new_length) {
  if (const Outcome writable = check_writable(waiter); !writable.is_ready()) return writable;
  BlockStore& store = pool_.blocks();
  if (const Outcome room = pool_.wait_for_graves(waiter); !room.is_ready()) return room;
  const Blocks range(offset, count);
  Collected collected;
  Needs needs;
  std::vector<std::uint64_t> counted;
  // Blocks at the edges that keep some bytes are written, unless they are holes.
  std::vector<std::uint64_t> edges;
  if (!range.first_whole) edges.push_back(range.first);
  if (!range.last_whole && range.last != range.first) edges.push_back(range.last);
  for (const std::uint64_t edge : edges) blocks.fetch_maps(waiter, edge, edge, collected);
  if (const Outcome outcome = store.conclude(waiter, collected); !outcome.is_ready()) return outcome;
  std::erase_if(edges, [&](std::uint64_t edge) { return blocks.slot(edge).empty(); });
  for (const std::uint64_t edge : edges) {
    blocks.prepare(waiter, edge, edge, false, false, collected, needs, counted);
  }
  const std::uint64_t first = range.first + (range.first_whole ? 0 : 1);
  const std::uint64_t past = range.last + (range.last_whole ? 1 : 0);
  if (first < past) blocks.prepare_clear(waiter, first, past - 1, collected, needs, counted);
  store.references().prepare(waiter, counted, collected, needs);
  if (const Outcome outcome = store.conclude(waiter, collected); !outcome.is_ready()) return outcome;
  const Outcome room = store.provide(waiter, needs, BlockStore::Purpose::shrinking);
  if (!room.is_ready() || waiter.stage == Waiter::Stage::rehearsing) return room;

  for (const std::uint64_t edge : edges) {
    const std::size_t from = edge == range.first ? offset % block_size : 0;
    const std::size_t to = edge == range.last && !range.last_whole ? (offset + count - 1) % block_size + 1 : block_size;
    std::memset(blocks.writable(edge, false) + from, 0, to - from);
  }
  if (first < past) {
    Tree grave(store, {}, 0);
    blocks.clear(first, past - 1, grave);
    if (!grave.empty()) pool_.bury(grave);
  }
  length_ = new_length;
  mark();
  return Outcome::ready();
}

Outcome PoolDevice::clear(Waiter& waiter, Plane plane, std::uint64_t offset, std::uint64_t count) {
  if (count == 0) return Outcome::ready();
  const Outcome cleared = clear_range(waiter, tree(plane), offset, count, length_);
  if (cleared.is_ready() && waiter.stage != Waiter::Stage::rehearsing)
    pool_.journal().cleared(*this, plane, offset, count);
  return cleared;
}

Outcome PoolDevice::set_length(Waiter& waiter, std::uint64_t length) {
  if (length < length_) {
    // To the end of the last block: nothing lies behind the length.
    const std::uint64_t end = (length_ + block_size - 1) / block_size * block_size;
    const Outcome cleared = clear_range(waiter, tree(Plane::data), length, end - length, length);
    if (cleared.is_ready() && waiter.stage != Waiter::Stage::rehearsing) pool_.journal().set_length(*this);
    return cleared;
  }
  const Outcome writable = check_writable(waiter);
  if (!writable.is_ready() || waiter.stage == Waiter::Stage::rehearsing) return writable;
  length_ = length;
  mark();
  pool_.journal().set_length(*this);
  return Outcome::ready();
}

void PoolDevice::adopt_extents(const std::vector<Tree::Piece>& pieces, std::uint32_t flags, std::uint64_t offset,
                               std::uint64_t count, std::vector<Extent>& out) {
  std::uint64_t skipped = offset % block_size;
  std::uint64_t left = count;
  for (const Tree::Piece& piece : pieces) {
    // The last piece of the metadata's whole range is the one that 64 bits do not hold.
    const std::uint64_t most = ~std::uint64_t{0} / block_size;
    const std::uint64_t bytes = piece.blocks > most ? left : piece.blocks * block_size - skipped;
    const std::uint64_t length = std::min(left, bytes);
    if (length == 0) break;
    out.push_back({length, piece.flag ? flags : 0});
    left -= length;
    skipped = 0;
  }
}

Outcome PoolDevice::extents(Waiter& waiter, Plane plane, std::uint64_t offset, std::uint64_t count,
                            std::vector<Extent>& out) {
  if (count == 0) return Outcome::ready();
  const Blocks range(offset, count);
  Collected collected;
  std::vector<Tree::Piece> pieces;
  tree(plane).runs(waiter, range.first, range.last, limits::most_extents, pieces, collected);
  if (const Outcome outcome = pool_.blocks().conclude(waiter, collected); !outcome.is_ready()) return outcome;
  adopt_extents(pieces, Extent::hole | Extent::zeros, offset, count, out);
  return Outcome::ready();
}

Outcome PoolDevice::differences(Waiter& waiter, Device& other, std::uint64_t offset, std::uint64_t count,
                                std::vector<Extent>& out) {
  assert(other.kind() == Kind::pool);
  if (count == 0) return Outcome::ready();
  const Blocks range(offset, count);
  Collected collected;
  std::vector<Tree::Piece> pieces;
  tree(Plane::data)
      .differences(waiter, static_cast<PoolDevice&>(other).tree(Plane::data), range.first, range.last,
                   limits::most_extents, pieces, collected);
  if (const Outcome outcome = pool_.blocks().conclude(waiter, collected); !outcome.is_ready()) return outcome;
  adopt_extents(pieces, Extent::differ, offset, count, out);
  return Outcome::ready();
}

}  // namespace chimera::devices
