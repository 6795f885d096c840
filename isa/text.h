#pragma once
// What is a valid name, and what the options of `create device` say.

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "isa/uuid.h"

namespace chimera {

/// Well-formed UTF-8: no overlong forms, no surrogates, nothing past U+10FFFF.
[[nodiscard]] bool is_utf8(std::string_view text) noexcept;

/// 1 to 255 bytes of UTF-8 without control characters (U+0000-001F, U+007F-009F).
[[nodiscard]] bool is_valid_name(std::string_view name) noexcept;

/// A whole decimal number, with an optional K, M, G or T (powers of 1024) behind it. Nothing for anything else and
/// for what 64 bits do not hold.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text) noexcept;

/// The value of a hexadecimal digit, or -1.
[[nodiscard]] constexpr int digit_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Characters of a UUID's text.
inline constexpr std::size_t uuid_text_size = 36;
/// Of exactly that form: 8-4-4-4-12 hexadecimal digits, in either case.
[[nodiscard]] std::optional<Uuid> parse_uuid(std::string_view text) noexcept;

/// 1 to 128 bytes of UTF-8 without control characters and commas: names with slashes between, of which none is `.` or
/// `..`. It leads down from some folder, and nowhere else.
[[nodiscard]] bool is_valid_path(std::string_view path) noexcept;

enum class DeviceKind : std::uint8_t { pool, memory, file };

struct CreateOptions {
  DeviceKind kind = DeviceKind::pool;
  std::optional<std::uint64_t> size;  ///< fixed length in bytes, at most limits::greatest_length
  std::string path;                   ///< of a file, which alone has one
};

/// `size=N[K|M|G|T]`, `kind=pool|memory|file` and `path=PATH`, separated by commas, each at most once; not empty. A
/// file has a path and no size, the others have no path.
/// The error says in words what is wrong; its status is Status::bad_text.
[[nodiscard]] std::expected<CreateOptions, std::string> parse_create_options(std::string_view options);

}  // namespace chimera
