// Which free blocks are given back to the store's host.

#include <algorithm>
#include <bit>
#include <cassert>
#include <utility>

#include "devices/safeguards.h"
#include "devices/space_group.h"
#include "devices/space_map.h"

namespace chimera::devices {
namespace {

constexpr std::uint32_t chunk_blocks = FreedChunks::chunk_blocks;
static_assert(group_blocks % chunk_blocks == 0);
/// Chunks that are looked at before others have their turn.
constexpr unsigned chunks_a_turn = 256;
/// Behind every block that there may be.
constexpr std::uint64_t behind_all = ~std::uint64_t{0};

}  // namespace

void SpaceMap::note_freed() {
  notes_freed_ = true;
  freed_.resize(block_count_);
}

void SpaceMap::note_all_free() {
  for (std::uint64_t block = 0; block < block_count_; block += chunk_blocks) freed_.note(block);
}

bool SpaceMap::any_discardable() const { return notes_freed_ && (discarding_.count != 0 || freed_.next(0)); }

/// The open blocks from `first` on, within its group and ripe chunks, at most so many.
std::uint64_t SpaceMap::open_run(const Group& group, std::uint64_t first, std::uint64_t most) const {
  const std::uint64_t end = std::min({first + most, (first / group_blocks + 1) * group_blocks, block_count_});
  std::uint64_t next = first;
  while (next < end && (next % chunk_blocks != 0 || freed_.is_ripe(next / chunk_blocks))) {
    const std::uint32_t bit = bit_of(next);
    const std::uint64_t held = safeguards::discards_wait_for_publication ? group.held[bit / 64] : 0;
    const std::uint64_t closed = (group.used[bit / 64] | held) >> bit % 64;
    next += closed != 0 ? static_cast<unsigned>(std::countr_zero(closed)) : 64 - bit % 64;
    if (closed != 0) break;
  }
  return std::min(next, end) - first;
}

/// Goes on behind these blocks; chunks that are behind them now are done with.
void SpaceMap::pass_discardable(std::uint64_t next) {
  for (std::uint64_t chunk = next_discard_ / chunk_blocks; chunk < next / chunk_blocks; ++chunk) freed_.forget(chunk);
  next_discard_ = next;
}

/// A run in this ripe chunk, from next_discard_ on; count 0 if there is none.
SpaceMap::Run SpaceMap::find_discardable(const Group& group, std::uint64_t chunk, const DiscardLimits& limits) {
  const std::uint64_t end = std::min((chunk + 1) * chunk_blocks, block_count_);
  if (limits.whole_chunks) {
    std::uint64_t run = open_run(group, next_discard_, limits.most);
    run -= (next_discard_ + run) % chunk_blocks;
    if (next_discard_ % chunk_blocks == 0 && run >= chunk_blocks) return {next_discard_, run};
    next_discard_ = (chunk + 1) * chunk_blocks;  // the chunk keeps its note
    return {};
  }
  while (next_discard_ < end) {
    const std::uint64_t run = open_run(group, next_discard_, limits.most);
    if (run >= limits.least) return {next_discard_, run};
    pass_discardable(next_discard_ + run + 1);
  }
  return {};
}

std::optional<SpaceMap::Run> SpaceMap::take_discardable(const DiscardLimits& limits, bool& more) {
  assert(discarding_.count == 0);
  more = false;
  if (!notes_freed_ || nothing_ripe_ || limits.most < limits.least) return std::nullopt;
  for (unsigned n = 0; n < chunks_a_turn; ++n) {
    auto chunk = freed_.next(next_discard_ / chunk_blocks);
    if (!chunk && !limits.whole_chunks) chunk = freed_.next(next_discard_ = 0);
    if (!chunk) {
      next_discard_ = behind_all;
      nothing_ripe_ = !limits.whole_chunks;
      return std::nullopt;
    }
    next_discard_ = std::max(next_discard_, *chunk * chunk_blocks);
    const std::uint32_t number = group_of(next_discard_);
    Group* const group = number < group_count() ? loaded(number) : nullptr;
    if (group == nullptr) {
      if (number < group_count() && !limits.whole_chunks && !failed_.contains(number)) {
        load(number);
        return std::nullopt;
      }
      if (limits.whole_chunks) {
        next_discard_ = (*chunk + 1) * chunk_blocks;
      } else {
        pass_discardable((*chunk + 1) * chunk_blocks);
      }
      continue;
    }
    const Run run = find_discardable(*group, *chunk, limits);
    if (run.count == 0) continue;
    pass_discardable(run.first + run.count);
    discarding_ = run;
    hold_discarded(*group);
    return run;
  }
  more = true;
  return std::nullopt;
}

/// Nobody gets the blocks that are being discarded, or the discard might come behind what they write.
void SpaceMap::hold_discarded(Group& group) {
  if (!safeguards::discarded_blocks_are_held) return;
  for (std::uint64_t address = discarding_.first; address < discarding_.first + discarding_.count; ++address) {
    set(group.held, bit_of(address));
  }
  group.held_count += static_cast<std::uint32_t>(discarding_.count);
  held_ += discarding_.count;
  if (!group.reserved) return;
  reserved_blocks_ -= discarding_.count;
  const std::uint32_t number = group_of(discarding_.first);
  if (available_in(number) > 0) return;
  group.reserved = false;
  std::erase(reserved_, number);
}

std::uint64_t SpaceMap::discarding_count() const {
  return safeguards::discarded_blocks_are_held ? discarding_.count : 0;
}

void SpaceMap::discarded() {
  const Run run = std::exchange(discarding_, {});
  if (!safeguards::discarded_blocks_are_held) return;
  Group& group = *groups_.at(group_of(run.first));
  for (std::uint64_t address = run.first; address < run.first + run.count; ++address)
    reset(group.held, bit_of(address));
  group.held_count -= static_cast<std::uint32_t>(run.count);
  held_ -= run.count;
  if (group.reserved) reserved_blocks_ += run.count;
  unload_surplus();
}

}  // namespace chimera::devices
