#include "cli/command_table.h"

#include <CLI/CLI.hpp>
#include <sstream>

namespace chimera::cli {
namespace {

constexpr std::string_view examples_heading = "Examples:\n";

std::string help_of(const CLI::Option& option) {
  const std::string& standard = option.get_default_str();
  return option.get_description() + (standard.empty() ? "" : " (default " + standard + ")");
}

OptionRow row_of(const CLI::Option& option) {
  OptionRow row{.help = help_of(option),
                .group = option.get_group(),
                .is_required = option.get_required(),
                .is_repeated = option.get_items_expected_max() > 1};
  if (option.get_positional()) {
    row.value = option.get_name(/*positional=*/true);
    return row;
  }
  for (const std::string& name : option.get_snames()) row.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) row.names.push_back("--" + name);
  const bool takes_value = option.get_items_expected_max() > 0;
  if (takes_value) row.value = option.get_type_name();
  return row;
}

std::vector<OptionRow> rows_of(const CLI::App& command, bool operands) {
  std::vector<OptionRow> rows;
  for (const CLI::Option* option : command.get_options()) {
    const bool is_hidden = option->get_group().empty();
    if (!is_hidden && option->get_positional() == operands) rows.push_back(row_of(*option));
  }
  return rows;
}

/// Examples are the lines of the footer that stand in by two blanks, behind their heading.
void take_footer(CommandRow& row, std::string footer) {
  if (footer.starts_with(examples_heading)) footer.erase(0, examples_heading.size());
  std::istringstream lines(footer);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("  ")) {
      row.examples.push_back(line.substr(2));
    } else if (!line.empty() || !row.prose.empty()) {
      row.prose += line + '\n';
    }
  }
}

/// `prefix`: the names of the groups that they are in.
std::vector<CommandRow> commands_of(const CLI::App& program, const std::string& prefix) {
  std::vector<CommandRow> commands;
  for (const CLI::App* command : program.get_subcommands([](const CLI::App*) { return true; })) {
    if (command->get_group().empty()) continue;
    CommandRow row{.name = prefix + command->get_name(),
                   .help = command->get_description(),
                   .operands = rows_of(*command, true),
                   .options = rows_of(*command, false)};
    take_footer(row, command->get_footer());
    row.commands = commands_of(*command, row.name + " ");
    commands.push_back(std::move(row));
  }
  return commands;
}

}  // namespace

CommandTable table_of(const CLI::App& program) {
  CommandTable table{.name = program.get_name(),
                     .help = program.get_description(),
                     .prose = program.get_footer(),
                     .options = rows_of(program, false)};
  table.commands = commands_of(program, {});
  return table;
}

std::vector<std::string> choices_of(const std::string& value) {
  std::vector<std::string> choices;
  std::istringstream parts(value);
  for (std::string part; std::getline(parts, part, '|');) choices.push_back(part);
  return choices;
}

std::string joined(const std::vector<std::string>& words, std::string_view separator) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += separator;
    text += words[i];
  }
  return text;
}

}  // namespace chimera::cli
