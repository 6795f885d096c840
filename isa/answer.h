#pragma once
// The answers' side of the stream, for those who read it: status, then a result or a message.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "isa/instruction.h"
#include "isa/status.h"

namespace chimera {

/// One answer: a view of the bytes that it was parsed from.
struct Answer {
  Status status = Status::ok;
  std::span<const std::uint8_t> result;  ///< status 0: all bytes behind the status, as the row's Result tells
  std::string_view message;              ///< any other status: what was wrong
  [[nodiscard]] bool ok() const { return status == Status::ok; }
};

struct ParsedAnswer {
  enum class Kind : std::uint8_t {
    complete,    ///< `size` bytes were parsed
    incomplete,  ///< at least `size` bytes are needed in all
    malformed,   ///< a list or text over its limit: this is no answer to that instruction
  };
  Kind kind;
  std::uint64_t size;
};

/// Parses the answer at the front of `stream` to `instruction` (its operation and count are looked at). Total, and
/// reads nothing past the end. An unknown status is parsed as any failure. Allocates nothing.
[[nodiscard]] ParsedAnswer parse_answer(const Instruction& instruction, std::span<const std::uint8_t> stream,
                                        Answer& answer) noexcept;

/// A range of a device: the results of read extents, compare devices and read metadata extents.
struct Extent {
  std::uint64_t length = 0;
  std::uint32_t flags = 0;
  friend bool operator==(const Extent&, const Extent&) = default;
};
namespace extent_flags {
inline constexpr std::uint32_t hole = 1;
inline constexpr std::uint32_t zeros = 2;    ///< reads as zeros
inline constexpr std::uint32_t differs = 4;  ///< compare devices only
}  // namespace extent_flags

struct ListedDevice {
  Uuid uuid{};
  std::string_view name;
};

/// What `hello` answers.
struct Greeting {
  std::uint8_t major = 0, minor = 0, patch = 0;
  std::uint32_t block_size = 0, largest_transfer = 0, most_open_devices = 0;
  std::uint64_t session = 0, features = 0;
};

// Pick apart the result of an answer that parse_answer called complete, with status 0, to an instruction of that
// result. Asserts on anything else.
[[nodiscard]] std::vector<Extent> extents_of(const Answer& answer);
[[nodiscard]] std::vector<ListedDevice> devices_of(const Answer& answer);
[[nodiscard]] std::vector<Uuid> uuids_of(const Answer& answer);
[[nodiscard]] Greeting greeting_of(const Answer& answer);
[[nodiscard]] std::string_view text_of(const Answer& answer);
[[nodiscard]] std::uint64_t u64_of(const Answer& answer);
[[nodiscard]] Uuid uuid_of(const Answer& answer);

/// The answer for people, one line but for lists, which have a line an entry: "ok", "ok 0x41", "ok 4096 bytes: 00 00
/// …", "mismatch: the byte is 0x41". At most `most_bytes` bytes of data and entries of a list are shown.
[[nodiscard]] std::string answer_text(const Instruction& instruction, const Answer& answer,
                                      std::size_t most_bytes = 32);

}  // namespace chimera
