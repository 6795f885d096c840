#include "assembler/quoting.h"

#include <algorithm>
#include <array>

#include "isa/utf8.h"

namespace chimera::assembler {
namespace {

void append_byte(std::string& to, char byte) {
  constexpr std::string_view digits = "0123456789abcdef";
  const auto value = static_cast<unsigned char>(byte);
  to += digits[value >> 4];
  to += digits[value & 0xF];
}

/// The escape with a letter, or 0.
char short_escape(char c) {
  switch (c) {
    case '\n': return 'n';
    case '\r': return 'r';
    case '\t': return 't';
    case '\0': return '0';
    case '\\':
    case '"': return c;
    default: return '\0';
  }
}

/// True where half of the bytes or more would have to be written \xNN.
bool is_mostly_unprintable(std::string_view bytes) {
  constexpr std::size_t looked_at = 4096;
  bytes = bytes.substr(0, looked_at);
  const std::size_t all = bytes.size();
  std::size_t unprintable = 0;
  while (!bytes.empty()) {
    const Utf8Character character = first_character(bytes);
    const bool written = character.size != 0 && (!is_control(character.point) ||
                                                 (short_escape(bytes.front()) != '\0' && bytes.front() != '\0'));
    if (!written) ++unprintable;
    bytes.remove_prefix(std::max<std::size_t>(character.size, 1));
  }
  return unprintable * 2 >= all && all > 0;
}

}  // namespace

void append_quoted(std::string& to, std::string_view bytes) {
  to += '"';
  while (!bytes.empty()) {
    const Utf8Character character = first_character(bytes);
    const std::size_t size = std::max<std::size_t>(character.size, 1);
    if (const char letter = short_escape(bytes.front()); letter != '\0') {
      to += '\\';
      to += letter;
    } else if (character.size == 0 || is_control(character.point)) {
      for (char byte : bytes.substr(0, size)) {
        to += "\\x";
        append_byte(to, byte);
      }
    } else {
      to += bytes.substr(0, size);
    }
    bytes.remove_prefix(size);
  }
  to += '"';
}

void append_hexadecimal(std::string& to, std::string_view bytes) {
  to.reserve(to.size() + 2 * bytes.size() + 5);
  to += "hex\"";
  for (char byte : bytes) append_byte(to, byte);
  to += '"';
}

void append_bytes(std::string& to, std::string_view bytes) {
  if (is_mostly_unprintable(bytes)) {
    append_hexadecimal(to, bytes);
  } else {
    append_quoted(to, bytes);
  }
}

}  // namespace chimera::assembler
