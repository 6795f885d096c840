// What becomes of requests that are under way: the memory that they take, what they wait for, and their ends.

#include "nbd/under_way.h"

#include <algorithm>
#include <utility>

#include "io/clock.h"
#include "isa/limits.h"

namespace chimera::nbd {
namespace {

using Bytes = std::span<const std::uint8_t>;

/// Bytes that the request holds in memory while it is under way.
std::uint64_t moved_bytes(const Request& request) {
  switch (request.command) {
    case Command::read:
    case Command::write: return request.length;
    case Command::cache:
    case Command::write_zeroes: return std::min(request.length, step_bytes);
    default: return 0;
  }
}

/// Of the machine's answer, of the same as numbers, and of the reply.
std::uint64_t bytes_of_extents(const Request& request) {
  constexpr std::uint64_t each = 12 + sizeof(Extent) + 16;
  const bool is_in_payload = request.has(command_flags::payload_length);
  const std::uint64_t blocks = is_in_payload ? limits::most_extents : request.length / limits::block_size + 2;
  return each * std::min<std::uint64_t>(limits::most_extents, blocks);
}

}  // namespace

// Memory. A request that waits for it holds up those behind it of the same client, and none that has begun: all of
// those have come whole, and need nothing more to end but the machine, and the client to take its replies.

/// What a request takes at most while it is under way.
std::uint64_t Transmission::memory_of(const Request& request) const {
  const std::uint64_t bytes =
      request.command == Command::block_status ? bytes_of_extents(request) : moved_bytes(request);
  return session_bytes + (machine_.store().serves_files() ? 2 * bytes : bytes);
}

bool Transmission::may_begin(const Request& request) {
  if (claim_.is_held()) return true;
  const std::uint64_t bytes = memory_of(request);
  return bytes <= free_bytes - free_used_ || claim_.ask(transfers_, bytes, *this);
}

/// Gives back what belongs to replies that have left.
void Transmission::settle_output() {
  if (output_.size() >= worthwhile) return;
  output_.fit();
  output_claim_.give_back();
  free_used_ -= std::exchange(output_free_used_, 0);
}

bool Transmission::holds_transfer() const {
  return claim_.is_held() || output_claim_.is_held() ||
         std::ranges::any_of(works_, [](const auto& work) { return work->claim.is_held(); }) ||
         std::ranges::any_of(reads_, [](const auto& read) { return read->claim.is_held(); });
}

// What is under way.

void Transmission::charge(UnderWay& one, const Request& request) {
  one.request = request;
  one.began_ns = arrived_ns_;
  one.free_used = claim_.is_held() ? 0 : memory_of(request);
  one.claim.add(std::move(claim_));
  free_used_ += one.free_used;
  ++busy_;
  busy_bytes_ += moved_bytes(request);
}

/// Its reply is in the output.
void Transmission::settle(UnderWay& one) {
  --busy_;
  busy_bytes_ -= moved_bytes(one.request);
  output_claim_.add(std::move(one.claim));
  output_free_used_ += one.free_used;
  settle_output();
}

Transmission::Work& Transmission::spare_work() {
  if (free_works_.empty()) {
    works_.push_back(std::make_unique<Work>(*this));
    free_works_.push_back(works_.back().get());
  }
  Work& work = *free_works_.back();
  free_works_.pop_back();
  work.done = work.covered = 0;
  return work;
}

Transmission::Work& Transmission::occupy(const Request& request) {
  Work& work = spare_work();
  charge(work, request);
  return work;
}

void Transmission::release(Work& work) {
  // One of them is counted as the flush itself.
  if (!work.gathered.empty()) busy_ -= work.gathered.size() - 1;
  work.gathered.clear();
  settle(work);
  if (free_works_.size() < most_free_works) return free_works_.push_back(&work);
  std::erase_if(works_, [&work](const auto& one) { return one.get() == &work; });
}

void Transmission::step(Work& work) {
  program_.clear();
  work.covered = compile(work.request, agreement_, work.done, program_);
  work.run(program_);
}

void Transmission::proceed() {
  if (!has_more_replies()) return;
  const std::uint64_t now_ns = io::monotonic_ns();
  // In turns: neither kind shall wait until there are no more of the other.
  std::size_t reads = 0;
  std::size_t works = 0;
  while (may_reply() && (reads < arrived_reads_.size() || works < finished_.size())) {
    const bool is_read = works == finished_.size() || (is_reads_turn_ && reads < arrived_reads_.size());
    is_reads_turn_ = !is_read;
    if (is_read) {
      proceed(*arrived_reads_[reads++], now_ns);
    } else {
      proceed(*finished_[works++], now_ns);
    }
  }
  arrived_reads_.erase(arrived_reads_.begin(), arrived_reads_.begin() + static_cast<std::ptrdiff_t>(reads));
  finished_.erase(finished_.begin(), finished_.begin() + static_cast<std::ptrdiff_t>(works));
  if (output().empty()) return;
  // While the client takes its time others may need the memory.
  for (WaitingRead* const read : arrived_reads_) read->end();
}

/// What the read has missed is on its way into memory.
bool Transmission::fetch(WaitingRead& read, const Request& request) {
  return at_once_->fetch(agreement_.target.device, request.offset, request.length, read);
}

/// True if the request is a read that waits now for what it misses.
bool Transmission::wait_for_disk(const Request& request) {
  if (request.command != Command::read || request.length > most_at_once) return false;
  if (free_reads_.empty()) {
    reads_.push_back(std::make_unique<WaitingRead>(*this));
    free_reads_.push_back(reads_.back().get());
  }
  WaitingRead& read = *free_reads_.back();
  if (!fetch(read, request)) return false;
  free_reads_.pop_back();
  charge(read, request);
  read.tries = 0;
  return true;
}

/// A map that was missing comes before its blocks. What has been pushed out again, or cannot be had at all, is left to
/// a session.
void Transmission::proceed(WaitingRead& read, std::uint64_t now_ns) {
  constexpr unsigned most_tries = 6;
  const bool is_replied = reply_from_memory(read.request);
  read.end();
  if (is_replied) {
    measure(read, read.request, now_ns);
    free_reads_.push_back(&read);
    return settle(read);
  }
  if (!read.has_failed() && ++read.tries < most_tries && fetch(read, read.request)) return;
  free_reads_.push_back(&read);
  Work& work = spare_work();
  work.take_over(read);
  step(work);
}

Transmission::Bytes Transmission::output() const {
  return output_.empty() && lent_ != nullptr ? lent_->answers().last(lent_left_) : output_.bytes();
}

void Transmission::sent(std::size_t size) {
  moved_ = 0;
  if (!output_.empty() || lent_ == nullptr) {
    output_.drop(size);
    settle_output();
    if (output_.empty() && has_more_replies()) changed_();
    return;
  }
  lent_left_ -= size;
  if (lent_left_ > 0) return;
  Work& work = *std::exchange(lent_, nullptr);
  work.take();
  release(work);
  proceed();
}

void Transmission::measure(const UnderWay& one, const Request& request, std::uint64_t now_ns) {
  statistics_.durations[Statistics::group_of(std::to_underlying(request.command))].add(now_ns - one.began_ns);
}

void Transmission::proceed(Work& work, std::uint64_t now_ns) {
  const Bytes answers = work.answers();
  work.done += work.covered;
  const bool has_failed = answers[0] != 0;
  if (!has_failed && work.done < work.request.length) {
    work.take();
    return step(work);
  }
  if (work.gathered.empty()) {
    measure(work, work.request, now_ns);
    reply(work, answers);
  }
  for (const Request& write : work.gathered) {
    measure(work, write, now_ns);
    reply_outcome(write, answers, /*has_begun=*/true);
  }
  if (lent_ == &work) return;
  work.take();
  release(work);
}

}  // namespace chimera::nbd
