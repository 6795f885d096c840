#pragma once
// Floats, times and bytes as text, the same in JSON, CSV and schemas.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "types/error.h"
#include "types/kind.h"

namespace chimera::types {

/// The shortest text that gives the same f32 or f64 again, always with a point or an exponent: "0.1", "5.0", "1e+300";
/// "nan", "inf", "-inf".
void append_real(std::string& to, double value, Kind kind);
/// A decimal number, perhaps with point and exponent, rounded to the nearest value of the kind; "nan", "inf", "-inf".
[[nodiscard]] Result<double> parse_real(std::string_view text, Kind kind);

/// Decimal digits with an optional minus; the error says which numbers the kind has.
[[nodiscard]] Result<Integer> parse_integer_of(std::string_view text, Kind kind);

/// ISO 8601 in UTC: "2024-05-01T12:34:56.5Z", up to 9 digits behind the point, none that is a trailing zero.
void append_datetime(std::string& to, std::int64_t nanoseconds);
/// The same; also a date alone, a blank for the T, no seconds, +02:00 for the Z, and neither, which means UTC.
[[nodiscard]] Result<std::int64_t> parse_datetime(std::string_view text);

/// "1h2m3.5s", "-20s", "0s".
void append_duration(std::string& to, std::int64_t nanoseconds);
/// Numbers with units behind them, of d, h, m, s, ms, us, ns, in any number and order; a minus in front is for all of
/// it.
[[nodiscard]] Result<std::int64_t> parse_duration(std::string_view text);

/// RFC 4648, with padding.
void append_base64(std::string& to, std::string_view bytes);
[[nodiscard]] Result<std::string> parse_base64(std::string_view text);

void append_hex(std::string& to, std::string_view bytes);
[[nodiscard]] Result<std::string> parse_hex(std::string_view text);

/// A text from outside as it stands in an error: at most 40 bytes of it, and nothing that a terminal would obey.
[[nodiscard]] std::string cited(std::string_view text);

}  // namespace chimera::types
