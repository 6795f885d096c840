#include "devices/journal_writer.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

#include "devices/crc32c.h"
#include "devices/journal_format.h"
#include "devices/safeguards.h"

namespace chimera::devices {

class JournalWriter::Request final : public io::DiskRequest {
 public:
  explicit Request(JournalWriter& writer) : writer_(writer) { urgent = true; }
  void finished() override { writer_.finished(*this); }

  std::vector<std::byte*> places;
  std::vector<FrameId> frames;
  Group* group = nullptr;  ///< null: a flush

 private:
  JournalWriter& writer_;
};

JournalWriter::JournalWriter(io::Disk& disk, BlockCache& cache) : disk_(disk), cache_(cache), groups_(1) {}
JournalWriter::~JournalWriter() { assert(at_rest()); }

void JournalWriter::open(std::uint64_t first_block, std::uint64_t block_count, const JournalPosition& next) {
  assert(at_rest() && groups_.size() == 1);
  first_block_ = first_block;
  block_count_ = block_count;
  next_ = next;
  tail_ = next.block;
  written_ = durable_ = last();
  groups_.front().sequence = next.sequence;
}

JournalWriter::Request& JournalWriter::idle_request() {
  if (idle_.empty()) {
    requests_.push_back(std::make_unique<Request>(*this));
    idle_.push_back(requests_.back().get());
  }
  Request& request = *idle_.back();
  idle_.pop_back();
  request.places.clear();
  request.frames.clear();
  request.durable = request.ahead = false;
  request.error = 0;
  return request;
}

void JournalWriter::start(Request& request, Group& group) {
  request.kind = io::DiskRequest::Kind::write;
  request.buffers = request.places;
  request.group = &group;
  ++group.in_flight;
  ++writes_in_flight_;
  disk_.start(request);
}

void JournalWriter::write_data(std::vector<BlockCache::Placed> blocks) {
  if (has_failed_ || blocks.empty()) return;
  groups_.back().has_data = true;
  std::sort(blocks.begin(), blocks.end(), [](const auto& a, const auto& b) { return a.address < b.address; });
  for (std::size_t n = 0; n < blocks.size();) {
    Request& request = idle_request();
    request.first_block = blocks[n].address;
    do {
      request.places.push_back(cache_.bytes(blocks[n].frame));
      request.frames.push_back(blocks[n].frame);
      ++n;
    } while (n < blocks.size() && request.places.size() < io::Disk::most_blocks &&
             blocks[n].address == blocks[n - 1].address + 1);
    start(request, groups_.back());
  }
}

std::uint64_t JournalWriter::append(std::span<const std::uint8_t> instructions, bool ahead) {
  const std::uint64_t blocks = blocks_for(instructions.size());
  assert(used_blocks() + blocks <= block_count_ && !has_failed_);
  Group& group = groups_.back();
  const std::uint64_t to_end = block_count_ - next_.block % block_count_;
  const bool is_one_write = blocks <= std::min<std::uint64_t>(to_end, io::Disk::most_blocks);
  // Everything before it is durable, so it needs no flush; nothing is won where nobody waits.
  group.durable =
      is_one_write && durable_ == last() && !group.has_data && !wanted_.empty() && safeguards::records_are_flushed;
  group.bytes.reset(static_cast<std::byte*>(std::aligned_alloc(block_size, blocks * block_size)));
  if (group.bytes == nullptr) throw std::bad_alloc();
  std::byte* const bytes = group.bytes.get();
  std::memset(bytes + (blocks - 1) * block_size, 0, block_size);
  const std::uint64_t place = next_.block % block_count_;
  const JournalHeader header = journal_header(next_, durable_, first_block_ + place, instructions);
  std::memcpy(bytes, &header, sizeof header);
  if (!instructions.empty()) std::memcpy(bytes + sizeof header, instructions.data(), instructions.size());

  for (std::uint64_t n = 0; n < blocks;) {
    const std::uint64_t at = (next_.block + n) % block_count_;
    const std::uint64_t size = std::min({blocks - n, block_count_ - at, std::uint64_t{io::Disk::most_blocks}});
    Request& request = idle_request();
    request.first_block = first_block_ + at;
    request.durable = group.durable;
    request.ahead = ahead;
    for (std::uint64_t i = 0; i < size; ++i) request.places.push_back(bytes + (n + i) * block_size);
    start(request, group);
    n += size;
  }
  next_.block += blocks;
  next_.chain = header.checksum;
  close_group();
  return last();
}

void JournalWriter::skip() {
  close_group();
  advance();
}

void JournalWriter::close_group() {
  groups_.back().closed = true;
  ++next_.sequence;
  groups_.emplace_back().sequence = next_.sequence;
}

void JournalWriter::want(std::uint64_t sequence) {
  if (sequence <= durable_ || (!wanted_.empty() && wanted_.back() >= sequence)) return;
  wanted_.push_back(sequence);
  advance();
}

void JournalWriter::note_durable(std::uint64_t sequence) {
  durable_ = std::max(durable_, sequence);
  while (!wanted_.empty() && wanted_.front() <= durable_) wanted_.pop_front();
}

/// A flush is started when all that the first of those who wait needs has been written, or where nobody waits, much is;
/// it covers what else has been.
void JournalWriter::advance() {
  while (groups_.front().closed && groups_.front().in_flight == 0) {
    written_ = groups_.front().sequence;
    if (groups_.front().durable) note_durable(written_);
    groups_.pop_front();
  }
  const std::uint64_t due = wanted_.empty() ? durable_ + most_unflushed : wanted_.front();
  if (flushing_ || has_failed_ || written_ < due) return;
  if (!safeguards::records_are_flushed) {
    return note_durable(written_);
  }
  Request& flush = idle_request();
  flush.kind = io::DiskRequest::Kind::flush;
  flush.buffers = {};
  flush.group = nullptr;
  flush_covers_ = written_;
  flushing_ = true;
  disk_.start(flush);
}

void JournalWriter::finished(Request& request) {
  idle_.push_back(&request);
  const bool was_flush = request.group == nullptr;
  if (was_flush) {
    flushing_ = false;
  } else {
    --writes_in_flight_;
    --request.group->in_flight;
  }
  if (request.error != 0) has_failed_ = true;
  if (has_failed_) {
    // What was not written stays as it is in memory, where it can still be read.
    failed(request.error);
    return;
  }
  for (const FrameId frame : request.frames) cache_.written(frame);
  if (was_flush) {
    note_durable(flush_covers_);
  }
  advance();
  progressed();
}

}  // namespace chimera::devices
