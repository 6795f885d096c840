// The one command, `chimera`.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <sstream>

#include "cli/commands.h"
#include "cli/output.h"
#include "isa/nearest.h"
#include "vm/version.h"

namespace {

using namespace chimera::cli;

constexpr const char* footer =
    "A STORE is a file or a block device, or :memory: for one that is gone at the end.\n"
    "An ADDRESS is unix:PATH or tcp:HOST:PORT, of a running server.\n"
    "`chimera COMMAND --help` tells more and gives examples.";

/// The program, or the subcommand that was chosen, or that below it; `name` becomes "chimera table insert".
const CLI::App& chosen_of(const CLI::App& program, std::string& name) {
  const CLI::App* chosen = &program;
  name = program.get_name();
  for (auto below = chosen->get_subcommands(); !below.empty(); below = chosen->get_subcommands()) {
    chosen = below.front();
    name += " " + chosen->get_name();
  }
  return *chosen;
}

std::string unknown_option(const CLI::App& chosen, const std::string& word) {
  chimera::Nearest nearest(word);
  std::vector<std::string> names;
  for (const CLI::Option* option : chosen.get_options()) {
    for (const std::string& known : option->get_lnames()) names.push_back("--" + known);
  }
  for (const std::string& known : names) nearest.offer(known);
  const std::string_view meant = nearest.best();
  return fmt::format("there is no option {}{}", word, meant.empty() ? "" : fmt::format("; did you mean {}?", meant));
}

/// What is wrong with the command line, as a sentence.
std::string what_is_wrong(const CLI::App& chosen, const std::string& name, const CLI::ParseError& error) {
  const bool is_group = !chosen.get_subcommands([](const CLI::App*) { return true; }).empty();
  const auto words = chosen.remaining();
  if (!is_group) {
    const auto option =
        std::ranges::find_if(words, [](const std::string& word) { return word.size() > 1 && word.starts_with('-'); });
    return option != words.end() ? name + ": " + unknown_option(chosen, *option) : name + ": " + error.what();
  }
  if (words.empty()) return name + ": no command was given";
  if (words.front().starts_with('-')) return name + ": " + unknown_option(chosen, words.front());
  chimera::Nearest nearest(words.front());
  std::vector<std::string> names;
  for (const CLI::App* command : chosen.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  for (const std::string& command : names) nearest.offer(command);
  const std::string_view meant = nearest.best();
  return fmt::format("{}: there is no command {}{}", name, words.front(),
                     meant.empty() ? "" : fmt::format("; did you mean {}?", meant));
}

/// For help and the version, which the parser reports as errors too; and for wrong usage.
int report(const CLI::App& program, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) {
    std::ostringstream text;
    program.exit(error, text, text);
    fmt::print("{}", text.str());
    return exit_done;
  }
  std::string name;
  const CLI::App& chosen = chosen_of(program, name);
  const std::string wrong = what_is_wrong(chosen, name, error);
  fmt::print(stderr, "{}{}\n{} --help tells more.\n", wrong, wrong.ends_with('?') || wrong.ends_with('.') ? "" : ".",
             name);
  return exit_wrong_usage;
}

/// Parses the command line and runs what it chose.
int run_chosen(int argument_count, char** arguments) {
  CLI::App program("Chimera: a programmable block store", "chimera");
  program.require_subcommand(1);
  program.footer(footer);
  const auto [major, minor, patch] = chimera::vm::version;
  program.set_version_flag("--version", fmt::format("chimera {}.{}.{}", major, minor, patch));
  program.get_formatter()->column_width(34);
  const std::array commands{
      make_format_command(program),  make_run_command(program),        make_serve_command(program),
      make_send_command(program),    make_asm_command(program),        make_disasm_command(program),
      make_import_command(program),  make_export_command(program),     make_info_command(program),
      make_devices_command(program), make_create_command(program),     make_rename_command(program),
      make_protect_command(program), make_delete_command(program),     make_check_command(program),
      make_grow_command(program),    make_journal_command(program),    make_snapshot_command(program),
      make_clone_command(program),   make_rollback_command(program),   make_diff_command(program),
      make_isa_command(program),     make_completion_command(program), make_manual_command(program),
      make_stats_command(program),   make_top_command(program),        make_trim_command(program),
      make_table_command(program),   make_blob_command(program),
  };
  try {
    program.parse(argument_count, arguments);
  } catch (const CLI::ParseError& error) {
    return report(program, error);
  }
  for (const Command& command : commands) {
    if (command.parser->parsed()) return command.run();
  }
  return exit_wrong_usage;
}

}  // namespace

int main(int argument_count, char** arguments) {
  guard_output();
  try {
    const int status = run_chosen(argument_count, arguments);
    const bool is_written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
    if (output_is_closed()) end_by_closed_output();
    return is_written ? status : fail("Standard output could not be written.");
  } catch (const std::bad_alloc&) {
    return fail("There is not enough memory.");
  } catch (const std::exception& error) {
    return fail(error.what());
  }
}
