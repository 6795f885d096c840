#include "devices/file_blocks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <utility>

#include "devices/io_buffer.h"

namespace chimera::devices {
namespace {

std::shared_ptr<Block> make_block() { return {make_block_buffer().release(), FreeMemory{}}; }

}  // namespace

void FileBudget::release(Waiter& waiter) {
  if (users.empty()) return;
  const auto found = users.extract(&waiter);
  if (found.empty()) return;
  for (FileBlocks* blocks : found.mapped()) blocks->release(waiter);
  std::erase(waiting, &waiter);
}

FileBlocks::FileBlocks(std::unique_ptr<io::File> file, FileBudget& budget)
    : file_(std::move(file)), budget_(budget), length_(file_->length()) {}

FileBlocks::~FileBlocks() {
  assert(at_rest());
  wake_waiting();
  for (auto& [index, entry] : entries_) set_used(entry);
  if (!failed()) budget_.dirty -= dirty_count_;
  for (auto& [waiter, held] : held_) std::erase(budget_.users[waiter], this);
}

// ── Waiting ──────────────────────────────────────────────────────────────────────────────────────────────────────

FileBlocks::Held& FileBlocks::hold(Waiter& waiter) {
  const auto [held, is_new] = held_.try_emplace(&waiter);
  if (is_new) budget_.users[&waiter].push_back(this);
  return held->second;
}

Outcome FileBlocks::wait_for_event(Waiter& waiter) {
  hold(waiter);
  if (std::ranges::find(events_, &waiter) == events_.end()) events_.push_back(&waiter);
  return Outcome::wait();
}

void FileBlocks::wake_waiting() {
  for (Waiter* waiter : std::exchange(events_, {})) waiter->wake();
  for (Waiter* waiter : std::exchange(budget_.waiting, {})) waiter->wake();
}

void FileBlocks::release(Waiter& waiter) {
  const auto found = held_.extract(&waiter);
  if (found.empty()) return;
  std::erase(events_, &waiter);
  for (const auto& load : loads_) std::erase(load->waiting, &waiter);
  for (const std::uint64_t index : found.mapped().pins) {
    Entry& entry = entries_.at(index);
    if (--entry.pins == 0) set_idle(index, entry);
  }
  let_go(waiter);
}

void FileBlocks::let_go(const Waiter& waiter) {
  if (alone_ != &waiter) return;
  alone_ = nullptr;
  wake_waiting();
}

void FileBlocks::end_reading() {
  if (--readers_ == 0) wake_waiting();
}

Outcome FileBlocks::fail(Waiter& waiter) const {
  waiter.message = failure_;
  return Outcome::fail(Status::io_error);
}

Outcome FileBlocks::admit(Waiter& waiter) {
  return alone_ != nullptr && alone_ != &waiter ? wait_for_event(waiter) : Outcome::ready();
}

Outcome FileBlocks::admit_change(Waiter& waiter) {
  if (failed()) return fail(waiter);
  return readers_ > 0 ? wait_for_event(waiter) : admit(waiter);
}

/// Ready: nothing of the file is under way, and nobody else begins anything before the waiter lets go.
Outcome FileBlocks::be_alone(Waiter& waiter) {
  if (const Outcome admitted = admit_change(waiter); !admitted.is_ready()) return admitted;
  hold(waiter);
  alone_ = &waiter;
  return at_rest() && dirty_.empty() ? Outcome::ready() : wait_for_event(waiter);
}

// ── Blocks in memory ─────────────────────────────────────────────────────────────────────────────────────────────

/// Nobody needs it any more.
void FileBlocks::set_idle(std::uint64_t index, Entry& entry) {
  if (entry.pins > 0 || entry.since != 0 || entry.is_writing || entry.is_idle || entry.load != nullptr) return;
  entry.is_idle = true;
  entry.place = budget_.idle.emplace(budget_.idle.end(), this, index);
  if (budget_.idle.size() <= FileBudget::most_idle) return;
  const auto [owner, oldest] = budget_.idle.front();
  budget_.idle.pop_front();
  owner->evict(oldest);
}

void FileBlocks::set_used(Entry& entry) {
  if (std::exchange(entry.is_idle, false)) budget_.idle.erase(entry.place);
}

Outcome FileBlocks::fetch(Waiter& waiter, std::uint64_t offset, std::uint64_t count) {
  return fetch_blocks(waiter, offset / block_size, (offset + (count - 1)) / block_size);
}

Outcome FileBlocks::fetch_blocks(Waiter& waiter, std::uint64_t first, std::uint64_t last) {
  if (const Outcome admitted = admit(waiter); !admitted.is_ready()) return admitted;
  Held& held = hold(waiter);
  if (const int error = std::exchange(held.error, 0); error != 0) {
    waiter.message = fmt::format("the file could not be read: {}", std::strerror(error));
    return Outcome::fail(Status::io_error);
  }
  std::vector<std::uint64_t> missing;
  bool waits = false;
  for (std::uint64_t index = first; index <= last; ++index) {
    const auto [found, is_new] = entries_.try_emplace(index);
    Entry& entry = found->second;
    if (held.pins.insert(index).second) ++entry.pins;
    set_used(entry);
    if (is_new) {
      entry.bytes = make_block();
      missing.push_back(index);
    } else if (entry.load != nullptr) {
      auto& waiting = entry.load->waiting;
      if (std::ranges::find(waiting, &waiter) == waiting.end()) waiting.push_back(&waiter);
      waits = true;
    }
  }
  start_loads(waiter, missing);
  return waits || !missing.empty() ? Outcome::wait() : Outcome::ready();
}

void FileBlocks::start_loads(Waiter& waiter, const std::vector<std::uint64_t>& missing) {
  for (std::size_t n = 0; n < missing.size();) {
    Request& load = *loads_.emplace_back(std::make_unique<Request>(*this, io::DiskRequest::Kind::read));
    load.first_block = missing[n];
    load.waiting.push_back(&waiter);
    do {
      Entry& entry = entries_.at(missing[n]);
      entry.load = &load;
      load.places.push_back(entry.bytes->data());
      ++n;
    } while (n < missing.size() && missing[n] == missing[n - 1] + 1 && load.places.size() < io::Disk::most_blocks);
    load.buffers = load.places;
    file_->start(load, length_);
  }
}

void FileBlocks::finished(Request& request) {
  switch (request.kind) {
    case io::DiskRequest::Kind::read: return loaded(request);
    case io::DiskRequest::Kind::write: return written(request);
    case io::DiskRequest::Kind::flush: return flushed(request);
    case io::DiskRequest::Kind::discard: assert(false && "a served file is punched at once");
  }
}

void FileBlocks::loaded(Request& load) {
  for (std::uint64_t index = load.first_block; index < load.first_block + load.places.size(); ++index) {
    Entry& entry = entries_.at(index);
    entry.load = nullptr;
    if (load.error == 0) {
      set_idle(index, entry);
      continue;
    }
    for (auto& [waiter, held] : held_) held.pins.erase(index);
    entries_.erase(index);
  }
  const std::vector<Waiter*> waiting = std::move(load.waiting);
  for (Waiter* waiter : waiting) {
    if (load.error != 0) hold(*waiter).error = load.error;
  }
  std::erase_if(loads_, [&](const auto& other) { return other.get() == &load; });
  for (Waiter* waiter : waiting) waiter->wake();
  if (at_rest()) wake_waiting();
}

/// Whoever overwrites a block waits for those who read it from the file just now.
Outcome FileBlocks::wait_for_loads(Waiter& waiter, std::uint64_t first, std::uint64_t last) {
  bool waits = false;
  for (const auto& load : loads_) {
    if (load->first_block > last || load->first_block + load->places.size() <= first) continue;
    hold(waiter);
    if (std::ranges::find(load->waiting, &waiter) == load->waiting.end()) load->waiting.push_back(&waiter);
    waits = true;
  }
  return waits ? Outcome::wait() : Outcome::ready();
}

Outcome FileBlocks::check_reach(Waiter& waiter, std::uint64_t offset, std::uint64_t count) const {
  if (offset + count <= std::max(length_, file_->most_length())) return Outcome::ready();
  waiter.message = fmt::format("the file may have {} bytes at most, where it lies", file_->most_length());
  return Outcome::fail(Status::no_space);
}

Outcome FileBlocks::prepare(Waiter& waiter, std::uint64_t offset, std::uint64_t count) {
  if (const Outcome admitted = admit_change(waiter); !admitted.is_ready()) return admitted;
  if (const Outcome reach = check_reach(waiter, offset, count); !reach.is_ready()) return reach;
  const std::uint64_t first = offset / block_size;
  const std::uint64_t last = (offset + (count - 1)) / block_size;
  if (budget_.dirty > 0 && budget_.dirty + (last - first + 1) > FileBudget::most_dirty) {
    hold(waiter);
    budget_.waiting.push_back(&waiter);
    return Outcome::wait();
  }
  const bool first_whole = offset % block_size == 0 && (first != last || (offset + count) % block_size == 0);
  const bool last_whole = (offset + count) % block_size == 0 && (first != last || offset % block_size == 0);
  const Outcome head = first_whole ? Outcome::ready() : fetch_blocks(waiter, first, first);
  if (!head.is_ready() && !head.waits()) return head;
  const Outcome tail = last_whole || first == last ? Outcome::ready() : fetch_blocks(waiter, last, last);
  if (!tail.is_ready()) return tail;
  if (!head.is_ready()) return head;
  return wait_for_loads(waiter, first, last);
}

void FileBlocks::read(std::uint64_t offset, std::span<std::uint8_t> out) const {
  for (std::size_t done = 0; done < out.size();) {
    const std::size_t within = (offset + done) % block_size;
    const std::size_t size = std::min(block_size - within, out.size() - done);
    std::memcpy(&out[done], entries_.at((offset + done) / block_size).bytes->data() + within, size);
    done += size;
  }
}

/// The block, its bytes to be changed: from now on they have to be written.
FileBlocks::Entry& FileBlocks::changed(std::uint64_t index) {
  Entry& entry = entries_[index];
  assert(entry.load == nullptr);
  set_used(entry);
  if (entry.bytes == nullptr || entry.bytes.use_count() > 1) {
    auto own = make_block();
    if (entry.bytes != nullptr) *own = *entry.bytes;
    entry.bytes = std::move(own);
  }
  ++changes_;
  if (entry.since != 0) return entry;
  entry.since = changes_;
  dirty_.emplace(changes_, index);
  if (!entry.is_writing) ++budget_.dirty, ++dirty_count_;
  return entry;
}

void FileBlocks::write(std::uint64_t offset, std::span<const std::uint8_t> bytes) {
  if (fixed_length()) bytes = bytes.first(std::min<std::size_t>(bytes.size(), length_ - std::min(length_, offset)));
  for (std::size_t done = 0; done < bytes.size();) {
    const std::size_t within = (offset + done) % block_size;
    const std::size_t size = std::min(block_size - within, bytes.size() - done);
    std::memcpy(changed((offset + done) / block_size).bytes->data() + within, &bytes[done], size);
    done += size;
  }
  length_ = std::max(length_, offset + bytes.size());
}

/// What is in memory of this range of the file, which holds zeros now.
void FileBlocks::zero(std::uint64_t offset, std::uint64_t count) {
  for (auto& [index, entry] : entries_) {
    const std::uint64_t begin = std::max(index * block_size, offset);
    const std::uint64_t end = std::min((index + 1) * block_size, offset + count);
    if (begin < end) std::memset(entry.bytes->data() + begin % block_size, 0, end - begin);
  }
}

// ── Whole operations ─────────────────────────────────────────────────────────────────────────────────────────────

Outcome FileBlocks::set_length(Waiter& waiter, std::uint64_t length) {
  if (const Outcome alone = be_alone(waiter); !alone.is_ready()) return alone;
  const int error = change_length(length);
  let_go(waiter);
  if (error == 0) return Outcome::ready();
  waiter.message = fmt::format("the file's length could not be set: {}", std::strerror(error));
  return Outcome::fail(error == ENOSPC || error == EFBIG || error == EDQUOT ? Status::no_space : Status::io_error);
}

Outcome FileBlocks::set_committed_length(Waiter& waiter, std::uint64_t length) {
  if (const Outcome alone = be_alone(waiter); !alone.is_ready()) return alone;
  if (const int error = change_length(length); error != 0) set_failed("given its length", error);
  let_go(waiter);
  return failed() ? fail(waiter) : Outcome::ready();
}

int FileBlocks::change_length(std::uint64_t length) {
  if (const int error = file_->set_length(length); error != 0) return error;
  if (length < length_) zero(length, (length_ + block_size - 1) / block_size * block_size - length);
  length_ = length;
  ++changes_;
  return 0;
}

Outcome FileBlocks::clear(Waiter& waiter, std::uint64_t offset, std::uint64_t count) {
  if (offset >= length_ || count == 0) return Outcome::ready();
  const std::uint64_t end = std::min(length_, offset + count);
  const std::uint64_t first_whole = std::min(end, (offset + block_size - 1) / block_size * block_size);
  const std::uint64_t past_whole = std::max(first_whole, end / block_size * block_size);
  // Blocks at the edges that keep some bytes are written.
  const std::pair<std::uint64_t, std::uint64_t> edges[] = {{offset, first_whole}, {past_whole, end}};
  bool waits = false;
  for (const auto& [from, to] : edges) {
    const Outcome prepared = from < to ? prepare(waiter, from, to - from) : Outcome::ready();
    if (!prepared.is_ready() && !prepared.waits()) return prepared;
    waits = waits || prepared.waits();
  }
  if (waits) return Outcome::wait();
  if (first_whole < past_whole) {
    const Outcome cleared = clear_whole(waiter, first_whole, past_whole);
    if (!cleared.is_ready()) return cleared;
  }
  constexpr std::uint8_t zeros[block_size] = {};
  for (const auto& [from, to] : edges) write(from, {zeros, static_cast<std::size_t>(to - from)});
  let_go(waiter);
  return Outcome::ready();
}

/// Whole blocks, a piece a run. Where none can be punched zeros are written, but not into the holes that are there: a
/// file may be far longer than what is in it.
Outcome FileBlocks::clear_whole(Waiter& waiter, std::uint64_t offset, std::uint64_t end) {
  class Cleared final : public Progress {
   public:
    std::uint64_t up_to = 0;
    bool by_writing = false;
  };
  const std::uint64_t punched_piece = std::max<std::uint64_t>(1u << 30, length_ / 1024 / block_size * block_size);
  constexpr std::uint64_t written_piece = 1ull << 20;
  if (waiter.progress == nullptr) waiter.progress = std::make_unique<Cleared>();
  auto& progress = static_cast<Cleared&>(*waiter.progress);
  progress.up_to = std::max(progress.up_to, offset);
  if (progress.up_to >= end) return Outcome::ready();
  if (const Outcome alone = be_alone(waiter); !alone.is_ready()) return alone;
  if (!progress.by_writing) {
    const std::uint64_t size = std::min(punched_piece, end - progress.up_to);
    const int error = file_->punch(progress.up_to, size);
    progress.by_writing = error == EOPNOTSUPP || error == EINVAL;
    if (error != 0 && !progress.by_writing) {
      let_go(waiter);
      waiter.message = fmt::format("the file could not be cleared: {}", std::strerror(error));
      return Outcome::fail(error == ENOSPC ? Status::no_space : Status::io_error);
    }
    if (error == 0) {
      zero(progress.up_to, size);
      progress.up_to += size;
      ++changes_;
    }
  }
  if (progress.by_writing) {
    const io::File::Run run = file_->run_at(progress.up_to);
    const std::uint64_t hole_end = run.is_hole ? std::min(run.end, end) / block_size * block_size : 0;
    const std::uint64_t size = std::min(written_piece, end - progress.up_to);
    if (hole_end <= progress.up_to) {
      write(progress.up_to, std::vector<std::uint8_t>(size));
      progress.up_to += size;
    } else {
      zero(progress.up_to, hole_end - progress.up_to);
      progress.up_to = hole_end;
    }
  }
  if (progress.up_to >= end) return Outcome::ready();
  waiter.wake();
  return Outcome::wait();
}

void FileBlocks::extents(std::uint64_t offset, std::uint64_t count, std::vector<Extent>& out) {
  const std::uint64_t end = offset + count;
  for (std::uint64_t at = offset; at < end;) {
    io::File::Run run = file_->run_at(at);
    run.end = std::clamp(run.end, at + 1, end);
    const auto is_inside = [&](const auto& other) {
      const bool is_on_its_way = other.second.since != 0 || other.second.is_writing;
      return is_on_its_way && other.first * block_size < run.end && (other.first + 1) * block_size > at;
    };
    const bool is_hole = run.is_hole && std::ranges::none_of(entries_, is_inside);
    const std::uint32_t flags = is_hole ? Extent::hole | Extent::zeros : 0;
    if (!out.empty() && out.back().flags == flags) {
      out.back().length += run.end - at;
    } else if (out.size() == limits::most_extents) {
      return;
    } else {
      out.push_back({run.end - at, flags});
    }
    at = run.end;
  }
}

}  // namespace chimera::devices
