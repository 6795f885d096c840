// chimera disasm: instructions to assembly text.

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>

#include "assembler/disassembler.h"
#include "cli/commands.h"
#include "cli/program.h"
#include "cli/render.h"
#include "isa/decoder.h"
#include "isa/opcodes.h"

namespace chimera::cli {
namespace {

struct DisasmOptions {
  std::string input;
  std::string output = "-";
  bool annotate = false;
  bool json = false;
};

using Bytes = std::span<const std::uint8_t>;
using Json = nlohmann::ordered_json;

/// Where a stream stops being instructions.
struct Defect {
  std::size_t offset = 0;
  bool is_illegal = false;  ///< or it breaks off within an instruction
};

/// Calls `visit(offset, instruction, decoded)` for each instruction, those that are too large included.
template <typename Visit>
std::optional<Defect> walk(Bytes stream, Visit&& visit) {
  for (std::size_t at = 0; at < stream.size();) {
    Instruction instruction;
    const Decoded decoded = decode(stream.subspan(at), instruction);
    if (decoded.kind == Decoded::Kind::illegal) return Defect{at, true};
    if (decoded.kind == Decoded::Kind::incomplete || decoded.options_follow || decoded.size > stream.size() - at) {
      return Defect{at, false};
    }
    visit(at, instruction, decoded);
    at += static_cast<std::size_t>(decoded.size);
  }
  return std::nullopt;
}

/// One object a line, one an instruction; what is not a whole instruction is the last, with its reason.
std::string to_json_lines(Bytes stream) {
  std::string lines;
  const auto defect =
      walk(stream, [&lines](std::size_t offset, const Instruction& instruction, const Decoded& decoded) {
        Json json{{"offset", offset}, {"size", decoded.size}, {"opcode", instruction.opcode}};
        json["mnemonic"] = mnemonic(instruction.operation);
        if (decoded.kind == Decoded::Kind::complete) {
          json["instruction"] = assembler::disassemble(instruction);
        } else {
          json["why"] = "too large";
        }
        lines += to_text(json) + "\n";
      });
  if (!defect) return lines;
  const Json rest{{"offset", defect->offset},
                  {"size", stream.size() - defect->offset},
                  {"why", defect->is_illegal ? "illegal" : "incomplete"}};
  return lines + to_text(rest) + "\n";
}

std::string describe(const Defect& defect, const std::string& input, Bytes stream) {
  const std::string name = input == "-" ? "Standard input" : input;
  const std::string place = fmt::format("offset {} ({:#x})", grouped(defect.offset), defect.offset);
  if (!defect.is_illegal) return fmt::format("{} breaks off within the instruction at {}.", name, place);
  return fmt::format("{} holds no instruction at {}: none begins with 0x{:02X}.", name, place, stream[defect.offset]);
}

int run_disasm(const DisasmOptions& options) {
  const auto input = read_whole(options.input);
  if (!input) return fail(input.error());
  const Bytes stream(reinterpret_cast<const std::uint8_t*>(input->data()), input->size());
  const std::string text =
      options.json ? to_json_lines(stream) : assembler::disassemble(stream, {.annotate = options.annotate});
  const auto written = write_whole(options.output, text);
  if (!written) return fail(written.error());
  const auto defect = walk(stream, [](std::size_t, const Instruction&, const Decoded&) {});
  return defect ? fail(describe(*defect, options.input, stream)) : exit_done;
}

}  // namespace

Command make_disasm_command(CLI::App& program) {
  CLI::App& command = add_command(program, "disasm", "Turn instructions into text that assembles to the same bytes",
                                  "  chimera disasm hello.bin\n"
                                  "  printf '\\x40\\x05\\x00disk0\\x54' | chimera disasm - --annotate\n"
                                  "\nWhat is no whole instruction is kept as .bytes, and the exit status is 1.");
  auto options = std::make_shared<DisasmOptions>();
  add_operand(command, "IN", options->input, "Instructions, - for standard input").required();
  add_option(command, "-o,--output", "FILE", options->output, "Where the text goes (default: standard output)");
  add_flag(command, "-a,--annotate", options->annotate, "Put each instruction's offset and bytes in a comment");
  add_flag(command, "--json", options->json, "One JSON object a line: offset, size, opcode, mnemonic, instruction");
  return {&command, [options] { return run_disasm(*options); }};
}

}  // namespace chimera::cli
