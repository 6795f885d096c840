#pragma once
// Text to instructions. docs/isa.md describes the language.

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "assembler/diagnostic.h"

namespace chimera::assembler {

struct SourceFile {
  std::string name;
  std::string text;
};

/// Where a piece of the output comes from: for showing source and bytes side by side.
struct SourceLine {
  std::size_t offset = 0;      ///< of its first byte in the output
  std::size_t size = 0;        ///< in bytes
  std::uint32_t file = 0;      ///< in Assembled::files
  std::uint32_t line = 1;      ///< from 1
  std::size_t text_begin = 0;  ///< of the line in the file's text, without space in front
  std::size_t text_size = 0;   ///< without comment and space behind
};

struct Assembled {
  std::vector<std::uint8_t> bytes;      ///< empty if there are diagnostics
  std::vector<SourceLine> lines;        ///< one an instruction (or `.bytes`), in the order of the output
  std::vector<Diagnostic> diagnostics;  ///< in the order in which they were met
  std::deque<SourceFile> files;         ///< the first is the source itself

  [[nodiscard]] bool ok() const { return diagnostics.empty(); }
  [[nodiscard]] std::string_view text_of(const SourceLine& line) const {
    return std::string_view{files[line.file].text}.substr(line.text_begin, line.text_size);
  }
  [[nodiscard]] const std::string& file_name_of(const SourceLine& line) const { return files[line.file].name; }
  /// All diagnostics as they are printed, each ending with a newline.
  [[nodiscard]] std::string diagnostics_text() const;
};

/// Reads a file that `.include` or `file"…"` names. `path` is relative to the including file's folder already, or
/// absolute. Nothing if it cannot be read; `error` then says why.
using FileReader = std::function<std::optional<std::string>(const std::string& path, std::string& error)>;

/// A FileReader for the file system, which refuses files over `most_bytes`.
[[nodiscard]] FileReader file_system_reader(std::size_t most_bytes = std::size_t{256} << 20);

/// Bounds that keep bad input from using up memory and time: what goes past them is an error of the source.
struct AssemblyLimits {
  std::size_t output_bytes = std::size_t{512} << 20;
  std::size_t lines = std::size_t{4} << 20;         ///< run through, every turn of `.repeat` counted
  std::size_t source_bytes = std::size_t{1} << 30;  ///< run through, every turn of `.repeat` counted
  std::size_t depth = 32;                           ///< of includes, of repeats, and of parentheses
  std::size_t diagnostics = 100;
};

/// Assembles `source`. `file_name` stands in diagnostics, and its folder is what paths in it are relative to.
[[nodiscard]] Assembled assemble(std::string_view source, std::string_view file_name, const FileReader& reader,
                                 const AssemblyLimits& limits = {});

/// True for UTF-8 without control characters other than tab, newline and return: assembly text, not instructions.
[[nodiscard]] bool looks_like_text(std::span<const std::uint8_t> bytes) noexcept;

}  // namespace chimera::assembler
