#pragma once
// What is wrong with a value, a type or bytes, and where in them.

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

#include "isa/status.h"

namespace chimera::types {

/// bad_text: a text or value that does not fit; too_large: over a limit; corrupt: bytes that no encoder wrote.
struct Error {
  Status status = Status::bad_text;
  std::string words;  ///< "300 does not fit u8 (0 to 255)"
  /// The place in the value: ".lines[3].price"; empty where the value itself is meant. Who knows the column and the row
  /// says them in front of it.
  std::string path = {};
  /// Of JSON that is read: the offset in the text of what is meant, in bytes; nowhere of what is no text's error.
  std::size_t offset = nowhere;
  static constexpr std::size_t nowhere = static_cast<std::size_t>(-1);

  /// The path and the words, "lines[3].price: 300 does not fit u8 (0 to 255)".
  [[nodiscard]] std::string text() const;
};

template <typename T>
using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> bad(std::string words) {
  return std::unexpected(Error{Status::bad_text, std::move(words)});
}

[[nodiscard]] inline std::unexpected<Error> corrupt(std::string words) {
  return std::unexpected(Error{Status::corrupt, std::move(words)});
}

[[nodiscard]] inline std::unexpected<Error> too_large(std::string words) {
  return std::unexpected(Error{Status::too_large, std::move(words)});
}

/// The same error, seen from one step further out: from what has this field, or this element.
[[nodiscard]] Error within_field(std::string_view name, Error error);
[[nodiscard]] Error within_item(std::size_t index, Error error);

/// The result of `make` for what is there, or the error.
template <typename T, typename Make>
[[nodiscard]] auto map(Result<T> from, Make make) -> Result<decltype(make(*std::move(from)))> {
  if (!from) return std::unexpected(std::move(from.error()));
  return make(*std::move(from));
}

}  // namespace chimera::types
