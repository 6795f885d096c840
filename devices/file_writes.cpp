// The way of a served file's blocks from memory to the file, and to its medium.

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "devices/file_blocks.h"

namespace chimera::devices {
namespace {

constexpr std::size_t most_writes = 16;

}  // namespace

void FileBlocks::work() {
  while (start_write()) {
  }
  advance_flush();
}

/// The oldest change that can be written now, with what lies beside it. False if there is none.
bool FileBlocks::start_write() {
  if (failed() || writes_.size() >= most_writes) return false;
  const auto may_go = [&](std::uint64_t index) {
    const auto found = entries_.find(index);
    return found != entries_.end() && found->second.since != 0 && !found->second.is_writing;
  };
  const auto oldest = std::ranges::find_if(dirty_, [&](const auto& change) { return may_go(change.second); });
  if (oldest == dirty_.end()) return false;
  std::uint64_t first = oldest->second;
  std::uint64_t past = first + 1;
  while (past - first < io::Disk::most_blocks && may_go(past)) ++past;
  while (past - first < io::Disk::most_blocks && first > 0 && may_go(first - 1)) --first;
  Request& write = *writes_.emplace_back(std::make_unique<Request>(*this, io::DiskRequest::Kind::write));
  write.change = changes_;
  write.first_block = first;
  for (std::uint64_t index = first; index < past; ++index) {
    Entry& entry = entries_.at(index);
    write.change = std::min(write.change, entry.since);
    dirty_.erase(std::exchange(entry.since, 0));
    entry.is_writing = true;
    write.blocks.push_back(entry.bytes);
    write.places.push_back(entry.bytes->data());
  }
  under_way_.insert(write.change);
  write.buffers = write.places;
  file_->start(write, length_);
  return true;
}

void FileBlocks::written(const Request& write) {
  under_way_.erase(write.change);
  if (write.error != 0) set_failed("written", write.error);
  for (std::uint64_t n = 0; n < write.blocks.size() && !failed(); ++n) {
    Entry& entry = entries_.at(write.first_block + n);
    entry.is_writing = false;
    if (entry.since != 0) continue;
    --budget_.dirty, --dirty_count_;
    set_idle(write.first_block + n, entry);
  }
  std::erase_if(writes_, [&](const auto& other) { return other.get() == &write; });
  work();
  wake_waiting();
}

/// The oldest change that is not in the file.
std::uint64_t FileBlocks::oldest_change() const {
  std::uint64_t oldest = changes_ + 1;
  if (!dirty_.empty()) oldest = std::min(oldest, dirty_.begin()->first);
  if (!under_way_.empty()) oldest = std::min(oldest, *under_way_.begin());
  return oldest;
}

Outcome FileBlocks::flush(Waiter& waiter, std::uint64_t ticket) {
  if (durable_ >= ticket) return Outcome::ready();
  if (failed()) return fail(waiter);
  wanted_ = std::max(wanted_, ticket);
  return wait_for_event(waiter);
}

/// A flush covers what had been written when it was started.
void FileBlocks::advance_flush() {
  if (flushing_ || failed() || wanted_ <= durable_ || oldest_change() <= wanted_) return;
  flushing_ = std::make_unique<Request>(*this, io::DiskRequest::Kind::flush);
  flushing_->change = oldest_change() - 1;
  file_->start(*flushing_, length_);
}

void FileBlocks::flushed(const Request& flush) {
  if (flush.error != 0) {
    set_failed("flushed", flush.error);
  } else {
    durable_ = flush.change;
  }
  flushing_.reset();
  work();
  wake_waiting();
}

void FileBlocks::set_failed(const char* what, int error) {
  if (failed()) return;
  const bool is_full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  failure_ = fmt::format(
      "the file could not be {}: {}; {}it takes no more writes until the store is opened again, and what was written "
      "outside of transactions and not flushed is lost",
      what, std::strerror(error), is_full ? "make room for it: " : "");
  // Others are not to wait for what will never be written.
  budget_.dirty -= dirty_count_;
}

}  // namespace chimera::devices
