#include "devices/checkpoint.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "devices/crc32c.h"
#include "devices/reference_counts.h"
#include "devices/safeguards.h"
#include "io/clock.h"

namespace chimera::devices {
namespace {

constexpr std::size_t most_in_flight = 512;
/// Data is written ahead in batches of so many blocks, the youngest of which has seen so many others become dirty.
constexpr std::size_t ahead_blocks = 256;
constexpr std::size_t ahead_lag = 512;
/// So many requests ahead, and the next batch waits.
constexpr std::size_t most_ahead = 32;
/// So many requests while records of the journal are being waited for: they should find the disk's queue
/// short.
constexpr std::size_t most_beside_journal = 4;
/// And of so few blocks: whoever waits, waits for the rest of one at least.
constexpr std::size_t most_blocks_beside_journal = 16;
/// Requests that are left to the checkpoint itself.
constexpr std::size_t kept_for_checkpoint = 64;
static_assert(most_ahead + ahead_blocks + kept_for_checkpoint <= most_in_flight);

}  // namespace

class Checkpoint::Write final : public io::DiskRequest {
 public:
  explicit Write(Checkpoint& checkpoint) : checkpoint_(checkpoint) {}
  void finished() override { checkpoint_.finished(*this); }

  std::vector<std::byte*> places;
  std::vector<FrameId> frames;
  bool ahead = false;

