#include "devices/memory_device.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include <fmt/format.h>

#include "devices/extents.h"
#include "devices/layout.h"
#include "devices/sha256.h"

namespace chimera::devices {
namespace {

alignas(64) constexpr std::uint8_t zeros[block_size] = {};

/// Calls `part(block, offset in it, size)` for each block that a range touches. The range may end at 2^64.
template <typename Part>
void each_block(std::uint64_t offset, std::uint64_t count, Part part) {
  while (count > 0) {
    const std::uint64_t in_block = offset % block_size;
    const std::uint64_t size = std::min(block_size - in_block, count);
    part(offset / block_size, in_block, static_cast<std::size_t>(size));
    offset += size;
    count -= size;
  }
}

/// The blocks that a range of bytes touches; the range is not empty and may end at 2^64.
struct BlockRange {
  std::uint64_t first, count;
};
BlockRange blocks_of(std::uint64_t offset, std::uint64_t count) {
  assert(count > 0);
  const std::uint64_t first = offset / block_size;
  return {first, (offset + (count - 1)) / block_size - first + 1};
}

/// Turns runs of blocks into the extents of a range of bytes.
class ExtentCollector {
 public:
  ExtentCollector(std::uint64_t offset, std::uint64_t count, std::vector<Extent>& out)
      : offset_(offset), last_(offset + (count - 1)), out_(out) {}

  /// False when no more fit.
  bool add(std::uint64_t first_block, std::uint64_t count, std::uint32_t flags) {
    const std::uint64_t from = std::max(offset_, first_block * block_size);
    const std::uint64_t to = std::min(last_, (first_block + (count - 1)) * block_size + (block_size - 1));
    return add_extent(out_, to - from + 1, flags);
  }

 private:
  std::uint64_t offset_, last_;
  std::vector<Extent>& out_;
};

/// A digest on its way: the content as it was when it began, and how far it has come.
class DigestProgress final : public Progress {
 public:
  explicit DigestProgress(const MemoryTree& content) : content_(content) {}

  /// Digests at most `most` bytes more of the range; true when all of it is in.
  bool advance(std::uint64_t offset, std::uint64_t count, std::uint64_t most) {
    const std::uint64_t size = std::min(count - done_, most);
    each_block(offset + done_, size, [this](std::uint64_t block, std::uint64_t in_block, std::size_t part) {
      const std::uint8_t* const bytes = content_.find(block);
      digest_.add((bytes != nullptr ? bytes : zeros) + in_block, part);
    });
    done_ += size;
    return done_ == count;
  }
  void finish(std::span<std::uint8_t, 32> out) { digest_.finish(out); }

