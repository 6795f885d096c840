#pragma once
// UTF-8, one character at a time.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace chimera {

struct Utf8Character {
  std::size_t size = 0;     ///< in bytes, 1 to 4; 0 where no well-formed character begins
  std::uint32_t point = 0;  ///< the code point
};

/// The character at the front of `text`. Ill-formed: overlong forms, surrogates, past U+10FFFF, cut off, empty.
[[nodiscard]] constexpr Utf8Character first_character(std::string_view text) noexcept {
  const auto byte = [&text](std::size_t i) -> std::uint32_t { return static_cast<std::uint8_t>(text[i]); };
  if (text.empty()) return {};
  const std::uint32_t lead = byte(0);
  if (lead < 0x80) return {1, lead};
  const std::size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < size) return {};
  std::uint32_t point = lead & (0x7Fu >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0u) != 0x80u) return {};
    point = point << 6 | (byte(i) & 0x3Fu);
  }
  const bool overlong = (size == 3 && point < 0x800) || (size == 4 && point < 0x10000);
  const bool surrogate = point >= 0xD800 && point <= 0xDFFF;
  if (overlong || surrogate || point > 0x10FFFF) return {};
  return {size, point};
}

/// How many bytes at the end of `text`, 0 to 3, begin a character whose end is not there: what is cut in front of them
/// is cut between two characters, if it is UTF-8 at all.
[[nodiscard]] constexpr std::size_t cut_off_at_end(std::string_view text) noexcept {
  for (std::size_t count = 1; count <= 3 && count <= text.size(); ++count) {
    const auto byte = static_cast<std::uint8_t>(text[text.size() - count]);
    if ((byte & 0xC0u) == 0x80u) continue;
    const std::size_t size = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
    return size > count ? count : 0;
  }
  return 0;
}

/// C0, DEL and C1.
[[nodiscard]] constexpr bool is_control(std::uint32_t point) noexcept {
  return point < 0x20 || (point >= 0x7F && point < 0xA0);
}

}  // namespace chimera