 private:
  Checkpoint& checkpoint_;
};

Checkpoint::Checkpoint(io::Disk& disk, BlockStore& blocks, Manifest& manifest, Source& source)
    : disk_(disk), blocks_(blocks), manifest_(manifest), source_(source), next_superblock_(make_block_buffer()) {}

Checkpoint::~Checkpoint() { assert(in_flight_ == 0); }

void Checkpoint::open(const Superblock& superblock, unsigned place) {
  superblock_ = superblock;
  place_ = place;
  published_ns_ = io::monotonic_ns();
}

bool Checkpoint::anything_changed() const {
  return forced_ || blocks_.cache().dirty_count() != 0 || manifest_.changed() || blocks_.space().dirty();
}

std::uint64_t Checkpoint::ticket() const {
  if (anything_changed()) return blocks_.generation();
  if (idle()) return published();
  return reinterpret_cast<const Superblock*>(next_superblock_.get())->generation;
}

bool Checkpoint::work() {
  if (failed_) return false;
  if (blocks_.contradictory()) return give_up();
  if (!wanted_ || stage_ != Stage::idle) return write_ahead();
  if (!anything_changed()) {
    wanted_ = false;
    return false;
  }
  // An attempt that waits for bitmaps goes on with what has changed since.
  return (!bitmap_failures_ && settle_ahead()) || freeze();
}

/// Checksums of the maps are taken a few at a time, so that freezing, which nothing can come between, has few left.
/// True if there may be more of them.
bool Checkpoint::settle_ahead() {
  constexpr std::size_t blocks_a_turn = 64;
  constexpr unsigned most_turns = 1024;
  if (settling_turns_ < most_turns && !source_.settle_some(blocks_a_turn)) {
    ++settling_turns_;
    return true;
  }
  settling_turns_ = 0;
  return false;
}

void Checkpoint::set_failed(int error) {
  if (std::exchange(failed_, true)) return;
  error_ = error;
  source_.stop_journal();
}

bool Checkpoint::give_up() {
  set_failed(0);
  blocks_.wake_waiting();
  return false;
}

/// Takes the present state as the one to be published. False while something that it needs is being loaded.
bool Checkpoint::freeze() {
  source_.settle();
  SpaceMap& space = blocks_.space();
  if (!bitmap_failures_) bitmap_failures_ = space.failures();
  if (!space.load_released(manifest_.replaced(), *bitmap_failures_)) return false;
  const std::size_t needed = manifest_.blocks_needed();
  const auto reserved =
      space.available() < needed ? SpaceMap::Reserved::failed : space.reserve(needed, *bitmap_failures_);
  if (reserved == SpaceMap::Reserved::loading) return false;
  bitmap_failures_.reset();
  wanted_ = false;
  refused_ = reserved == SpaceMap::Reserved::failed;
  if (refused_) {
    ++refusals_;
    blocks_.wake_waiting();
    return false;
  }
  forced_ = false;
  auto& next = *new (next_superblock_.get()) Superblock(superblock_);
  next.version = next.journal_blocks == 0 ? Superblock::version_without_journal : Superblock::version_without_files;
  source_.freeze_journal(next);
  next.generation = blocks_.generation();
  next.block_count = space.block_count();
  next.references = blocks_.references().root().slot;
  next.references_height = blocks_.references().root().height;
  next.shared_references = blocks_.references().total();
  images_ = manifest_.images(
      blocks_, [this](std::uint32_t number, DeviceRecord& record) { source_.fill(number, record); }, next.manifest);
  for (SpaceMap::Image& image : space.images(next.generation, next.space)) images_.push_back(std::move(image));
  if (space.contradicts()) blocks_.contradict();
  if (blocks_.contradictory()) return give_up();
  next.checksum = crc32c(0, &next, offsetof(Superblock, checksum));

  pieces_.clear();
  // What is being written ahead belongs to this state from now on.
  for (const auto& write : writes_) write->ahead = false;
  in_flight_ += std::exchange(ahead_in_flight_, 0);
  for (const BlockCache::Placed& frozen : blocks_.cache().freeze()) {
    pieces_.push_back({frozen.address, blocks_.cache().bytes(frozen.frame), frozen.frame});
  }
  for (const SpaceMap::Image& image : images_) {
    pieces_.push_back({image.address, reinterpret_cast<std::byte*>(image.bytes.get()), no_frame});
  }
  std::sort(pieces_.begin(), pieces_.end(), [](const Piece& a, const Piece& b) { return a.address < b.address; });
  next_piece_ = 0;
  blocks_.begin_generation();
  frozen_ns_ = io::monotonic_ns();
  stage_ = Stage::blocks;
  write_more();
  if (in_flight_ == 0) advance();
  return true;
}

/// So many more requests may be under way.
std::size_t Checkpoint::idle_count() const { return most_in_flight - in_flight_ - ahead_in_flight_; }

Checkpoint::Write& Checkpoint::next_write(io::DiskRequest::Kind kind, std::uint64_t first_block) {
  assert(idle_count() > 0);
  if (idle_writes_.empty()) {
    writes_.push_back(std::make_unique<Write>(*this));
    idle_writes_.push_back(writes_.back().get());
  }
  Write& write = *idle_writes_.back();
  idle_writes_.pop_back();
  write.places.clear();
  write.frames.clear();
  write.ahead = false;
  write.kind = kind;
  write.first_block = first_block;
  return write;
}

void Checkpoint::start(Write& write) {
  write.buffers = write.places;
  write.error = 0;
  ++(write.ahead ? ahead_in_flight_ : in_flight_);
  disk_.start(write);
}

/// Sends off data that has been dirty for a while.
bool Checkpoint::write_ahead() {
  const bool is_wanted = source_.may_write_ahead();
  blocks_.cache().expect_take_settled(is_wanted);
  if (!is_wanted || ahead_in_flight_ >= most_ahead || idle_count() < ahead_blocks + kept_for_checkpoint) return false;
  std::vector<BlockCache::Placed> settled = blocks_.cache().take_settled(ahead_lag, ahead_blocks);
  std::sort(settled.begin(), settled.end(), [](const auto& a, const auto& b) { return a.address < b.address; });
  for (std::size_t n = 0; n < settled.size();) {
    Write& write = next_write(io::DiskRequest::Kind::write, settled[n].address);
    write.ahead = true;
    do {
      write.places.push_back(blocks_.cache().bytes(settled[n].frame));
      write.frames.push_back(settled[n].frame);
      ++n;
    } while (n < settled.size() && write.places.size() < io::Disk::most_blocks &&
             settled[n].address == settled[n - 1].address + 1);
    start(write);
  }
  return !settled.empty();
}

void Checkpoint::write_more() {
  const bool is_beside_journal = source_.journal_has_priority();
  const std::size_t most_at_once = is_beside_journal ? most_beside_journal : most_in_flight;
  const std::size_t most_blocks = is_beside_journal ? most_blocks_beside_journal : io::Disk::most_blocks;
  while (next_piece_ < pieces_.size() && idle_count() > 0 && in_flight_ < most_at_once) {
    Write& write = next_write(io::DiskRequest::Kind::write, pieces_[next_piece_].address);
    do {
      write.places.push_back(pieces_[next_piece_].bytes);
      if (pieces_[next_piece_].frame != no_frame) write.frames.push_back(pieces_[next_piece_].frame);
      ++next_piece_;
    } while (next_piece_ < pieces_.size() && write.places.size() < most_blocks &&
             pieces_[next_piece_].address == pieces_[next_piece_ - 1].address + 1);
    start(write);
  }
}

void Checkpoint::finished(Write& write) {
  --(write.ahead ? ahead_in_flight_ : in_flight_);
  idle_writes_.push_back(&write);
  if (write.error != 0) set_failed(write.error);
  if (failed_) {
    // What was not written stays frozen in memory, where it can still be read.
    if (at_rest()) blocks_.wake_waiting();
    return;
  }
  for (const FrameId frame : write.frames) {
    if (blocks_.cache().being_written(frame)) {
      blocks_.cache().written(frame);
    } else {
      blocks_.cache().thaw(frame);
    }
  }
  if (stage_ == Stage::idle || write.ahead) return;
  if (stage_ == Stage::blocks && next_piece_ < pieces_.size()) {
    write_more();
  } else if (in_flight_ == 0) {
    advance();
  }
}

unsigned Checkpoint::next_place() const { return safeguards::superblocks_alternate ? 1 - place_ : place_; }

void Checkpoint::fail(int error) {
  set_failed(error);
  blocks_.wake_waiting();
}

void Checkpoint::go_on() {
  if (!failed_ && stage_ == Stage::blocks && next_piece_ == pieces_.size() && in_flight_ == 0) advance();
}

void Checkpoint::advance() {
  if (stage_ == Stage::blocks && safeguards::checkpoint_waits_for_journal && !source_.journal_is_written()) return;
  if (stage_ == Stage::last_flush || (stage_ == Stage::superblock && !safeguards::superblocks_are_flushed)) {
    publish();
    return;
  }
  if (stage_ == Stage::blocks && !safeguards::blocks_are_flushed_first) stage_ = Stage::first_flush;
  const bool to_superblock = stage_ == Stage::first_flush;
  stage_ = static_cast<Stage>(static_cast<std::uint8_t>(stage_) + 1);
  if (to_superblock) {
    Write& write = next_write(io::DiskRequest::Kind::write, superblock_places[next_place()]);
    write.places.push_back(reinterpret_cast<std::byte*>(next_superblock_.get()));
    start(write);
  } else {
    start(next_write(io::DiskRequest::Kind::flush, 0));
  }
}

void Checkpoint::publish() {
  superblock_ = *reinterpret_cast<const Superblock*>(next_superblock_.get());
  place_ = next_place();
  stage_ = Stage::idle;
  images_.clear();
  pieces_.clear();
  ++count_;
  published_ns_ = io::monotonic_ns();
  durations_.add(published_ns_ - frozen_ns_);
  blocks_.space().published();
  source_.published();
  blocks_.wake_waiting();
}

}  // namespace chimera::devices
