// What becomes of requests that are under way: the memory that they take, what they wait for, and their ends.

#include "nbd/under_way.h"

#include <algorithm>
#include <utility>

#include "io/clock.h"
#include "isa/answer.h"
#include "isa/limits.h"

namespace chimera::nbd {
namespace {

using Bytes = std::span<const std::uint8_t>;

/// The first failure among answers without results, or the last answer.
Answer overall(Bytes answers) {
  Answer answer;
  Instruction instruction;
  instruction.operation = Operation::flush_device;
  while (!answers.empty() && answer.ok()) {
    const ParsedAnswer parsed = parse_answer(instruction, answers, answer);
    answers = answers.subspan(static_cast<std::size_t>(parsed.size));
  }
  return answer;
}

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
         std::ranges::any_of(awaited_, [](const auto& read) { return read->claim.is_held(); });
}

// What is under way.

void Transmission::hold(Held& held, const Request& request) {
  held.request = request;
  held.began_ns = arrived_ns_;
  held.free_used = claim_.is_held() ? 0 : memory_of(request);
  held.claim.add(std::move(claim_));
  free_used_ += held.free_used;
  ++busy_;
  busy_bytes_ += moved_bytes(request);
}

/// Its reply is in the output.
void Transmission::let_go(Held& held) {
  --busy_;
  busy_bytes_ -= moved_bytes(held.request);
  output_claim_.add(std::move(held.claim));
  output_free_used_ += held.free_used;
  settle_output();
}

Transmission::Work& Transmission::spare_work() {
  if (free_.empty()) {
    works_.push_back(std::make_unique<Work>(*this));
    free_.push_back(works_.back().get());
  }
  Work& work = *free_.back();
  free_.pop_back();
  work.done = work.covered = 0;
  return work;
}

Transmission::Work& Transmission::occupy(const Request& request) {
  Work& work = spare_work();
  hold(work, request);
  return work;
}

void Transmission::release(Work& work) {
  busy_ -= std::max<std::size_t>(work.gathered.size(), 1) - 1;
  work.gathered.clear();
  let_go(work);
  if (free_.size() < most_free_works) return free_.push_back(&work);
  std::erase_if(works_, [&work](const auto& one) { return one.get() == &work; });
}

void Transmission::step(Work& work) {
  program_.clear();
  work.covered = compile(work.request, agreement_, work.done, program_);
  work.run(program_);
}

void Transmission::proceed() {
  if (!is_behind()) return;
  const std::uint64_t now_ns = io::monotonic_ns();
  // While the client takes its time others may need the memory.
  for (Awaited* const read : arrived_) read->end();
  std::size_t count = 0;
  while (may_reply() && count < arrived_.size()) proceed(*arrived_[count++], now_ns);
  arrived_.erase(arrived_.begin(), arrived_.begin() + static_cast<std::ptrdiff_t>(count));
  count = 0;
  while (may_reply() && count < finished_.size()) proceed(*finished_[count++], now_ns);
  finished_.erase(finished_.begin(), finished_.begin() + static_cast<std::ptrdiff_t>(count));
}

/// True if the request is a short read, and what it misses is on its way into memory.
bool Transmission::await(const Request& request) {
  if (request.command != Command::read || request.length > longest_short) return false;
  if (free_awaited_.empty()) {
    awaited_.push_back(std::make_unique<Awaited>(*this));
    free_awaited_.push_back(awaited_.back().get());
  }
  Awaited& read = *free_awaited_.back();
  if (!at_once_->fetch(agreement_.target.device, request.offset, request.length, read)) return false;
  free_awaited_.pop_back();
  hold(read, request);
  read.tries = 0;
  return true;
}

/// A map that was missing comes before its blocks. What has been pushed out again, or cannot be had at all, is left to
/// a session.
void Transmission::proceed(Awaited& read, std::uint64_t now_ns) {
  constexpr unsigned most_tries = 8;
  const bool is_there = reply_from_memory(read.request);
  if (is_there) measure(read, read.request, now_ns);
  const Export& target = agreement_.target;
  const bool goes_on = !is_there && !read.has_failed() && ++read.tries < most_tries &&
                       at_once_->fetch(target.device, read.request.offset, read.request.length, read);
  if (goes_on) return;
  free_awaited_.push_back(&read);
  if (is_there) return let_go(read);
  Work& work = spare_work();
  work.request = read.request;
  work.began_ns = read.began_ns;
  work.free_used = read.free_used;
  work.claim.add(std::move(read.claim));
  step(work);
}

Transmission::Bytes Transmission::output() const {
  return output_.empty() && lent_ != nullptr ? lent_->answers().last(lent_left_) : output_.bytes();
}

void Transmission::sent(std::size_t size) {
  moved_ = 0;
  if (!output_.empty() || lent_ == nullptr) {
    output_.drop(size);
    return settle_output();
  }
  lent_left_ -= size;
  if (lent_left_ > 0) return;
  Work& work = *std::exchange(lent_, nullptr);
  work.take();
  release(work);
  proceed();
}

void Transmission::measure(const Held& held, const Request& request, std::uint64_t now_ns) {
  statistics_.durations[Statistics::group_of(std::to_underlying(request.command))].add(now_ns - held.began_ns);
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
    reply_outcome(write, answers);
  }
  if (lent_ == &work) return;
  work.take();
  release(work);
}

// Replies.

void Transmission::reply(Work& work, Bytes answers) {
  const Request& request = work.request;
  const auto command = std::to_underlying(request.command);
  if (request.command == Command::read && answers[0] == 0) {
    statistics_.count_bytes(command, request.length);
    return reply_data(work, answers.subspan(1));
  }
  if (request.command == Command::block_status && answers[0] == 0) return reply_status(request, answers);
  // What a step of a cache request has read is not looked at.
  reply_outcome(request, request.command == Command::cache && answers[0] == 0 ? answers.first(1) : answers);
}

/// Of answers without results.
void Transmission::reply_outcome(const Request& request, Bytes answers) {
  const Answer answer = overall(answers);
  if (!answer.ok()) return reply_error(request, error_of(answer.status, request), answer.message);
  statistics_.count_bytes(std::to_underlying(request.command), request.length);
  reply_success(request);
}

void Transmission::reply_data(Work& work, Bytes data) {
  put_data_head(work.request, data.size());
  if (data.size() < worthwhile) return output_.append(data);
  lent_ = &work;
  lent_left_ = data.size();
}

}  // namespace chimera::nbd
