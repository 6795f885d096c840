#pragma once
// What standard output and error are: how wide, and whether colours and a progress bar are welcome.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace chimera::cli {

enum class Colour { none, green, red, yellow, grey, bold };

/// Whether a descriptor is a terminal that takes colours (and NO_COLOR is not set).
[[nodiscard]] bool takes_colours(int descriptor);
/// Columns of the terminal behind a descriptor; 100 where it is none.
[[nodiscard]] std::size_t terminal_width(int descriptor);
/// `text` in a colour, or as it is.
[[nodiscard]] std::string paint(std::string_view text, Colour colour, bool enabled);

/// How many columns a UTF-8 text takes, each character counted as one.
[[nodiscard]] std::size_t display_width(std::string_view text);
/// The text cut to `width` columns, with … as the last where something was cut.
[[nodiscard]] std::string cut_to_width(std::string_view text, std::size_t width);
/// The text followed by blanks up to `width` columns.
[[nodiscard]] std::string pad_to_width(std::string_view text, std::size_t width);

/// 1536 as "1.5K", for people.
[[nodiscard]] std::string human_size(std::uint64_t bytes);

}  // namespace chimera::cli
