// chimera asm: assembly text to instructions.

#include <fmt/format.h>
#include <unistd.h>

#include <memory>

#include "cli/commands.h"
#include "cli/image_file.h"
#include "cli/program.h"
#include "cli/render.h"

namespace chimera::cli {
namespace {

struct AsmOptions {
  std::string input;
  std::string output = "-";
  bool listing = false;
};

/// Offset, first bytes, and the line of the source.
void print_listing(const LoadedProgram& program) {
  constexpr std::size_t bytes_shown = 8;
  for (const assembler::SourceLine& line : program.source.lines) {
    const auto bytes = std::span(program.bytes).subspan(line.offset, line.size);
    fmt::print("{:08x}  {:<26}  {}\n", line.offset, hex_bytes(bytes, bytes_shown), program.source.text_of(line));
  }
}

int run_asm(const AsmOptions& options) {
  if (is_same_file(options.input, options.output)) return fail(options.input + " is the source itself.");
  const auto source = read_whole(options.input);
  if (!source) return fail(source.error());
  const auto program = assemble_program(*source, options.input == "-" ? "standard input" : options.input);
  if (!program) return fail(program.error());
  if (options.listing || (options.output == "-" && isatty(STDOUT_FILENO) == 1)) {
    print_listing(*program);
    if (options.output == "-") return exit_done;
  }
  const std::string_view bytes(reinterpret_cast<const char*>(program->bytes.data()), program->bytes.size());
  const auto written = write_whole(options.output, bytes);
  return written ? exit_done : fail(written.error());
}

}  // namespace

Command make_asm_command(CLI::App& program) {
  CLI::App& command = add_command(program, "asm", "Assemble text to instructions",
                                  "  chimera asm hello.asm -o hello.bin\n"
                                  "  chimera asm hello.asm --listing\n"
                                  "  echo 'describe store' | chimera asm - | nc -N -U socket");
  auto options = std::make_shared<AsmOptions>();
  add_operand(command, "IN", options->input, "Assembly text, - for standard input").required();
  add_option(command, "-o,--output", "FILE", options->output, "Where the instructions go (default: standard output)");
  add_flag(command, "-l,--listing", options->listing,
           "Print offset, bytes and source of each instruction (the default on a terminal)");
  return {&command, [options] { return run_asm(*options); }};
}

}  // namespace chimera::cli
