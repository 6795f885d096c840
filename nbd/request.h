#pragma once
// What a client asks for during the transmission, and the program that does it.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "isa/builder.h"
#include "isa/status.h"
#include "nbd/negotiation.h"
#include "nbd/wire.h"

namespace chimera::nbd {

/// The header of a request.
struct Request {
  std::uint16_t flags = 0;
  Command command{};
  std::uint64_t cookie = 0;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;  ///< what is meant by it on the device, or the payload's, as the flags say

  [[nodiscard]] bool has(std::uint16_t flag) const { return (flags & flag) != 0; }
};

/// The request in the first `request_size` (extended: `extended_request_size`) bytes; nothing if it does not begin like
/// one.
[[nodiscard]] std::optional<Request> parse_request(std::span<const std::uint8_t> header, bool is_extended);

/// Bytes that follow the header.
[[nodiscard]] std::uint64_t payload_of(const Request& request, bool is_extended);

/// Error::none, or why the request cannot be carried out.
[[nodiscard]] Error find_fault(const Request& request, const Agreement& agreement);

/// Most bytes of the device that one step of a request takes in hand where it has to move them: larger ones go on in
/// steps.
inline constexpr std::uint64_t step_bytes = 1 << 20;

/// The head of a write's program; the payload is to follow it.
[[nodiscard]] std::vector<std::uint8_t> compile_write(const Request& request, const Agreement& agreement);
/// Appends what follows the payload, or the program of any other request. `done`: bytes that steps before have covered.
/// Returns how many this step covers.
std::uint64_t compile(const Request& request, const Agreement& agreement, std::uint64_t done, Program& program);

/// What a status means to a client.
[[nodiscard]] Error error_of(Status status, const Request& request);

}  // namespace chimera::nbd
