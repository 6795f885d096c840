#pragma once
// Answers on their way out: appended whole, an instruction at a time.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "isa/status.h"
#include "vm/byte_queue.h"

namespace chimera::vm {

class AnswerQueue : public ByteQueue {
 public:
  /// Status 0 without a result.
  void succeed() { *begin(0) = 0; }

  /// Status 0, and where to put `size` bytes of result at once.
  [[nodiscard]] std::span<std::uint8_t> succeed_with_room(std::size_t size) {
    std::uint8_t* const at = begin(size);
    *at = 0;
    return {at + 1, size};
  }
  void succeed(std::span<const std::uint8_t> result) {
    const std::span<std::uint8_t> to = succeed_with_room(result.size());
    if (!result.empty()) std::memcpy(to.data(), result.data(), result.size());
  }
  void succeed_with_u64(std::uint64_t result) {
    std::memcpy(succeed_with_room(sizeof result).data(), &result, sizeof result);
  }
  void succeed_with_text(std::string_view text) {
    const auto size = static_cast<std::uint32_t>(text.size());
    const std::span<std::uint8_t> to = succeed_with_room(sizeof size + text.size());
    std::memcpy(to.data(), &size, sizeof size);
    if (!text.empty()) std::memcpy(to.data() + sizeof size, text.data(), text.size());
  }

  /// Any other status, with what was wrong.
  void fail(Status status, std::string_view message) {
    auto size = static_cast<std::uint16_t>(std::min<std::size_t>(message.size(), longest_message));
    // Not within a character.
    while (size > 0 && size < message.size() && (static_cast<std::uint8_t>(message[size]) & 0xC0u) == 0x80u) --size;
    std::uint8_t* const at = begin(sizeof size + size);
    at[0] = static_cast<std::uint8_t>(status);
    std::memcpy(at + 1, &size, sizeof size);
    if (size > 0) std::memcpy(at + 1 + sizeof size, message.data(), size);
  }

 private:
  static constexpr std::size_t longest_message = 4096;

  std::uint8_t* begin(std::size_t result_size) {
    std::uint8_t* const at = room(1 + result_size);
    commit(1 + result_size);
    return at;
  }
};

}  // namespace chimera::vm
