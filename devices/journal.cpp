#include "devices/journal.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include "devices/pool_device.h"
#include "devices/safeguards.h"
#include "isa/bytes.h"
#include "isa/limits.h"

namespace chimera::devices {
namespace {

/// A window of so many bytes or blocks is sealed although nobody waits, so that whoever will has little to wait for.
constexpr std::size_t large_window_bytes = 256 << 10;
constexpr std::size_t large_window_blocks = 1024;
/// Where flushes come after fewer blocks, a part of what they have covered lately is enough, down to so many.
constexpr std::size_t windows_in_flush = 4;
constexpr std::size_t least_window_blocks = 16;
/// Copies of so many blocks, and a checkpoint begins: a record of a few bytes says what takes a replay a while.
constexpr std::uint64_t most_copied_blocks = 1u << 18;
/// So few blocks, in so few bytes of a window, stand in the record that somebody waits for.
constexpr std::size_t most_blocks_inside = 4;
constexpr std::size_t most_bytes_inside = 64 << 10;
static_assert(sizeof(Uuid) == 16);

template <typename Value>
void put(std::vector<std::uint8_t>& bytes, const Value& value) {
  const auto* const begin = reinterpret_cast<const std::uint8_t*>(&value);
  bytes.insert(bytes.end(), begin, begin + sizeof value);
}

}  // namespace

Journal::Journal(io::Disk& disk, BlockCache& cache, const Devices& devices)
    : writer_(disk, cache), cache_(cache), devices_(devices), enough_blocks_(large_window_blocks) {}

void Journal::open(std::uint64_t first_block, std::uint64_t block_count, const JournalPosition& next) {
  writer_.open(first_block, block_count, next);
  state_ = writer_.exists() ? State::broken : State::off;
}

// ── Effects ──────────────────────────────────────────────────────────────────────────────────────────────────────

/// Whether it is recorded; what is, counts for the forecast.
bool Journal::begins_effect() {
  if (records()) forecast_.recorded();
  return records();
}

void Journal::wrote(const PoolDevice& device, Plane plane, std::uint64_t offset, std::span<const std::uint8_t> bytes,
                    bool has_grown) {
  if (bytes.empty() || !begins_effect()) return;
  const std::size_t head = std::min<std::size_t>(bytes.size(), (block_size - offset % block_size) % block_size);
  const std::size_t blocks = (bytes.size() - head) / block_size;
  const std::size_t tail = bytes.size() - head - blocks * block_size;
  if (head > 0) write_piece(device, plane, offset, bytes.first(head));
  for (std::size_t n = 0; n < blocks; ++n) {
    changed_.push_back({device.number(), plane, (offset + head) / block_size + n});
    ++blocks_since_asked_;
  }
  if (tail > 0) write_piece(device, plane, offset + (bytes.size() - tail), bytes.last(tail));
  if (blocks > 0 && has_grown) lengths_.insert(device.number());
}

/// A part of a block.
void Journal::write_piece(const PoolDevice& device, Plane plane, std::uint64_t offset,
                          std::span<const std::uint8_t> bytes) {
  switch (plane) {
    case Plane::data: window_.write_bytes(device.uuid(), offset, bytes); break;
    case Plane::metadata: window_.write_metadata_bytes(device.uuid(), offset, bytes); break;
    case Plane::columns: {
      std::vector<std::uint8_t> operands(device.uuid().begin(), device.uuid().end());
      put(operands, offset);
      operands.insert(operands.end(), bytes.begin(), bytes.end());
      window_.extension(static_cast<std::uint8_t>(JournalOpcode::write_columns), operands);
      break;
    }
  }
}

void Journal::set_length(const PoolDevice& device) {
  if (begins_effect()) window_.write_length(device.uuid(), device.length());
}

void Journal::set_columns_length(const PoolDevice& device) {
  if (begins_effect()) lengths_.insert(device.number());
}

void Journal::cut_file(const PoolDevice& device) {
  if (!begins_effect()) return;
  std::vector<std::uint8_t> operands(device.uuid().begin(), device.uuid().end());
  put(operands, device.cut() ? *device.cut() + 1 : 0);
  window_.extension(static_cast<std::uint8_t>(JournalOpcode::cut_file), operands);
}

void Journal::cleared(const PoolDevice& device, Plane plane, std::uint64_t offset, std::uint64_t count) {
  if (!begins_effect()) return;
  if (plane == Plane::data) {
    window_.clear_extents(device.uuid(), offset, count);
  } else {
    window_.clear_metadata(device.uuid(), offset, count);
  }
}

void Journal::created(const PoolDevice& device) {
  if (!begins_effect()) return;
  std::string options = device.fixed_length() ? fmt::format("size={}", device.length()) : std::string();
  if (!device.path().empty()) options = fmt::format("kind=file,path={}", device.path());
  window_.create_device(device.name(), {}, options, device.uuid());
}

void Journal::renamed(const PoolDevice& device) {
  if (begins_effect()) window_.rename_device(device.uuid(), device.name());
}

void Journal::protection_changed(const PoolDevice& device) {
  if (!begins_effect()) return;
  // What was written before belongs before it.
  drain();
  window_.protect_device(device.uuid(), device.read_only());
}

void Journal::removed(const PoolDevice& device) {
  if (!begins_effect()) return;
  std::erase_if(changed_, [&](const Changed& changed) { return changed.number == device.number(); });
  lengths_.erase(device.number());
  window_.delete_device_by_force(device.uuid());
}

void Journal::sharing() {
  if (records()) drain();
}

void Journal::cloned(const PoolDevice& origin, const PoolDevice& clone) {
  if (!begins_effect()) return;
  std::vector<std::uint8_t> operands(origin.uuid().begin(), origin.uuid().end());
  operands.insert(operands.end(), clone.uuid().begin(), clone.uuid().end());
  put(operands, static_cast<std::uint16_t>(clone.name().size()));
  operands.insert(operands.end(), clone.name().begin(), clone.name().end());
  window_.extension(static_cast<std::uint8_t>(JournalOpcode::clone_as), operands);
}

void Journal::rolled_back(std::span<const RolledBack> pairs) {
  if (!begins_effect()) return;
  if (pairs.size() == 1) {
    window_.roll_back_device(pairs[0].first->uuid(), pairs[0].second->uuid());
    return;
  }
  std::vector<std::uint8_t> operands;
  for (const auto& [device, content] : pairs) {
    put(operands, device->uuid());
    put(operands, content->uuid());
  }
  window_.extension(static_cast<std::uint8_t>(JournalOpcode::roll_back_all), operands);
}

void Journal::copied(const PoolDevice& from, std::uint64_t from_offset, const PoolDevice& to, std::uint64_t to_offset,
                     std::uint64_t count) {
  if (!begins_effect()) return;
  window_.copy_bytes(from.uuid(), from_offset, to.uuid(), to_offset, count);
  copied_blocks_ += count / block_size;
}

void Journal::held(const PoolDevice& from, std::uint64_t hold) {
  std::vector<std::uint8_t> operands(from.uuid().begin(), from.uuid().end());
  put(operands, hold);
  if (begins_effect()) window_.extension(static_cast<std::uint8_t>(JournalOpcode::hold), operands);
}

void Journal::copied_held(const PoolDevice& to, std::uint64_t to_offset, std::uint64_t hold, std::uint64_t from_offset,
                          std::uint64_t count) {
  if (!begins_effect()) return;
  std::vector<std::uint8_t> operands(to.uuid().begin(), to.uuid().end());
  for (const std::uint64_t number : {to_offset, hold, from_offset, count}) put(operands, number);
  window_.extension(static_cast<std::uint8_t>(JournalOpcode::copy_held), operands);
  copied_blocks_ += count / block_size;
}

void Journal::let_go(std::uint64_t hold) {
  std::vector<std::uint8_t> operands;
  put(operands, hold);
  if (begins_effect()) window_.extension(static_cast<std::uint8_t>(JournalOpcode::let_go), operands);
}

void Journal::kept_outcome(std::span<const std::uint8_t, 16> token, std::uint64_t sequence) {
  if (!begins_effect()) return;
  std::vector<std::uint8_t> operands(token.begin(), token.end());
  put(operands, sequence);
  window_.extension(static_cast<std::uint8_t>(JournalOpcode::keep_outcome), operands);
}

void Journal::break_off() {
  if (state_ == State::off) return;
  state_ = State::broken;
  clear_window();
}

// ── The window ───────────────────────────────────────────────────────────────────────────────────────────────────

std::uint64_t Journal::window_bytes() const {
  constexpr std::uint64_t for_a_device = 64;
  return window_.bytes().size() + (changed_.size() + lengths_.size()) * for_a_device;
}

void Journal::clear_window() {
  window_.clear();
  changed_.clear();
  lengths_.clear();
  wanted_ = foreseen_ = false;
  gathered_bytes_ = 0;
  gathering_turns_ = 0;
}

/// Calls visit(device, plane, blocks) for the blocks that were written whole, each once, which are forgotten then.
template <typename Visit>
void Journal::take_changed(Visit&& visit) {
  std::sort(changed_.begin(), changed_.end());
  changed_.erase(std::unique(changed_.begin(), changed_.end()), changed_.end());
  const std::span<const Changed> all(changed_);
  for (std::size_t first = 0; first < all.size();) {
    std::size_t last = first + 1;
    while (last < all.size() && all[last].number == all[first].number && all[last].plane == all[first].plane) ++last;
    visit(*devices_.at(all[first].number), all[first].plane, all.subspan(first, last - first));
    first = last;
  }
  changed_.clear();
}

/// Names the places of the blocks that were written whole, and has them written.
void Journal::place_changed() {
  std::vector<BlockCache::Placed> to_write;
  take_changed([&](PoolDevice& device, Plane plane, std::span<const Changed> blocks) {
    place(device, plane, blocks, to_write);
  });
  writer_.write_data(std::move(to_write));
}

/// Of many blocks the look-ups miss the processor's caches: so many miss them together.
void Journal::approach(PoolDevice& device, Plane plane, std::span<const Changed> changed) {
  std::array<Device::Place, side_by_side> places;
  for (std::size_t n = 0; n < changed.size(); ++n) places[n] = device.locate(plane, changed[n].index);
  for (std::size_t n = 0; n < changed.size(); ++n) device.approach(places[n]);
}

void Journal::place(PoolDevice& device, Plane plane, std::span<const Changed> changed,
                    std::vector<BlockCache::Placed>& to_write) {
  std::vector<std::uint8_t> operands(device.uuid().begin(), device.uuid().end());
  put(operands, static_cast<std::uint8_t>(plane));
  const std::size_t before = operands.size();
  for (std::size_t first = 0; first < changed.size(); first += side_by_side) {
    const std::span<const Changed> some = changed.subspan(first, std::min(side_by_side, changed.size() - first));
    approach(device, plane, some);
    for (const Changed& block : some) {
      const auto [slot, frame] = device.settled(plane, block.index);
      if (slot.empty()) continue;  // cleared since
      put(operands, JournalEntry{block.index, slot});
      // It is named once: it is not changed in place any more, nor used again before the records are superfluous.
      cache_.name(frame);
      to_write.push_back({slot.address(), frame});
    }
  }
  if (operands.size() == before) return;
  window_.extension(static_cast<std::uint8_t>(JournalOpcode::place_blocks), operands);
}

/// Somebody waits for few blocks: one write that is durable at once then takes the place of two writes and a flush.
bool Journal::fits_inside() const {
  // Who wrote them found as much room in the ring.
  static_assert(most_bytes_inside <= largest_addition);
  return changed_.size() <= most_blocks_inside && window_bytes() + changed_.size() * block_size <= most_bytes_inside;
}

/// The bytes of the blocks that were written whole, as they are now, become part of the window. The blocks may change
/// in place again, and are written by the next checkpoint.
void Journal::put_changed_inside() {
  take_changed([&](PoolDevice& device, Plane plane, std::span<const Changed> blocks) {
    for (const Changed& block : blocks) {
      const auto [slot, frame] = device.settled(plane, block.index);
      if (slot.empty()) continue;  // cleared since
      const std::uint64_t offset = block.index * block_size;
      // A device that has become shorter since must not grow again by this.
      const std::uint64_t size =
          plane == Plane::data ? std::min(block_size, device.length() - std::min(device.length(), offset)) : block_size;
      const auto* const bytes = reinterpret_cast<const std::uint8_t*>(cache_.bytes(frame));
      write_piece(device, plane, offset, {bytes, static_cast<std::size_t>(size)});
    }
  });
}

/// All effects so far are said by instructions.
void Journal::drain() {
  place_changed();
  put_lengths();
}

void Journal::put_lengths() {
  for (const std::uint32_t number : lengths_) {
    const PoolDevice& device = *devices_.at(number);
    std::vector<std::uint8_t> operands(device.uuid().begin(), device.uuid().end());
    put(operands, device.length());
    put(operands, device.columns_length());
    window_.extension(static_cast<std::uint8_t>(JournalOpcode::set_lengths), operands);
  }
  lengths_.clear();
}

void Journal::seal() {
  assert(state_ == State::on);
  if (wanted_ && fits_inside()) {
    put_changed_inside();
    put_lengths();
  } else {
    drain();
  }
  writer_.append(window_.bytes(), foreseen_);
  clear_window();
}

bool Journal::has_room(std::uint64_t bytes) const {
  if (!records()) return true;
  const std::uint64_t blocks = JournalWriter::blocks_for(window_bytes() + bytes);
  return writer_.used_blocks() + blocks <= writer_.block_count() &&
         window_bytes() < writer_.block_count() * block_size / windows_in_ring;
}

bool Journal::wants_checkpoint() const {
  const bool much = writer_.used_blocks() > writer_.block_count() / 2 || copied_blocks_ > most_copied_blocks;
  return state_ == State::broken || (state_ == State::on && much);
}

/// What a client sends at once arrives in pieces, and a record for the first of them would be one write and flush more:
/// while more comes with each turn the window is left open, for a few of them.
bool Journal::is_gathering() {
  constexpr unsigned most_turns = 4;
  const std::uint64_t bytes = window_bytes();
  return bytes != std::exchange(gathered_bytes_, bytes) && ++gathering_turns_ <= most_turns;
}

bool Journal::work() {
  if (state_ != State::on || window_empty() || writer_.stopped()) return false;
  if (forecast_.take_due()) foresee();
  // Who goes on without a flush for longer than before is on the way to a longer one.
  const std::size_t enough = std::clamp(blocks_since_asked_ / windows_in_flush, enough_blocks_, large_window_blocks);
  const bool large = window_bytes() > large_window_bytes || changed_.size() >= enough;
  // While a record that somebody waits for is on its way, those that come gather for the next one.
  if (!large && (!wanted_ || writer_.hurries())) return false;
  if (!large && !foreseen_ && is_gathering()) return true;
  seal();
  return false;
}

bool Journal::has_priority() {
  if (!wanted_since_freeze_ && wanted_before_freeze_ > 0) --wanted_before_freeze_;
  return (wanted_since_freeze_ || wanted_before_freeze_ > 0) && writer_.used_blocks() < writer_.block_count() / 4 * 3;
}

std::uint64_t Journal::ticket() const {
  if (state_ != State::on) return 0;
  return writer_.last() + (window_empty() ? 0 : 1);
}

void Journal::asked() {
  forecast_.asked();
  if (blocks_since_asked_ == 0) return;
  enough_blocks_ = std::clamp(blocks_since_asked_ / windows_in_flush, least_window_blocks, large_window_blocks);
  blocks_since_asked_ = 0;
}

void Journal::want(std::uint64_t ticket) {
  wanted_since_freeze_ = true;
  wanted_ = wanted_ || ticket > writer_.last();
  writer_.want(ticket);
}

/// As if somebody waited, who is about to.
void Journal::foresee() {
  foreseen_ = !wanted_ && fits_inside();
  if (foreseen_) want(ticket());
}

// ── Checkpoints ──────────────────────────────────────────────────────────────────────────────────────────────────

JournalPosition Journal::freeze() {
  if (state_ == State::on && !window_empty()) seal();
  if (state_ == State::broken) {
    skipped_ = writer_.next().sequence;
    writer_.skip();
    state_ = State::held;
  }
  constexpr unsigned most_asked = 128;
  wanted_before_freeze_ = std::exchange(wanted_since_freeze_, false) ? most_asked : 0;
  copied_blocks_ = 0;
  frozen_sequence_ = writer_.last();
  frozen_block_ = writer_.next().block;
  if (!safeguards::tail_waits_for_publication) writer_.pass(frozen_block_);
  return writer_.next();
}

void Journal::published() {
  writer_.pass(frozen_block_);
  skipped_ = 0;
  if (state_ == State::held) state_ = State::on;
}

}  // namespace chimera::devices
