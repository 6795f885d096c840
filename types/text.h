#pragma once
// Values as plain text: a cell of a CSV file, a word of a command line.

#include <string>
#include <string_view>

#include "types/error.h"
#include "types/type.h"
#include "types/value.h"

namespace chimera::types {

/// string: the text itself; numbers, bool (true, false), datetime (ISO 8601; without a zone it is UTC), duration
/// (1h2m3.5s); enum: the variant's name, or JSON where it has a payload; blob: base64, or hexadecimal behind \x;
/// function: hexadecimal; pointer: UUID@OFFSET; all others: JSON. Nothing is null: that is for the caller to see.
[[nodiscard]] Result<Value> from_text(std::string_view text, const Type& type);

/// What `from_text` reads as the value, which is not null.
void append_text(const Value& value, const Type& type, std::string& to);
[[nodiscard]] std::string to_text(const Value& value, const Type& type);

}  // namespace chimera::types
