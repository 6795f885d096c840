// Programs of tests/golden/assembler with the bytes or the errors that they give. A file has sections, each behind a
// line `=== title`: `program`, any number of `file PATH` that it may include, and `bytes` or `errors`, the expectation.
// GOLDEN_UPDATE=1 in the environment writes the expectations anew instead of comparing them.

#include <doctest/doctest.h>

#include <fmt/format.h>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <vector>

#include "assembler/assembler.h"
#include "assembler/disassembler.h"

namespace chimera::assembler {
namespace {

struct Golden {
  std::string program;
  std::map<std::string, std::string> files;
  std::string expectation;  ///< with its title line

  /// Everything in front of the expectation, as it stands in the file.
  std::string given;
};

std::string read(const std::filesystem::path& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

Golden parse(const std::string& text) {
  Golden golden;
  std::string* section = nullptr;
  std::istringstream lines{text};
  for (std::string line; std::getline(lines, line);) {
    if (line == "=== program") {
      section = &golden.program;
    } else if (line.starts_with("=== file ")) {
      section = &golden.files[line.substr(9)];
    } else if (line == "=== bytes" || line == "=== errors") {
      section = &golden.expectation;
      *section += line + "\n";
    } else {
      REQUIRE_MESSAGE(section != nullptr, "text in front of the first section");
      *section += line + "\n";
    }
    if (section != &golden.expectation) golden.given += line + "\n";
  }
  return golden;
}

/// Each line of source that gave bytes, and they; 16 of them a line, equal lines in between as one `*`.
std::string listing(const Assembled& assembled) {
  std::string text = "=== bytes\n";
  constexpr std::size_t width = 16;
  for (const SourceLine& line : assembled.lines) {
    fmt::format_to(std::back_inserter(text), "{}:{}: {}\n", assembled.file_name_of(line), line.line,
                   assembled.text_of(line));
    std::string last;
    bool starred = false;
    for (std::size_t at = 0; at < line.size; at += width) {
      std::string row;
      for (std::size_t i = at; i < std::min(at + width, line.size); ++i) {
        row += fmt::format(" {:02x}", assembled.bytes[line.offset + i]);
      }
      const bool same = row == last && at + width < line.size;
      if (!same) fmt::format_to(std::back_inserter(text), "    {:06x} {}\n", line.offset + at, row);
      if (same && !starred) text += "    *\n";
      starred = same;
      last = row;
    }
  }
  return text;
}

std::string run(const Golden& golden) {
  const FileReader reader = [&golden](const std::string& path, std::string& error) -> std::optional<std::string> {
    const auto found = golden.files.find(path);
    if (found != golden.files.end()) return found->second;
    error = "there is no such file";
    return std::nullopt;
  };
  const Assembled assembled = assemble(golden.program, "program", reader);
  if (!assembled.ok()) return "=== errors\n" + assembled.diagnostics_text();

  const std::string text = disassemble(assembled.bytes);
  CHECK(looks_like_text({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}));
  CHECK(assemble(text, "disassembled", {}).bytes == assembled.bytes);
  const std::string annotated = disassemble(assembled.bytes, {.annotate = true});
  CHECK(assemble(annotated, "annotated", {}).bytes == assembled.bytes);
  return listing(assembled);
}

}  // namespace

TEST_CASE("golden programs") {
  const bool update = std::getenv("GOLDEN_UPDATE") != nullptr;
  std::size_t programs = 0;
  for (const auto& entry : std::filesystem::directory_iterator{SOURCE_ROOT "/tests/golden/assembler"}) {
    CAPTURE(entry.path().filename().string());
    const Golden golden = parse(read(entry.path()));
    const std::string result = run(golden);
    ++programs;
    if (update) {
      std::ofstream{entry.path(), std::ios::binary} << golden.given << result;
    } else {
      CHECK(golden.expectation == result);
    }
  }
  CHECK(programs >= 10);
}

}  // namespace chimera::assembler
