#pragma once
// Bytes as the assembler reads them.

#include <string>
#include <string_view>

namespace chimera::assembler {

/// Appends `"…"`, with escapes for quotes, backslashes, control characters and what is not UTF-8.
void append_quoted(std::string& to, std::string_view bytes);

/// Appends hex"…", without blanks.
void append_hexadecimal(std::string& to, std::string_view bytes);

/// Appends whichever of the two reads better: hexadecimal where much of a string would be escapes.
void append_bytes(std::string& to, std::string_view bytes);

}  // namespace chimera::assembler
