// chimera completion: what shells need to complete this command line.

#include <fmt/format.h>

#include <array>
#include <memory>

#include "cli/command_table.h"
#include "cli/commands.h"
#include "cli/completion.h"

namespace chimera::cli {
namespace {

struct Shell {
  const char* name;
  std::string (*script)(const CommandTable& table);
};

constexpr std::array shells{Shell{"bash", bash_completion}, Shell{"zsh", zsh_completion},
                            Shell{"fish", fish_completion}};

std::string wrong_with_shell(const std::string& name) {
  for (const Shell& shell : shells) {
    if (name == shell.name) return {};
  }
  return "it takes bash, zsh or fish, and not \"" + name + "\"";
}

int run_completion(const CLI::App& program, const std::string& name) {
  for (const Shell& shell : shells) {
    if (name == shell.name) fmt::print("{}", shell.script(table_of(program)));
  }
  return exit_done;
}

}  // namespace

Command make_completion_command(CLI::App& program) {
  CLI::App& command = add_command(program, "completion", "Print the script with which a shell completes this command",
                                  "  source <(chimera completion bash)\n"
                                  "  chimera completion zsh > ~/.zsh/functions/_chimera\n"
                                  "  chimera completion fish > ~/.config/fish/completions/chimera.fish\n"
                                  "\nWhere Chimera was installed as a package the shells find it by themselves.");
  auto name = std::make_shared<std::string>();
  add_operand(command, "bash|zsh|fish", *name, "The shell").check(wrong_with_shell).required();
  return {&command, [&program, name] { return run_completion(program, *name); }};
}

}  // namespace chimera::cli
