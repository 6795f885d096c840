// The way of committed blocks from a file device's part to its file.
//
// 1. What the part holds has to be durable there: a crash amid the next step leaves some of it in the file.
// 2. If a commit has set the length the file is cut.
// 3. The blocks are written to the file, and it is made as long as it is to be.
// 4. The file is flushed.
// 5. It is taken from the part, which the journal notes: first the cut, or what is done again after a crash would cut
//    off what is no longer in the part. If that is lost it is all done again, to the same end: nobody has been told
//    that anything later is durable, because every flush of the file waits for the journal too.

#include <algorithm>
#include <utility>

#include "devices/file_device.h"
#include "devices/pool.h"
#include "devices/safeguards.h"

namespace chimera::devices {
namespace {

/// Blocks that move together: one flush for them all.
constexpr std::size_t most_moved = 1024;

}  // namespace

FileDevice::Ticket FileDevice::ticket() const { return {blocks_ == nullptr ? 0 : blocks_->ticket(), version_}; }

Outcome FileDevice::flush(Waiter& waiter, const Ticket& ticket) {
  if (blocks_ == nullptr || pool_.read_only()) return Outcome::ready();
  const bool is_cut = !part_->cut() || cut_version_ > ticket.version;
  const bool is_moved =
      is_cut && std::ranges::none_of(pending_, [&](const auto& block) { return block.second <= ticket.version; });
  return is_moved ? blocks_->flush(waiter, ticket.change) : wait_for_pending(waiter);
}

Outcome FileDevice::prepare_removal(Waiter& waiter) {
  const Outcome settled = settle(waiter);
  if (settled.is_ready() || settled.waits() || !given_up_) return settled;
  return at_rest() ? Outcome::ready() : blocks_->wait_for_event(waiter);
}

/// All that was done to the file is in it.
Outcome FileDevice::settle(Waiter& waiter) {
  if (const Outcome found = find_pending(waiter); !found.is_ready()) return found;
  if (blocks_ == nullptr && all_moved()) return Outcome::ready();
  if (const Outcome there = available(waiter); !there.is_ready()) {
    waiter.message += "; what was committed to it is not in the file yet, so it is deleted by force only";
    return there;
  }
  if (!all_moved()) return wait_for_pending(waiter);
  const Outcome flushed = blocks_->flush(waiter, blocks_->ticket());
  if (!flushed.is_ready()) return flushed;
  return blocks_->at_rest() ? Outcome::ready() : blocks_->wait_for_event(waiter);
}

/// The mover is as if it had not begun.
void FileDevice::rest() {
  pool_.release(mover_);
  budget_.release(mover_);
  mover_.progress.reset();
  mover_.message.clear();
  mover_.waits = false;
}

void FileDevice::work() {
  if (replaying()) return;
  if (blocks_ != nullptr) blocks_->work();
  if (mover_.waits || (blocks_ == nullptr && !look_for_file())) return;
  has_stopped_ = false;
  if (!may_move()) {
    // Who waits for it is to hear that.
    if (move_.stage != Move::Stage::idle) stop();
    return;
  }
  while (move_.stage != Move::Stage::idle || !all_moved()) {
    mover_.waits = true;
    const Outcome moved = move_on();
    // It may have changed the file, or want it flushed.
    blocks_->work();
    if (moved.waits()) return;
    is_stuck_ = moved.status() == Status::corrupt;
    rest();
    if (!moved.is_ready()) return stop();
    if (move_.stage != Move::Stage::idle) continue;
    return blocks_->wake_waiting();
  }
}

void FileDevice::stop() {
  rest();
  has_stopped_ = true;
  move_ = {};
  blocks_->wake_waiting();
}

bool FileDevice::may_move() const { return pool_.may_change() && !blocks_->failed() && !is_stuck_; }

/// Once, when the store has been opened: so nobody else takes it, and it gets what has been committed to it.
bool FileDevice::look_for_file() {
  if (folder_ == nullptr || tried_) return false;
  mover_.waits = true;
  const Outcome there = available(mover_);
  if (there.waits()) return false;
  tried_ = true;
  rest();
  return there.is_ready();
}

/// Takes the move to its next stage.
Outcome FileDevice::move_on() {
  using Stage = Move::Stage;
  switch (move_.stage) {
    case Stage::idle: {
      begin_move();
      move_.stage = Stage::record;
      return Outcome::ready();
    }
    case Stage::record: {
      const Outcome recorded = safeguards::commits_are_recorded_first ? pool_.sync(mover_) : Outcome::ready();
      if (recorded.is_ready()) move_.stage = Stage::cut;
      return recorded;
    }
    case Stage::cut: {
      const bool cuts = is_cut_current() && blocks_->length() > *part_->cut();
      const Outcome cut = cuts ? set_file_length(*part_->cut()) : Outcome::ready();
      if (cut.is_ready()) move_.stage = Stage::copy;
      return cut;
    }
    case Stage::copy: {
      const Outcome copied = copy();
      if (copied.is_ready()) move_.stage = Stage::lengthen;
      return copied;
    }
    case Stage::lengthen: {
      const bool lengthens = is_cut_current() && blocks_->length() < move_.length;
      const Outcome lengthened = lengthens ? set_file_length(move_.length) : Outcome::ready();
      move_.change = blocks_->ticket();
      if (lengthened.is_ready()) move_.stage = Stage::flush;
      return lengthened;
    }
    case Stage::flush: {
      const Outcome flushed =
          safeguards::files_are_flushed_first ? blocks_->flush(mover_, move_.change) : Outcome::ready();
      if (flushed.is_ready()) move_.stage = Stage::take;
      return flushed;
    }
    case Stage::take: {
      const Outcome taken = take_from_part();
      if (taken.is_ready()) move_ = {};
      return taken;
    }
  }
  return Outcome::ready();
}

void FileDevice::begin_move() {
  for (const auto& block : pending_) {
    if (move_.blocks.size() == most_moved) break;
    move_.blocks.push_back(block);
  }
  if (part_->cut()) move_.cut = cut_version_;
  move_.length = length_;
}

Outcome FileDevice::set_file_length(std::uint64_t length) {
  return fixed_length_ ? Outcome::ready() : blocks_->set_committed_length(mover_, length);
}

/// Whether no commit has changed it since the move began. If one has, the part has to keep it, and what it holds now
/// may not be durable there yet.
bool FileDevice::is_current(const std::pair<std::uint64_t, std::uint64_t>& block) const {
  const auto found = pending_.find(block.first);
  return found != pending_.end() && found->second == block.second;
}

Outcome FileDevice::copy() {
  for (; move_.copied < move_.blocks.size(); ++move_.copied) {
    const auto& block = move_.blocks[move_.copied];
    const std::uint64_t offset = block.first * block_size;
    if (!is_current(block) || offset >= move_.length) continue;
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(block_size, move_.length - offset));
    const Outcome fetched = part_->fetch(mover_, Plane::data, offset, size);
    if (!fetched.is_ready()) {
      fetch_ahead();
      return fetched;
    }
    if (const Outcome prepared = blocks_->prepare(mover_, offset, size); !prepared.is_ready()) return prepared;
    std::uint8_t bytes[block_size];
    part_->read(Plane::data, offset, {bytes, size});
    blocks_->write(offset, {bytes, size});
    pool_.blocks().release_waiter(mover_);
  }
  return Outcome::ready();
}

