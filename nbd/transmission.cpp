#include "nbd/transmission.h"

#include <algorithm>
#include <array>
#include <utility>

#include "io/clock.h"
#include "isa/answer.h"
#include "isa/limits.h"

namespace chimera::nbd {
namespace {

using Bytes = std::span<const std::uint8_t>;

/// Of a block status: how far it shall reach, and contexts. More than that names some twice.
constexpr std::uint64_t longest_contexts = 4096;

/// Of longer transfers the look-ups are not what counts.
constexpr std::uint64_t longest_approached = 16 << 10;

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

/// A session, and the request that it carries out now.
class Transmission::Work final : public Errand {
 public:
  explicit Work(Transmission& transmission) : Errand(transmission.machine_), transmission_(transmission) {}

  Request request;
  std::uint64_t done = 0;     ///< bytes of the request that steps have covered
  std::uint64_t covered = 0;  ///< that this one covers
  vm::TransferBudget::Claim claim;
  std::uint64_t free_used = 0;  ///< of free_bytes, if there is no claim
  std::uint64_t began_ns = 0;   ///< when all of the request had come

 private:
  void ended() override {
    transmission_.finished_.push_back(this);
    transmission_.changed_();
  }

  Transmission& transmission_;
};

Transmission::Transmission(vm::Machine& machine, Agreement agreement, vm::TransferBudget& transfers,
                           Statistics& statistics, vm::ByteQueue& output, std::function<void()> changed)
    : machine_(machine),
      agreement_(std::move(agreement)),
      transfers_(transfers),
      statistics_(statistics),
      output_(output),
      changed_(std::move(changed)),
      at_once_(machine.connect()) {}

Transmission::~Transmission() = default;

// Requests in.

/// The clock is looked at once for all that has come together, and once for what of it is replied to at once.
std::size_t Transmission::take(Bytes input) {
  if (input.empty()) return 0;
  if (arrived_ns_ == 0) arrived_ns_ = io::monotonic_ns();
  std::size_t taken = 0;
  std::size_t approached = 0;
  while (!has_ended_) {
    const Bytes rest = input.subspan(taken);
    if (taken >= approached && payload_left_ == 0) approached = taken + approach(rest);
    const std::size_t consumed = payload_left_ > 0 ? take_payload(rest) : take_header(rest);
    if (consumed == 0) break;
    taken += consumed;
  }
  measure_at_once();
  // What is left has come already only if it waits for us.
  if (taken == input.size() || !is_full()) arrived_ns_ = 0;
  return has_ended_ ? input.size() : taken;
}

void Transmission::note_at_once(const Request& request) {
  ++replied_[Statistics::group_of(std::to_underlying(request.command))];
}

void Transmission::measure_at_once() {
  if (replied_ == Statistics::Groups{}) return;
  const std::uint64_t duration_ns = io::monotonic_ns() - arrived_ns_;
  for (std::size_t group = 0; group < replied_.size(); ++group) {
    for (; replied_[group] > 0; --replied_[group]) statistics_.durations[group].add(duration_ns);
  }
}

/// The next few short transfers, if they have come whole: what their look-ups need is fetched side by side. Returns the
/// size of those that it has looked at.
std::size_t Transmission::approach(Bytes input) {
  const std::size_t header = agreement_.has_extended_headers ? extended_request_size : request_size;
  std::array<std::uint64_t, vm::Session::most_approached> offsets;
  std::size_t count = 0;
  std::size_t size = 0;
  while (count < offsets.size() && input.size() - size >= header && !is_full()) {
    const std::optional<Request> request = parse_request(input.subspan(size), agreement_.has_extended_headers);
    if (!request || request->length > longest_approached) break;
    if (request->command != Command::read && request->command != Command::write) break;
    const std::uint64_t whole = header + payload_of(*request, agreement_.has_extended_headers);
    if (input.size() - size < whole) break;
    offsets[count++] = request->offset;
    size += whole;
  }
  if (count > 1) at_once_->approach(agreement_.target.device, std::span(offsets).first(count));
  return size;
}

std::size_t Transmission::take_header(Bytes input) {
  const bool is_extended = agreement_.has_extended_headers;
  const std::size_t size = is_extended ? extended_request_size : request_size;
  wanted_ = 0;
  if (input.size() < size || is_full()) return 0;
  const std::optional<Request> request = parse_request(input, is_extended);
  if (!request || request->command == Command::disconnect) {
    if (request) statistics_.count(std::to_underlying(request->command));
    has_ended_ = true;
  } else {
    fault_ = find_fault(*request, agreement_);
    if (fault_ == Error::none && !may_begin(*request)) return 0;
    const std::uint64_t payload = payload_of(*request, is_extended);
    if (may_be_at_once(*request) && input.size() - size < payload) {
      wanted_ = size + static_cast<std::size_t>(payload);
      return 0;
    }
    return size + begin(*request, input.subspan(size));
  }
  return size;
}

/// Returns how much of what has come behind the header belongs to the request, if it is over already.
std::size_t Transmission::begin(const Request& request, Bytes behind) {
  statistics_.count(std::to_underlying(request.command));
  taken_ = request;
  payload_left_ = payload_of(request, agreement_.has_extended_headers);
  if (may_be_at_once(request) && answer_at_once(request, behind.first(payload_left_))) {
    note_at_once(request);
    return static_cast<std::size_t>(std::exchange(payload_left_, 0));
  }
  if (fault_ == Error::none && request.command == Command::write) {
    filling_ = &occupy(request);
    filling_->covered = request.length;
    filling_->expect(static_cast<std::size_t>(request.length) + 64);
    filling_->feed(compile_write(request, agreement_));
  }
  if (payload_left_ == 0) end_payload();
  return 0;
}

/// As far as its header tells.
bool Transmission::may_be_at_once(const Request& request) const {
  if (fault_ != Error::none || request.length > most_at_once) return false;
  if (request.command == Command::read) return true;
  return request.command == Command::write && !request.has(command_flags::fua);
}

/// Replies to a request that has come whole, if it has to wait for nothing. Otherwise nothing has happened.
bool Transmission::answer_at_once(const Request& request, Bytes payload) {
  if (request.command == Command::read) return read_at_once(request);
  if (!at_once_->write_at_once(agreement_.target.device, request.offset, payload)) return false;
  reply_success(request);
  moved_ += request.length;
  statistics_.count_bytes(std::to_underlying(Command::write), request.length);
  claim_.give_back();
  return true;
}

/// Right into the output, behind where the reply's head will stand.
bool Transmission::read_at_once(const Request& request) {
  const std::size_t head = data_head_size();
  const auto size = static_cast<std::size_t>(request.length);
  std::uint8_t* const room = output_.room(head + size);
  if (!at_once_->read_at_once(agreement_.target.device, request.offset, {room + head, size})) return false;
  put_data_head(request, size);
  output_.commit(size);
  moved_ += size;
  statistics_.count_bytes(std::to_underlying(Command::read), size);
  output_claim_.add(std::move(claim_));
  return true;
}

std::size_t Transmission::take_payload(Bytes input) {
  const std::size_t size = std::min<std::uint64_t>(payload_left_, input.size());
  if (is_filling()) {
    filling_->feed(input.first(size));
  } else if (taken_.command == Command::block_status && contexts_.size() + size <= longest_contexts) {
    contexts_.insert(contexts_.end(), input.begin(), input.begin() + static_cast<std::ptrdiff_t>(size));
  }
  payload_left_ -= size;
  if (size > 0 && payload_left_ == 0) end_payload();
  return size;
}

/// All of the request has come.
void Transmission::end_payload() {
  if (fault_ != Error::none) {
    note_at_once(taken_);
    reply_error(taken_, fault_, "");
  } else if (is_filling()) {
    Work& work = *std::exchange(filling_, nullptr);
    work.began_ns = arrived_ns_;
    program_.clear();
    compile(work.request, agreement_, work.request.length, program_);
    work.run(program_);
  } else if (taken_.command == Command::block_status && taken_.has(command_flags::payload_length)) {
    begin_status_of_contexts();
  } else {
    step(occupy(taken_));
  }
  contexts_.clear();
  claim_.give_back();
}

/// The payload says how far it shall reach and which contexts are wanted.
void Transmission::begin_status_of_contexts() {
  constexpr std::size_t id_size = sizeof(std::uint32_t);
  const bool is_list =
      contexts_.size() == taken_.length && contexts_.size() >= 8 + id_size && contexts_.size() % 4 == 0;
  bool is_known = is_list;
  for (std::size_t at = 8; is_known && at < contexts_.size(); at += id_size) {
    is_known = load_big<std::uint32_t>(contexts_.data() + at) == allocation_context && at == 8;
  }
  Request request = taken_;
  if (is_known) request.length = load_big<std::uint64_t>(contexts_.data());
  request.flags &= static_cast<std::uint16_t>(~command_flags::payload_length);
  const Error fault = is_known ? find_fault(request, agreement_) : Error::invalid;
  if (fault != Error::none) {
    note_at_once(taken_);
    return reply_error(taken_, fault, "");
  }
  step(occupy(request));
}

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
         std::ranges::any_of(works_, [](const auto& work) { return work->claim.is_held(); });
}

// Work.

Transmission::Work& Transmission::occupy(const Request& request) {
  if (free_.empty()) {
    works_.push_back(std::make_unique<Work>(*this));
    free_.push_back(works_.back().get());
  }
  Work& work = *free_.back();
  free_.pop_back();
  work.request = request;
  work.done = work.covered = 0;
  work.began_ns = arrived_ns_;
  work.free_used = claim_.is_held() ? 0 : memory_of(request);
  work.claim.add(std::move(claim_));
  free_used_ += work.free_used;
  ++busy_;
  busy_bytes_ += moved_bytes(request);
  return work;
}

void Transmission::release(Work& work) {
  --busy_;
  busy_bytes_ -= moved_bytes(work.request);
  output_claim_.add(std::move(work.claim));
  output_free_used_ += work.free_used;
  settle_output();
  if (free_.size() < most_free_works) return free_.push_back(&work);
  std::erase_if(works_, [&work](const auto& one) { return one.get() == &work; });
}

void Transmission::step(Work& work) {
  program_.clear();
  work.covered = compile(work.request, agreement_, work.done, program_);
  work.run(program_);
}

void Transmission::proceed() {
  if (finished_.empty()) return;
  const std::uint64_t now_ns = io::monotonic_ns();
  std::size_t count = 0;
  while (lent_ == nullptr && count < finished_.size()) proceed(*finished_[count++], now_ns);
  finished_.erase(finished_.begin(), finished_.begin() + static_cast<std::ptrdiff_t>(count));
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

void Transmission::proceed(Work& work, std::uint64_t now_ns) {
  const Bytes answers = work.answers();
  work.done += work.covered;
  const bool has_failed = answers[0] != 0;
  if (!has_failed && work.done < work.request.length) {
    work.take();
    return step(work);
  }
  statistics_.durations[Statistics::group_of(std::to_underlying(work.request.command))].add(now_ns - work.began_ns);
  reply(work, answers);
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
  const Answer answer = overall(request.command == Command::cache && answers[0] == 0 ? answers.first(1) : answers);
  if (!answer.ok()) return reply_error(request, error_of(answer.status, request), answer.message);
  statistics_.count_bytes(command, request.length);
  reply_success(request);
}

void Transmission::reply_data(Work& work, Bytes data) {
  put_data_head(work.request, data.size());
  if (data.size() < worthwhile) return output_.append(data);
  lent_ = &work;
  lent_left_ = data.size();
}

}  // namespace chimera::nbd
