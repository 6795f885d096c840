#pragma once
// What the command line knows of itself, as plain rows: for manual pages and for shells that complete.

#include <string>
#include <string_view>
#include <vector>

namespace CLI {  // NOLINT(readability-identifier-naming)
class App;
}  // namespace CLI

namespace chimera::cli {

/// An option or an operand of a command.
struct OptionRow {
  std::vector<std::string> names;  ///< `-l`, `--listen`; none: an operand
  /// What stands in its place: kinds of values in capitals, or words to choose from, with | between: `STORE|ADDRESS`,
  /// `uring|posix|auto`. Empty: a flag.
  std::string value;
  std::string help;
  std::string group;
  bool is_required = false;
  bool is_repeated = false;  ///< any number of them
};

/// A command, or a group of them, whose names have its own in front: `table`, `table insert`.
struct CommandRow {
  std::string name;
  std::string help;
  std::vector<std::string> examples;  ///< lines
  std::string prose;                  ///< paragraphs, with an empty line between
  std::vector<OptionRow> operands, options;
  std::vector<CommandRow> commands;  ///< of a group

  [[nodiscard]] bool is_group() const { return !commands.empty(); }
  /// The name without those of the groups that it is in.
  [[nodiscard]] std::string last_name() const { return name.substr(name.rfind(' ') + 1); }
};

/// All that is not hidden, in the order of the help.
struct CommandTable {
  std::string name, help, prose;
  std::vector<OptionRow> options;
  std::vector<CommandRow> commands;
};

[[nodiscard]] CommandTable table_of(const CLI::App& program);

/// The parts between the | of a value.
[[nodiscard]] std::vector<std::string> choices_of(const std::string& value);

[[nodiscard]] std::string joined(const std::vector<std::string>& words, std::string_view separator);

}  // namespace chimera::cli
