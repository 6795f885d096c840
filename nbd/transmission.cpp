// Requests in: what has come is parsed and checked, and done at once or begun.

#include "nbd/transmission.h"

#include <algorithm>
#include <array>
#include <utility>

#include "io/clock.h"
#include "nbd/under_way.h"

namespace chimera::nbd {
namespace {

using Bytes = std::span<const std::uint8_t>;

/// Of a block status: how far it shall reach, and contexts. More than that names some twice.
constexpr std::uint64_t longest_contexts = 4096;

}  // namespace

Transmission::Transmission(vm::Machine& machine, Agreement agreement, vm::TransferBudget& transfers,
                           Statistics& statistics, vm::ByteQueue& output, std::function<void()> changed, Outlet* outlet)
    : machine_(machine),
      agreement_(std::move(agreement)),
      transfers_(transfers),
      statistics_(statistics),
      output_(output),
      changed_(std::move(changed)),
      outlet_(outlet),
      at_once_(machine.connect()) {}

Transmission::~Transmission() = default;

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
  if (gathering_ != nullptr) step(*std::exchange(gathering_, nullptr));
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
    if (!request || request->length > longest_short) break;
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

/// Returns how much of what has come behind the header belongs to the request, if it has been done already.
std::size_t Transmission::begin(const Request& request, Bytes behind) {
  statistics_.count(std::to_underlying(request.command));
  taken_ = request;
  payload_left_ = payload_of(request, agreement_.has_extended_headers);
  if (may_be_at_once(request) && answer_at_once(request, behind.first(payload_left_))) {
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
  return request.command == Command::read || request.command == Command::write;
}

/// Does what a request asks for that has come whole, if it has to wait for nothing, and replies, if it need not be
/// durable. Otherwise nothing has happened.
bool Transmission::answer_at_once(const Request& request, Bytes payload) {
  if (request.command == Command::read) return read_at_once(request);
  if (!at_once_->write_at_once(agreement_.target.device, request.offset, payload)) return false;
  if (request.has(command_flags::fua)) {
    gather(request);
    return true;
  }
  note_at_once(request);
  reply_success(request);
  moved_ += request.length;
  statistics_.count_bytes(std::to_underlying(Command::write), request.length);
  claim_.give_back();
  return true;
}

/// One flush serves all durable writes that have come together.
void Transmission::gather(const Request& request) {
  if (gathering_ == nullptr) {
    Request flush;
    flush.command = Command::flush;
    gathering_ = &occupy(flush);
  } else {
    ++busy_;
    claim_.give_back();
  }
  gathering_->gathered.push_back(request);
}

bool Transmission::read_at_once(const Request& request) {
  if (!reply_from_memory(request)) return false;
  note_at_once(request);
  output_claim_.add(std::move(claim_));
  return true;
}

/// Where replies follow one another the output is made as large as it can become before they are sent, and not moved
/// each time that it has doubled.
std::size_t Transmission::room_for(std::size_t reply) const {
  const std::size_t held = output_.size();
  return held == 0 || held >= worthwhile ? reply : worthwhile + reply - held;
}

/// A short reply goes right into the output, behind where its head will stand; a long one leaves by the outlet.
bool Transmission::reply_from_memory(const Request& request) {
  const std::size_t head = data_head_size();
  const auto size = static_cast<std::size_t>(request.length);
  if (outlet_ != nullptr && size >= least_by_outlet) {
    if (!send_from_memory(request)) return false;
  } else {
    std::uint8_t* const room = output_.room(room_for(head + size));
    if (!at_once_->read_at_once(agreement_.target.device, request.offset, {room + head, size})) return false;
    put_data_head(request, size);
    output_.commit(size);
  }
  moved_ += size;
  statistics_.count_bytes(std::to_underlying(Command::read), size);
  return true;
}

/// From where the bytes lie, behind what waits to be sent. What the client does not take now is kept in the output.
bool Transmission::send_from_memory(const Request& request) {
  std::vector<Bytes> parts(1);
  parts.reserve(Outlet::most_parts);
  if (!at_once_->view_at_once(agreement_.target.device, request.offset, request.length, parts)) return false;
  put_data_head(request, request.length);
  parts.front() = output_.bytes();
  std::size_t sent = outlet_->send_at_once(parts);
  const std::size_t of_output = std::min(sent, output_.size());
  output_.drop(of_output);
  sent -= of_output;
  if (sent == request.length) return true;
  static_cast<void>(output_.room(static_cast<std::size_t>(request.length) - sent));
  for (const Bytes part : std::span(parts).subspan(1)) {
    const std::size_t gone = std::min(sent, part.size());
    output_.append(part.subspan(gone));
    sent -= gone;
  }
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
  } else if (!wait_for_disk(taken_)) {
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

}  // namespace chimera::nbd
