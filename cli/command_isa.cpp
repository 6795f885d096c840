// chimera isa: the instruction set, from the one table that everything else is made from.

#include <fmt/format.h>

#include <memory>

#include "cli/commands.h"
#include "isa/opcodes.h"
#include "isa/reference.h"
#include "isa/words.h"

namespace chimera::cli {
namespace {

struct IsaOptions {
  std::string words;
  bool json = false;
  bool vim = false;
};

void print_encoding(const std::string& opcode, const Form& form) {
  std::string operands;
  for (const Operand operand : form.operands) operands += fmt::format(" <{}>", operand_name(operand));
  fmt::print("    {:<5}{}\n", opcode, operands);
}

void print_row(const Row& row) {
  fmt::print("{}", row.mnemonic);
  if (row.result != Result::none) fmt::print(" -> {}", result_name(row.result));
  fmt::print("\n    {}\n", row.meaning);
  if (row.is_extension) {
    print_encoding(fmt::format("7F {:02X}", row.number), form_of_extension(row.number));
    return;
  }
  for (const std::uint8_t opcode : opcodes_of(row)) print_encoding(fmt::format("{:02X}", opcode), form_of(opcode));
}

int print_rows_with(const std::string& words) {
  bool found = false;
  for (const Row& row : rows) {
    if (row.mnemonic.find(words) == std::string_view::npos) continue;
    found = true;
    print_row(row);
  }
  return found ? exit_done : fail(fmt::format("No instruction has \"{}\" in its name.", words));
}

int run_isa(const IsaOptions& options) {
  if (!options.words.empty()) return print_rows_with(options.words);
  fmt::print("{}", options.json ? reference_json() : options.vim ? vim_syntax() : reference_markdown());
  return exit_done;
}

}  // namespace

Command make_isa_command(CLI::App& program) {
  CLI::App& command = add_command(program, "isa", "Print the instruction set",
                                  "  chimera isa\n"
                                  "  chimera isa write\n"
                                  "  chimera isa --json\n"
                                  "  chimera isa --vim > ~/.vim/syntax/chimera.vim");
  auto options = std::make_shared<IsaOptions>();
  const Option words = add_operand(command, "WORDS", options->words, "Only the instructions with this in their name");
  Option json = add_flag(command, "--json", options->json, "The whole of it as JSON, for tools");
  Option vim = add_flag(command, "--vim", options->vim, "Highlighting of assembly text, for vim");
  json.excludes(words);
  vim.excludes(words).excludes(json);
  return {&command, [options] { return run_isa(*options); }};
}

}  // namespace chimera::cli