/// After a restart the part's blocks are on the disk: not one read after the other.
void FileDevice::fetch_ahead() {
  constexpr std::size_t most_ahead = 64;
  const std::size_t past = std::min(move_.blocks.size(), move_.copied + most_ahead);
  for (std::size_t n = move_.copied + 1; n < past; ++n) {
    (void)part_->prefetch(Plane::data, move_.blocks[n].first * block_size, block_size, Depth::blocks);
  }
}

/// Run by run; what has been taken is not current any more.
Outcome FileDevice::take_from_part() {
  if (is_cut_current()) part_->set_cut({});
  const auto& blocks = move_.blocks;
  const bool is_all = blocks.size() == pending_.size() &&
                      std::ranges::all_of(blocks, [&](const auto& block) { return is_current(block); });
  for (std::size_t n = 0; n < blocks.size();) {
    if (!is_current(blocks[n])) {
      ++n;
      continue;
    }
    const std::uint64_t first = blocks[n].first;
    std::uint64_t past = first;
    // The part holds nothing between the blocks, so where all of them go they are one run.
    for (; n < blocks.size() && (is_all || (blocks[n].first == past && is_current(blocks[n]))); ++n) {
      past = blocks[n].first + 1;
    }
    const Outcome cleared = part_->clear(mover_, Plane::data, first * block_size, (past - first) * block_size);
    if (!cleared.is_ready()) return cleared;
    pending_.erase(pending_.lower_bound(first), pending_.lower_bound(past));
  }
  if (all_moved()) {
    part_->set_lengths(0, columns_length_);
    pool_.journal().set_columns_length(*part_);
  }
  return Outcome::ready();
}

}  // namespace chimera::devices
