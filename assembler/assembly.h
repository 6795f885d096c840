#pragma once
// One run of the assembler: lines to directives and instructions.

#include <string>
#include <vector>

#include "assembler/assembler.h"
#include "assembler/files.h"
#include "assembler/operands.h"
#include "assembler/symbols.h"
#include "isa/opcodes.h"

namespace chimera::assembler {

class Assembly {
 public:
  Assembly(const FileReader& reader, const AssemblyLimits& limits);

  /// Assembles the source and gives everything away; to be called once.
  [[nodiscard]] Assembled run(std::string_view source, std::string_view file_name);

 private:
  struct Place {
    const SourceText* source = nullptr;
    std::size_t line = 0;  ///< from 0
  };

  // Each returns what is wrong with the line, if anything. What goes wrong in lines that it runs is reported there.
  using Wrong = std::optional<Problem>;
  void run_lines(const SourceText& source, std::size_t first, std::size_t last);
  Wrong run_line(Place place, std::size_t& next);
  Wrong directive(Place place);
  Wrong declare(Cursor& cursor, const Token& name, Symbols::Value value);
  Wrong declare_device(Cursor& cursor);
  Wrong declare_number(Cursor& cursor);
  Wrong include(Cursor& cursor);
  /// `wrong` is what is wrong with its line so far.
  Wrong repeat(Place place, std::size_t& next, Wrong wrong);
  /// Runs the lines behind `place` up to `last`, `turns` times.
  Wrong run_turns(Place place, std::size_t last, std::uint64_t turns);
  Wrong raw_bytes(Cursor& cursor, Place place);
  Wrong instruction(Place place);
  /// A better word for a mistake that is a string written without quotes.
  [[nodiscard]] Wrong unquoted_string(const Row& row, const Problem& wrong) const;
  Wrong check_output();

  /// The name that a declaration begins with.
  Parsed<const Token*> declared_name(Cursor& cursor, std::string_view what) const;
  Parsed<std::string_view> read_payload_file(const Token& token);
  Wrong end_of_line(const Cursor& cursor) const;
  /// Notes where the bytes from `offset` on come from.
  void note_line(Place place, std::size_t offset);
  Wrong spend(std::string_view line);
  void report(Place place, Problem wrong);

  AssemblyLimits limits_;
  Assembled result_;
  Files files_;
  Symbols symbols_;
  Context context_;
  std::vector<const SourceText*> including_;  ///< the source that runs is the last
  std::size_t repeats_ = 0;                   ///< open ones
  std::size_t lines_left_;
  std::size_t bytes_left_;
  bool stopped_ = false;  ///< a limit was met, or too much is wrong

  // Of the line that runs; kept to be used again. A nested run_lines replaces them.
  std::vector<Token> tokens_;
  std::vector<WrittenOperand> operands_;
};

}  // namespace chimera::assembler
