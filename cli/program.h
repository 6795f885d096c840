#pragma once
// A program as it is given on the command line: assembly text or instructions, from a file or standard input.

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "assembler/assembler.h"

namespace chimera::cli {

enum class ProgramForm : std::uint8_t { by_content, text, binary };

struct LoadedProgram {
  std::string name;  ///< the file's, or "standard input"
  std::vector<std::uint8_t> bytes;
  assembler::Assembled source;  ///< where it was text: its lines, one an instruction; its bytes stand above
};

/// The whole of a file, or of standard input for "-".
[[nodiscard]] std::expected<std::string, std::string> read_whole(const std::string& path);
/// Writes a file, or to standard output for "-".
[[nodiscard]] std::expected<void, std::string> write_whole(const std::string& path, std::string_view content);

/// Loads and, where it is text, assembles. The error is the assembler's, several lines long, or a sentence.
[[nodiscard]] std::expected<LoadedProgram, std::string> load_program(const std::string& path, ProgramForm form);
/// Assembles text that came from `name`.
[[nodiscard]] std::expected<LoadedProgram, std::string> assemble_program(std::string_view source,
                                                                         const std::string& name);

}  // namespace chimera::cli
