#pragma once
// The status byte that begins every answer.

#include <cstdint>
#include <string_view>

namespace chimera {

enum class Status : std::uint8_t {
  ok = 0,
  illegal_instruction = 1,  ///< the stream ends after this answer
  no_current_device = 2,
  not_found = 3,
  exists = 4,
  out_of_range = 5,
  misaligned = 6,  ///< block offsets are multiples of 4096
  mismatch = 7,
  aborted = 8,   ///< the transaction has already failed
  conflict = 9,  ///< run the transaction again
  busy = 10,     ///< another session has the device open
  no_space = 11,
  io_error = 12,
  corrupt = 13,  ///< a checksum does not match
  too_large = 14,
  denied = 15,
  unsupported = 16,  ///< by this kind of device
  read_only = 17,
  bad_text = 18,  ///< a bad name or text
  shutting_down = 19,
  out_of_sequence = 20,
  too_many_open = 21,
  no_cursor = 22,
};

inline constexpr unsigned status_count = 23;

/// The status in words, as `chimera run` prints it ("out of range"); "unknown status" beyond the table.
[[nodiscard]] std::string_view status_text(Status status) noexcept;

}  // namespace chimera
