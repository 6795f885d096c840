#include "cli/csv_reader.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "cli/row_printer.h"

using namespace chimera::cli;

namespace {

/// A text that arrives in pieces of so many bytes.
TextSource arriving(std::string text, std::size_t piece) {
  return {"text",
          [text = std::move(text), piece,
           at = std::size_t{0}](std::span<char> room) mutable -> std::expected<std::size_t, std::string> {
            const std::size_t size = std::min({piece, room.size(), text.size() - at});
            std::copy_n(text.begin() + static_cast<std::ptrdiff_t>(at), size, room.begin());
            at += size;
            return size;
          },
          1};
}

/// `LINE:COLUMN text|` a cell, quoted ones in <>, a record a line; `!LINE:COLUMN [raw]` for a problem.
std::string read_all(const std::string& text, std::size_t piece, char separator) {
  TextSource source = arriving(text, piece);
  CsvReader reader(source, separator);
  std::string seen;
  for (;;) {
    const auto some = reader.next();
    if (!some) {
      seen += fmt::format("!{}:{} [{}]\n", some.error().place.line, some.error().place.column, reader.raw());
      if (some.error().is_fatal) return seen;
      continue;
    }
    if (!*some) return seen;
    for (const CsvReader::Cell& cell : reader.cells()) {
      seen += fmt::format(fmt::runtime(cell.is_quoted ? "{}:{} <{}>|" : "{}:{} {}|"), cell.place.line,
                          cell.place.column, cell.text);
    }
    seen += '\n';
  }
}

/// The same however it arrives.
std::string read(const std::string& text, char separator = ',') {
  std::string whole = read_all(text, 1 << 20, separator);
  for (const std::size_t piece : {1u, 2u, 3u, 5u, 16u}) CHECK(read_all(text, piece, separator) == whole);
  return whole;
}

}  // namespace

TEST_CASE("cells have their texts and places, with every way to end a line") {
  CHECK(read("a,b\n1,2\n") == "1:1 a|1:3 b|\n2:1 1|2:3 2|\n");
  CHECK(read("a,b\r\n1,2") == "1:1 a|1:3 b|\n2:1 1|2:3 2|\n");
  CHECK(read("") == "");
  CHECK(read("\n") == "1:1 |\n");
  CHECK(read(",\n,") == "1:1 |1:2 |\n2:1 |2:2 |\n");
  CHECK(read("a\n\nb") == "1:1 a|\n2:1 |\n3:1 b|\n");
  CHECK(read("a\rb,c\n") == "1:1 a\rb|1:5 c|\n");
  CHECK(read("a;b,c\n", ';') == "1:1 a|1:3 b,c|\n");
  CHECK(read("\xEF\xBB\xBF"
             "a,b\n") == "1:1 a|1:3 b|\n");
}

TEST_CASE("within quotes there are separators, ends of lines and quotes") {
  CHECK(read("\"a\",b\n") == "1:1 <a>|1:5 b|\n");
  CHECK(read("\"\",x\n") == "1:1 <>|1:4 x|\n");
  CHECK(read("\"a,b\",\"say \"\"hi\"\"\"\r\nx") == "1:1 <a,b>|1:7 <say \"hi\">|\n2:1 x|\n");
  CHECK(read("\"one\ntwo\r\n\",x,\"y\"\nz") == "1:1 <one\ntwo\r\n>|3:3 x|3:5 <y>|\n4:1 z|\n");
  CHECK(read("\"\"\"\"") == "1:1 <\">|\n");
}

TEST_CASE("what is wrong is told where it stands, and the next line is read") {
  CHECK(read("ab\"c,d\nx\n") == "!1:3 [ab\"c,d]\n2:1 x|\n");
  CHECK(read("1,\"a\"b\r\nx\n") == "!1:6 [1,\"a\"b]\n2:1 x|\n");
  CHECK(read("1,\"a\nb\" c\nx\n") == "!2:3 [1,\"a\nb\" c]\n3:1 x|\n");
  CHECK(read("x\n1,\"a\nb\n") == "1:1 x|\n!2:3 [1,\"a\nb\n]\n");
}

TEST_CASE("a row that does not end is refused before it takes all memory") {
  TextSource endless("endless", [](std::span<char> room) -> std::expected<std::size_t, std::string> {
    std::ranges::fill(room, 'x');
    return room.size();
  });
  CsvReader reader(endless, ',');
  const auto some = reader.next();
  REQUIRE(!some);
  CHECK(some.error().is_fatal);
  CHECK(some.error().words == "A row of endless is longer than 64 MiB.");
}

TEST_CASE("a cell that is written is read as the same text") {
  for (const std::string text : {"a", "", "a,b", "say \"hi\"", "\n", "\r", "NULL", " x ", "\"", ";"}) {
    for (const RowFormat& format : {RowFormat{}, RowFormat{.separator = ';'}, RowFormat{.null = "NULL"}}) {
      std::string line = "x";
      line += format.separator;
      append_csv_cell(text, format, line);
      TextSource source = arriving(line + "\n", 3);
      CsvReader reader(source, format.separator);
      REQUIRE(reader.next().value());
      REQUIRE(reader.cells().size() == 2);
      CHECK(reader.cells()[1].text == text);
      CHECK((reader.cells()[1].is_quoted || text != format.null));
    }
  }
}