 private:
  MemoryTree content_;
  Sha256 digest_;
  std::uint64_t done_ = 0;
};

}  // namespace

MemoryDevice::MemoryDevice(const Uuid& uuid, std::string name, MemoryBudget& budget)
    : Device(Kind::memory, uuid, std::move(name)),
      budget_(&budget),
      trees_{MemoryTree(budget), MemoryTree(budget), MemoryTree(budget)} {
  family_ = uuid;
}

Outcome MemoryDevice::fetch(Waiter&, Plane, std::uint64_t, std::uint64_t) { return Outcome::ready(); }

Outcome MemoryDevice::have_room(Waiter& waiter, std::uint64_t own) const {
  if (waiter.stage == Waiter::Stage::performing) return Outcome::ready();
  const bool rehearsing = waiter.stage == Waiter::Stage::rehearsing;
  const std::uint64_t bytes = rehearsing ? waiter.rehearsed.memory_bytes += own : own;
  if (bytes <= budget_->most_bytes && budget_->used_bytes <= budget_->most_bytes - bytes) return Outcome::ready();
  waiter.message = fmt::format("devices in memory may hold {} bytes and hold {}; \"{}\" needs up to {} more",
                               budget_->most_bytes, budget_->used_bytes, name_, bytes);
  return Outcome::fail(Status::no_space);
}

Outcome MemoryDevice::prepare(Waiter& waiter, Plane plane, std::uint64_t offset, std::uint64_t count) {
  if (count == 0) return Outcome::ready();
  const BlockRange blocks = blocks_of(offset, count);
  if (waiter.stage == Waiter::Stage::single && MemoryTree::most_bytes_to_own(blocks.count) <= budget_->most_bytes &&
      budget_->used_bytes <= budget_->most_bytes - MemoryTree::most_bytes_to_own(blocks.count)) {
    return Outcome::ready();
  }
  const std::uint64_t needed = tree(plane).bytes_to_own(blocks.first, blocks.count);
  return needed == 0 ? Outcome::ready() : have_room(waiter, needed);
}

void MemoryDevice::read(Plane plane, std::uint64_t offset, std::span<std::uint8_t> out) {
  const MemoryTree& from = tree(plane);
  std::uint8_t* to = out.data();
  each_block(offset, out.size(), [&](std::uint64_t block, std::uint64_t in_block, std::size_t size) {
    const std::uint8_t* const bytes = from.find(block);
    if (bytes != nullptr) {
      std::memcpy(to, bytes + in_block, size);
    } else {
      std::memset(to, 0, size);
    }
    to += size;
  });
}

bool MemoryDevice::equal(Plane plane, std::uint64_t offset, std::span<const std::uint8_t> bytes) {
  const MemoryTree& mine = tree(plane);
  const std::uint8_t* theirs = bytes.data();
  bool same = true;
  each_block(offset, bytes.size(), [&](std::uint64_t block, std::uint64_t in_block, std::size_t size) {
    const std::uint8_t* const found = mine.find(block);
    same = same && std::memcmp((found != nullptr ? found : zeros) + in_block, theirs, size) == 0;
    theirs += size;
  });
  return same;
}

void MemoryDevice::write(Plane plane, std::uint64_t offset, std::span<const std::uint8_t> bytes) {
  MemoryTree& to = tree(plane);
  const std::uint8_t* from = bytes.data();
  each_block(offset, bytes.size(), [&](std::uint64_t block, std::uint64_t in_block, std::size_t size) {
    const auto content = size == block_size ? MemoryTree::Content::overwrite : MemoryTree::Content::keep;
    std::memcpy(to.own(block, content) + in_block, from, size);
    from += size;
  });
  if (plane == Plane::data) length_ = std::max(length_, offset + bytes.size());
}

void MemoryDevice::set_columns_length(std::uint64_t length) {
  const std::uint64_t kept = (length + block_size - 1) / block_size;
  tree(Plane::columns).clear(kept, MemoryTree::block_limit - kept);
  columns_length_ = length;
}

const std::uint8_t* MemoryDevice::peek(std::uint64_t block) const noexcept {
  const std::uint8_t* const bytes = tree(Plane::data).find(block);
  return bytes != nullptr ? bytes : zeros;
}

void MemoryDevice::zero_in_block(Plane plane, std::uint64_t offset, std::uint64_t count) {
  const std::uint64_t block = offset / block_size;
  if (count == 0 || tree(plane).find(block) == nullptr) return;
  std::memset(tree(plane).own(block, MemoryTree::Content::keep) + offset % block_size, 0, count);
}

Outcome MemoryDevice::clear(Waiter& waiter, Plane plane, std::uint64_t offset, std::uint64_t count) {
  if (count == 0) return Outcome::ready();
  std::uint64_t last = offset + (count - 1);
  // Behind the length all is zeros, so a range that reaches it may take the whole last block with it.
  if (plane == Plane::data) {
    if (offset >= length_) return Outcome::ready();
    if (last >= length_ - 1) last = (length_ - 1) | (block_size - 1);
  }
  const std::uint64_t head = std::min((block_size - offset % block_size) % block_size, last - offset + 1);
  const std::uint64_t tail = last - offset + 1 > head ? (last + 1) % block_size : 0;
  std::uint64_t needed = 0;
  if (head > 0) needed += tree(plane).bytes_to_own(offset / block_size, 1);
  if (tail > 0) needed += tree(plane).bytes_to_own(last / block_size, 1);
  if (needed > 0) {
    const Outcome room = have_room(waiter, needed);
    if (!room.is_ready()) return room;
  }
  if (waiter.stage == Waiter::Stage::rehearsing) return Outcome::ready();
  zero_in_block(plane, offset, head);
  if (tail > 0) zero_in_block(plane, last - (tail - 1), tail);
  const std::uint64_t first_whole = offset / block_size + (offset % block_size != 0 ? 1 : 0);
  const std::uint64_t end_whole = last / block_size + ((last + 1) % block_size == 0 ? 1 : 0);
  if (first_whole < end_whole) tree(plane).clear(first_whole, end_whole - first_whole);
  return Outcome::ready();
}

Outcome MemoryDevice::set_length(Waiter& waiter, std::uint64_t length) {
  if (length < length_) {
    const Outcome cleared = clear(waiter, Plane::data, length, length_ - length);
    if (!cleared.is_ready()) return cleared;
  }
  if (waiter.stage == Waiter::Stage::rehearsing) return Outcome::ready();
  length_ = length;
  return Outcome::ready();
}

Outcome MemoryDevice::extents(Waiter&, Plane plane, std::uint64_t offset, std::uint64_t count,
                              std::vector<Extent>& out) {
  if (count == 0) return Outcome::ready();
  ExtentCollector collector(offset, count, out);
  const BlockRange blocks = blocks_of(offset, count);
  tree(plane).visit(blocks.first, blocks.count, [&](std::uint64_t first, std::uint64_t run, bool holds) {
    return collector.add(first, run, holds ? 0 : Extent::hole | Extent::zeros);
  });
  return Outcome::ready();
}

Outcome MemoryDevice::differences(Waiter&, Device& other, std::uint64_t offset, std::uint64_t count,
                                  std::vector<Extent>& out) {
  assert(other.kind() == Kind::memory);
  if (count == 0) return Outcome::ready();
  ExtentCollector collector(offset, count, out);
  const BlockRange blocks = blocks_of(offset, count);
  tree(Plane::data)
      .visit_differences(static_cast<MemoryDevice&>(other).tree(Plane::data), blocks.first, blocks.count,
                         [&](std::uint64_t first, std::uint64_t run, bool differ) {
                           return collector.add(first, run, differ ? Extent::differ : 0);
                         });
  return Outcome::ready();
}

Outcome MemoryDevice::share(Waiter& waiter, std::uint64_t offset, Device& from, std::uint64_t from_offset,
                            std::uint64_t count) {
  assert(from.kind() == Kind::memory);
  assert((offset | from_offset | count) % block_size == 0);
  const MemoryTree& source = static_cast<MemoryDevice&>(from).tree(Plane::data);
  const Outcome room = have_room(waiter, source.bytes_to_share(from_offset / block_size, count / block_size));
  if (!room.is_ready()) return room;
  tree(Plane::data).share(offset / block_size, source, from_offset / block_size, count / block_size);
  if (count > 0) length_ = std::max(length_, offset + count);
  return Outcome::ready();
}

Outcome MemoryDevice::digest(Waiter& waiter, std::uint64_t offset, std::uint64_t count,
                             std::span<std::uint8_t, 32> out) {
  constexpr std::uint64_t piece = 8ull << 20;  // a few milliseconds, then others get their turn
  if (waiter.progress == nullptr) waiter.progress = std::make_unique<DigestProgress>(tree(Plane::data));
  auto& progress = static_cast<DigestProgress&>(*waiter.progress);
  if (!progress.advance(offset, count, piece)) {
    waiter.wake();
    return Outcome::wait();
  }
  progress.finish(out);
  return Outcome::ready();
}

void MemoryDevice::adopt(const MemoryDevice& content) {
  trees_ = content.trees_;
  length_ = content.length_;
  columns_length_ = content.columns_length_;
  fixed_length_ = content.fixed_length_;
  family_ = content.family_;
}

}  // namespace chimera::devices
