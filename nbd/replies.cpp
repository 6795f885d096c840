// Replies out: what the machine's answers mean to the client, and how that is put.

#include <array>
#include <utility>

#include "isa/answer.h"
#include "nbd/under_way.h"

namespace chimera::nbd {
namespace {

/// The first failure among answers without results, or the last answer.
Answer overall(std::span<const std::uint8_t> answers) {
  Answer answer;
  Instruction instruction;
  instruction.operation = Operation::flush_device;
  while (!answers.empty() && answer.ok()) {
    const ParsedAnswer parsed = parse_answer(instruction, answers, answer);
    answers = answers.subspan(static_cast<std::size_t>(parsed.size));
  }
  return answer;
}

}  // namespace

void Transmission::reply(Work& work, Bytes answers) {
  const Request& request = work.request;
  const auto command = std::to_underlying(request.command);
  if (request.command == Command::read && answers[0] == 0) {
    statistics_.count_bytes(command, request.length);
    return reply_data(work, answers.subspan(1));
  }
  if (request.command == Command::block_status && answers[0] == 0) return reply_status(request, answers);
  // What a step of a cache request has read is not looked at.
  const bool is_step = request.command == Command::cache && answers[0] == 0;
  reply_outcome(request, is_step ? answers.first(1) : answers, work.done > work.covered);
}

/// Of answers without results. `has_begun`: something of the request was done before them.
void Transmission::reply_outcome(const Request& request, Bytes answers, bool has_begun) {
  const Answer answer = overall(answers);
  if (!answer.ok()) {
    const Error error = error_of(answer.status, request);
    // Who is told that the server stops takes it that nothing has happened.
    const bool has_happened = has_begun || answers[0] == 0;
    return reply_error(request, error == Error::shutdown && has_happened ? Error::io : error, answer.message);
  }
  statistics_.count_bytes(std::to_underlying(request.command), request.length);
  reply_success(request);
}

void Transmission::reply_data(Work& work, Bytes data) {
  put_data_head(work.request, data.size());
  if (data.size() < worthwhile) return output_.append(data);
  lent_ = &work;
  lent_left_ = data.size();
}

void Transmission::reply_success(const Request& request) {
  if (agreement_.has_structured_replies) return put_chunk_header(request, Chunk::none, 0);
  put_simple_header(request, Error::none);
}

std::size_t Transmission::chunk_size() const {
  return agreement_.has_extended_headers ? extended_chunk_header_size : chunk_header_size;
}

/// Of what stands before the bytes that were read.
std::size_t Transmission::data_head_size() const {
  return agreement_.has_structured_replies ? chunk_size() + sizeof(std::uint64_t) : simple_reply_size;
}

void Transmission::put_data_head(const Request& request, std::uint64_t size) {
  if (!agreement_.has_structured_replies) return put_simple_header(request, Error::none);
  put_chunk_header(request, Chunk::data, sizeof(std::uint64_t) + size);
  store_big(output_.room(sizeof(std::uint64_t)), request.offset);
  output_.commit(sizeof(std::uint64_t));
}

void Transmission::reply_status(const Request& request, Bytes answers) {
  Answer answer;
  Instruction instruction;
  instruction.operation = Operation::read_extents;
  static_cast<void>(parse_answer(instruction, answers, answer));
  std::vector<Extent> extents = extents_of(answer);
  if (extents.empty()) return reply_error(request, Error::io, "the device has become shorter");
  if (request.has(command_flags::one_extent)) extents.resize(1);
  const bool is_extended = agreement_.has_extended_headers;
  const std::size_t head = is_extended ? 8 : 4;
  const std::size_t entry = is_extended ? 16 : 8;
  put_chunk_header(request, is_extended ? Chunk::extended_block_status : Chunk::block_status,
                   head + extents.size() * entry);
  std::uint8_t* at = output_.room(head + extents.size() * entry);
  at = store_big(at, allocation_context);
  if (is_extended) at = store_big(at, static_cast<std::uint32_t>(extents.size()));
  for (const Extent& extent : extents) {
    const std::uint32_t flags = extent.flags & (extent_flags::hole | extent_flags::zeros);
    at = is_extended ? store_big(store_big(at, extent.length), std::uint64_t{flags})
                     : store_big(store_big(at, static_cast<std::uint32_t>(extent.length)), flags);
  }
  output_.commit(head + extents.size() * entry);
}

void Transmission::reply_error(const Request& request, Error error, std::string_view message) {
  if (!agreement_.has_structured_replies) return put_simple_header(request, error);
  std::array<std::uint8_t, 6> head;
  std::uint8_t* const end = store_big(head.data(), std::to_underlying(error));
  store_big(end, static_cast<std::uint16_t>(message.size()));
  put_chunk_header(request, Chunk::error, head.size() + message.size());
  output_.append(head);
  output_.append({reinterpret_cast<const std::uint8_t*>(message.data()), message.size()});
}

void Transmission::put_simple_header(const Request& request, Error error) {
  std::uint8_t* at = store_big(output_.room(simple_reply_size), magic::simple_reply);
  at = store_big(at, std::to_underlying(error));
  store_big(at, request.cookie);
  output_.commit(simple_reply_size);
}

void Transmission::put_chunk_header(const Request& request, Chunk type, std::uint64_t size) {
  const bool is_extended = agreement_.has_extended_headers;
  std::uint8_t* at = store_big(output_.room(chunk_size()), is_extended ? magic::extended_chunk : magic::chunk);
  at = store_big(at, chunk_done);
  at = store_big(at, std::to_underlying(type));
  at = store_big(at, request.cookie);
  if (is_extended) {
    at = store_big(at, request.offset);
    store_big(at, size);
  } else {
    store_big(at, static_cast<std::uint32_t>(size));
  }
  output_.commit(chunk_size());
}

}  // namespace chimera::nbd
