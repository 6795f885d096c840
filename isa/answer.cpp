#include "isa/answer.h"

#include <cassert>
#include <cstring>
#include <optional>

#include "isa/bytes.h"

namespace chimera {
namespace {

using Kind = ParsedAnswer::Kind;
using Bytes = std::span<const std::uint8_t>;

constexpr std::size_t extent_size = sizeof(std::uint64_t) + sizeof(std::uint32_t);
constexpr std::size_t greeting_size = 31;
constexpr std::size_t digest_size = 32;

/// Measures the list of devices behind its u32 n at the front of `result`.
ParsedAnswer measure_devices(Bytes result, std::uint32_t n) {
  std::uint64_t size = sizeof(std::uint32_t);
  constexpr std::uint64_t smallest = sizeof(Uuid) + sizeof(std::uint16_t);
  for (std::uint32_t left = n; left > 0; --left) {
    if (result.size() < size + smallest) return {Kind::incomplete, size + left * smallest};
    size += smallest + load<std::uint16_t>(result.data() + size + sizeof(Uuid));
    if (result.size() < size) return {Kind::incomplete, size + (left - 1) * smallest};
  }
  return {Kind::complete, size};
}

/// Measures what begins with a u32 that counts bytes or entries.
ParsedAnswer measure_counted(Result kind, Bytes result) {
  constexpr std::uint64_t front = sizeof(std::uint32_t);
  if (result.size() < front) return {Kind::incomplete, front};
  const auto n = load<std::uint32_t>(result.data());
  switch (kind) {
    case Result::text:
      if (n > limits::largest_transfer) return {Kind::malformed, 0};
      return {Kind::complete, front + n};
    case Result::extents:
      if (n > limits::most_extents) return {Kind::malformed, 0};
      return {Kind::complete, front + n * extent_size};
    default:
      if (n > limits::most_listed) return {Kind::malformed, 0};
      return measure_devices(result, n);
  }
}

/// The size of a result that begins with `result`, as far as that tells.
ParsedAnswer measure_result(const Instruction& instruction, Bytes result) {
  const auto fixed = [](std::uint64_t size) { return ParsedAnswer{Kind::complete, size}; };
  const Result kind = row_of(instruction.operation).result;
  switch (kind) {
    case Result::none: return fixed(0);
    case Result::byte: return fixed(1);
    case Result::bytes: return fixed(instruction.count);
    case Result::block: return fixed(limits::block_size);
    case Result::uuid: return fixed(sizeof(Uuid));
    case Result::uuids: return fixed(instruction.count * sizeof(Uuid));
    case Result::u64: return fixed(sizeof(std::uint64_t));
    case Result::digest: return fixed(digest_size);
    case Result::greeting: return fixed(greeting_size);
    case Result::text:
    case Result::extents:
    case Result::devices: break;
  }
  return measure_counted(kind, result);
}

ParsedAnswer parse_failure(Bytes stream, Answer& answer) {
  constexpr std::size_t front = 1 + sizeof(std::uint16_t);
  if (stream.size() < front) return {Kind::incomplete, front};
  const std::size_t size = load<std::uint16_t>(stream.data() + 1);
  if (stream.size() < front + size) return {Kind::incomplete, front + size};
  answer.message = {reinterpret_cast<const char*>(stream.data()) + front, size};
  return {Kind::complete, front + size};
}

}  // namespace

ParsedAnswer parse_answer(const Instruction& instruction, Bytes stream, Answer& answer) noexcept {
  answer = Answer{};
  if (stream.empty()) return {Kind::incomplete, 1};
  answer.status = static_cast<Status>(stream[0]);
  if (!answer.ok()) return parse_failure(stream, answer);
  const Bytes behind = stream.subspan(1);
  const ParsedAnswer measured = measure_result(instruction, behind);
  if (measured.kind == Kind::malformed) return measured;
  if (measured.kind == Kind::incomplete || behind.size() < measured.size) return {Kind::incomplete, 1 + measured.size};
  answer.result = behind.first(static_cast<std::size_t>(measured.size));
  return {Kind::complete, 1 + measured.size};
}

std::vector<Extent> extents_of(const Answer& answer) {
  assert(answer.ok() && answer.result.size() >= sizeof(std::uint32_t));
  std::vector<Extent> extents(load<std::uint32_t>(answer.result.data()));
  assert(answer.result.size() == sizeof(std::uint32_t) + extents.size() * extent_size);
  const std::uint8_t* at = answer.result.data() + sizeof(std::uint32_t);
  for (Extent& extent : extents) {
    extent = {load<std::uint64_t>(at), load<std::uint32_t>(at + sizeof(std::uint64_t))};
    at += extent_size;
  }
  return extents;
}

std::vector<ListedDevice> devices_of(const Answer& answer) {
  assert(answer.ok() && answer.result.size() >= sizeof(std::uint32_t));
  std::vector<ListedDevice> devices(load<std::uint32_t>(answer.result.data()));
  std::size_t at = sizeof(std::uint32_t);
  for (ListedDevice& device : devices) {
    assert(answer.result.size() >= at + sizeof(Uuid) + sizeof(std::uint16_t));
    std::memcpy(device.uuid.data, answer.result.data() + at, sizeof(Uuid));
    const std::size_t size = load<std::uint16_t>(answer.result.data() + at + sizeof(Uuid));
    at += sizeof(Uuid) + sizeof(std::uint16_t);
    assert(answer.result.size() >= at + size);
    device.name = {reinterpret_cast<const char*>(answer.result.data()) + at, size};
    at += size;
  }
  return devices;
}

std::vector<Uuid> uuids_of(const Answer& answer) {
  assert(answer.ok() && answer.result.size() % sizeof(Uuid) == 0);
  std::vector<Uuid> uuids(answer.result.size() / sizeof(Uuid));
  if (!uuids.empty()) std::memcpy(uuids.data(), answer.result.data(), answer.result.size());
  return uuids;
}

Greeting greeting_of(const Answer& answer) {
  assert(answer.ok() && answer.result.size() == greeting_size);
  const std::uint8_t* const at = answer.result.data();
  return {.major = at[0],
          .minor = at[1],
          .patch = at[2],
          .block_size = load<std::uint32_t>(at + 3),
          .largest_transfer = load<std::uint32_t>(at + 7),
          .most_open_devices = load<std::uint32_t>(at + 11),
          .session = load<std::uint64_t>(at + 15),
          .features = load<std::uint64_t>(at + 23)};
}

std::string_view text_of(const Answer& answer) {
  assert(answer.ok() && answer.result.size() >= sizeof(std::uint32_t));
  return {reinterpret_cast<const char*>(answer.result.data()) + sizeof(std::uint32_t),
          answer.result.size() - sizeof(std::uint32_t)};
}

std::uint64_t u64_of(const Answer& answer) {
  assert(answer.ok() && answer.result.size() == sizeof(std::uint64_t));
  return load<std::uint64_t>(answer.result.data());
}

Uuid uuid_of(const Answer& answer) {
  assert(answer.ok() && answer.result.size() == sizeof(Uuid));
  Uuid uuid;
  std::memcpy(uuid.data, answer.result.data(), sizeof(Uuid));
  return uuid;
}

}  // namespace chimera
