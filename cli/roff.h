#pragma once
// The language of manual pages, man(7), as far as ours need it: what groff and mandoc read alike.

#include <string>
#include <string_view>

namespace chimera::cli {

/// Text as it is, whatever it holds. It may stand anywhere in a line.
[[nodiscard]] std::string roff_text(std::string_view text);
[[nodiscard]] std::string roff_bold(std::string_view text);
[[nodiscard]] std::string roff_italic(std::string_view text);

/// Lines that keep their breaks and stand in.
[[nodiscard]] std::string roff_literal(std::string_view lines);

/// The body of a page from Markdown of the kind that our documents are written in: headings (the first level is left
/// out, the second is a section), paragraphs, lists, blocks that stand in by four blanks, `code`, **strong**,
/// *stressed*. A table becomes a list: the first cell is the term, the last one what it means, those between follow
/// with the name of their column.
[[nodiscard]] std::string roff_of_markdown(std::string_view markdown);

}  // namespace chimera::cli
