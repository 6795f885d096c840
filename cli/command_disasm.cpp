// chimera disasm: instructions to assembly text.

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <span>

#include "assembler/disassembler.h"
#include "cli/commands.h"
#include "cli/program.h"
#include "cli/render.h"
#include "isa/decoder.h"
#include "isa/opcodes.h"

namespace chimera::cli {
namespace {

struct Options {
  std::string input;
  std::string output = "-";
  bool annotate = false;
  bool json = false;
};

using Bytes = std::span<const std::uint8_t>;

/// One object a line, one an instruction; what is not a whole instruction is the last, with its reason.
std::string to_json_lines(Bytes stream) {
  std::string lines;
  for (std::size_t at = 0; at < stream.size();) {
    Instruction instruction;
    const Decoded decoded = decode(stream.subspan(at), instruction);
    nlohmann::json json{{"offset", at}};
    if (decoded.kind != Decoded::Kind::complete) {
      json["rest"] = stream.size() - at;
      json["why"] = decoded.kind == Decoded::Kind::incomplete ? "incomplete"
                    : decoded.kind == Decoded::Kind::illegal  ? "illegal"
                                                              : "too large";
      return lines + to_text(json) + "\n";
    }
    json["size"] = decoded.size;
    json["opcode"] = instruction.opcode;
    json["mnemonic"] = mnemonic(instruction.operation);
    json["text"] = assembler::disassemble(instruction);
    lines += to_text(json) + "\n";
    at += decoded.size;
  }
  return lines;
}

int run(const Options& options) {
  const auto input = read_whole(options.input);
  if (!input) return fail(input.error());
  const Bytes stream(reinterpret_cast<const std::uint8_t*>(input->data()), input->size());
  const std::string text =
      options.json ? to_json_lines(stream) : assembler::disassemble(stream, {.annotate = options.annotate});
  const auto written = write_whole(options.output, text);
  return written ? exit_done : fail(written.error());
}

}  // namespace

Command make_disasm_command(CLI::App& program) {
  CLI::App& command = add_command(program, "disasm", "Turn instructions into text that assembles to the same bytes",
                                  "  chimera disasm hello.bin\n"
                                  "  printf '\\x40\\x05\\x00disk0\\x54' | chimera disasm - --annotate");
  auto options = std::make_shared<Options>();
  command.add_option("IN", options->input, "Instructions, - for standard input")->type_name("")->required();
  command.add_option("-o,--output", options->output, "Where the text goes (default: standard output)")
      ->type_name("FILE");
  command.add_flag("-a,--annotate", options->annotate, "Put each instruction's offset and bytes in a comment");
  command.add_flag("--json", options->json, "One JSON object a line, one an instruction");
  return {&command, [options] { return run(*options); }};
}

}  // namespace chimera::cli
