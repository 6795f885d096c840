#include "cli/commands.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>

namespace chimera::cli {

CLI::App& add_command(CLI::App& program, const std::string& name, const std::string& description,
                      const std::string& examples) {
  CLI::App& command = *program.add_subcommand(name, description);
  command.footer("Examples:\n" + examples);
  return command;
}

CLI::App& add_group(CLI::App& program, const std::string& name, const std::string& description,
                    const std::string& prose) {
  CLI::App& group = *program.add_subcommand(name, description);
  group.require_subcommand(1);
  group.footer(prose);
  return group;
}

Command group_of(CLI::App& group, std::vector<Command> commands) {
  return {&group, [commands = std::move(commands)] {
            for (const Command& command : commands) {
              if (command.parser->parsed()) return command.run();
            }
            return exit_wrong_usage;
          }};
}

void hide(CLI::App& command) { command.group(""); }

int fail(std::string_view message) {
  std::fflush(stdout);
  while (message.ends_with('\n')) message.remove_suffix(1);
  const bool is_sentence = message.ends_with('.') || message.ends_with('?') || message.contains('\n');
  fmt::print(stderr, "chimera: {}{}\n", message, is_sentence ? "" : ".");
  return exit_failed;
}

}  // namespace chimera::cli
