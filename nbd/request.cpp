#include "nbd/request.h"

#include <algorithm>
#include <array>

#include "isa/bytes.h"
#include "isa/limits.h"

namespace chimera::nbd {
namespace {

constexpr std::array<std::uint8_t, step_bytes> zeroes{};

bool writes(Command command) {
  return command == Command::write || command == Command::trim || command == Command::write_zeroes;
}

/// Past the end of the export it lacks space.
bool grows(Command command) { return command == Command::write || command == Command::write_zeroes; }

bool has_range(Command command) { return command != Command::flush; }

/// The flags that the command may have; all bits for one that does not exist.
std::uint16_t known_flags(const Request& request, const Agreement& agreement) {
  using namespace command_flags;
  const std::uint16_t payload = agreement.has_extended_headers ? payload_length : 0;
  switch (request.command) {
    case Command::read: return agreement.has_structured_replies ? fua | dont_fragment : fua;
    case Command::write: return fua | payload;
    case Command::write_zeroes: return fua | no_hole | fast_zero;
    case Command::block_status: return fua | one_extent | payload;
    case Command::flush:
    case Command::trim:
    case Command::cache:
    case Command::disconnect: break;
  }
  return fua;
}

bool is_within(const Request& request, const Export& target) {
  return request.length <= target.size && request.offset <= target.size - request.length;
}

Error find_transfer_fault(const Request& request, const Agreement& agreement) {
  if (request.command == Command::read) {
    return request.length == 0 || request.length > limits::largest_transfer ? Error::invalid : Error::none;
  }
  const bool lacks_payload = agreement.has_extended_headers && !request.has(command_flags::payload_length);
  return lacks_payload || request.length > limits::largest_transfer ? Error::invalid : Error::none;
}

}  // namespace

std::optional<Request> parse_request(std::span<const std::uint8_t> header, bool is_extended) {
  const std::uint8_t* const at = header.data();
  if (load_big<std::uint32_t>(at) != (is_extended ? magic::extended_request : magic::request)) return std::nullopt;
  return Request{.flags = load_big<std::uint16_t>(at + 4),
                 .command = Command{load_big<std::uint16_t>(at + 6)},
                 .cookie = load_big<std::uint64_t>(at + 8),
                 .offset = load_big<std::uint64_t>(at + 16),
                 .length = is_extended ? load_big<std::uint64_t>(at + 24) : load_big<std::uint32_t>(at + 24)};
}

std::uint64_t payload_of(const Request& request, bool is_extended) {
  const bool has_payload = is_extended ? request.has(command_flags::payload_length) : request.command == Command::write;
  return has_payload ? request.length : 0;
}

Error find_fault(const Request& request, const Agreement& agreement) {
  if (request.command > Command::block_status) return Error::invalid;
  if ((request.flags & ~known_flags(request, agreement)) != 0) return Error::invalid;
  if (writes(request.command) && agreement.target.is_read_only) return Error::not_permitted;
  if (request.command == Command::read || request.command == Command::write) {
    if (const Error fault = find_transfer_fault(request, agreement); fault != Error::none) return fault;
  }
  if (request.command == Command::block_status && (!agreement.has_allocation_context || request.length == 0)) {
    return Error::invalid;
  }
  if (has_range(request.command) && !is_within(request, agreement.target)) {
    return grows(request.command) ? Error::no_space : Error::invalid;
  }
  // Zeros that take space have to be written one by one.
  const std::uint16_t fast_and_full = command_flags::fast_zero | command_flags::no_hole;
  return (request.flags & fast_and_full) == fast_and_full ? Error::unsupported : Error::none;
}

std::vector<std::uint8_t> compile_write(const Request& request, const Agreement& agreement) {
  // The count is all that differs from an instruction without payload, and stands last.
  Program program;
  program.write_bytes(agreement.target.device, request.offset, {});
  std::vector<std::uint8_t> stream = program.take();
  stream.resize(stream.size() - sizeof(std::uint32_t));
  append_integer(stream, static_cast<std::uint32_t>(request.length));
  return stream;
}

std::uint64_t compile(const Request& request, const Agreement& agreement, std::uint64_t done, Program& program) {
  const Uuid& device = agreement.target.device;
  const std::uint64_t offset = request.offset + done;
  std::uint64_t covered = request.length - done;
  switch (request.command) {
    case Command::read: program.read_bytes(device, offset, static_cast<std::uint32_t>(covered)); break;
    case Command::trim: program.clear_extents(device, offset, covered); break;
    case Command::write_zeroes:
      if (request.has(command_flags::no_hole)) {
        covered = std::min(covered, step_bytes);
        program.write_bytes(device, offset, std::span(zeroes).first(static_cast<std::size_t>(covered)));
      } else {
        program.clear_extents(device, offset, covered);
      }
      break;
    case Command::cache:
      covered = std::min(covered, step_bytes);
      program.read_bytes(device, offset, static_cast<std::uint32_t>(covered));
      break;
    case Command::block_status: program.read_extents(device, offset, covered); break;
    case Command::flush: program.flush_device(device); break;
    case Command::write:
    case Command::disconnect: break;
  }
  const bool is_last = done + covered == request.length;
  if (writes(request.command) && request.has(command_flags::fua) && is_last) program.flush_device(device);
  return covered;
}

Error error_of(Status status, const Request& request) {
  switch (status) {
    case Status::ok: return Error::none;
    case Status::no_space: return Error::no_space;
    case Status::read_only:
    case Status::denied: return Error::not_permitted;
    case Status::shutting_down: return Error::shutdown;
    case Status::unsupported: return Error::unsupported;
    case Status::out_of_range: return grows(request.command) ? Error::no_space : Error::invalid;
    default: return Error::io;
  }
}

}  // namespace chimera::nbd
