#include "cli/completion.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace chimera::cli {
namespace {

/// Within single quotes, as zsh and fish have them.
std::string quoted(std::string_view text, std::string_view quote) {
  std::string inside;
  for (const char c : text) {
    if (c == '\'') {
      inside += quote;
    } else {
      inside += c;
    }
  }
  return "'" + inside + "'";
}

std::string zsh_quoted(std::string_view text) { return quoted(text, "'\\''"); }
std::string fish_quoted(std::string_view text) { return quoted(text, "\\'"); }

/// With a backslash before what means something in a row of _arguments or _describe.
std::string zsh_words(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

std::vector<std::string> literal_words(const std::string& value) {
  std::vector<std::string> words = choices_of(value);
  std::erase_if(words, [](const std::string& word) { return kind_of(word) != ValueKind::word; });
  return words;
}

bool has_kind(const std::string& value, ValueKind kind) {
  return std::ranges::any_of(choices_of(value), [&](const std::string& choice) { return kind_of(choice) == kind; });
}

/// What completes a value: a function of zsh or of the script, or words in parentheses.
std::string zsh_action(const std::string& value) {
  const bool is_file = has_kind(value, ValueKind::file), is_address = has_kind(value, ValueKind::address);
  if (is_file && is_address) return "_chimera_store_or_address";
  if (is_file) return "_files";
  if (is_address) return "_chimera_address";
  const auto words = literal_words(value);
  return words.empty() ? "" : "(" + joined(words, " ") + ")";
}

std::string zsh_row(const OptionRow& row) {
  std::string text;
  const std::string times = row.is_repeated ? "*" : "";
  const std::string value = row.value.empty() ? "" : fmt::format(":{}:{}", zsh_words(row.value), zsh_action(row.value));
  if (row.names.empty()) return " \\\n        " + zsh_quoted(times + (row.is_required ? ":" : "::") + value.substr(1));
  for (const std::string& name : row.names) {
    const std::string_view joint = row.value.empty() ? "" : name.starts_with("--") ? "=" : "+";
    text += " \\\n        " + zsh_quoted(fmt::format("{}{}{}[{}]{}", times, name, joint, zsh_words(row.help), value));
  }
  return text;
}

constexpr std::string_view zsh_front = R"(#compdef chimera
# Completion of chimera for zsh. Made by: chimera completion zsh

_chimera_address() {
  if compset -P 'unix:'; then
    _files
  else
    compadd -S '' -- unix: tcp:
  fi
}

_chimera_store_or_address() {
  _chimera_address
  [[ -n $IPREFIX ]] || _files
}
)";

// A function for the program and for each group in it.
constexpr std::string_view zsh_function = R"(
@FUNCTION@() {
  local curcontext=$curcontext state line
  typeset -A opt_args
  local -a commands
  commands=(
@COMMANDS@  )
  _arguments -C@OPTIONS@ \
    '1:command:->command' '*::argument:->argument'
  case $state in
    command) _describe command commands ;;
    argument)
      case $words[1] in
@CASES@      esac ;;
  esac
}
)";

constexpr std::string_view zsh_back = R"(
_chimera "$@"
)";

constexpr std::string_view fish_front = R"(# Completion of chimera for fish. Made by: chimera completion fish

function __chimera_address
    set -l word (commandline -ct)
    if string match -q -- '*unix:*' $word
        for file in (complete -C "'' "(string replace -r '^.*unix:' '' -- $word))
            echo unix:(string split -f1 \t -- $file)
        end
    else
        printf '%s\n' unix: tcp:
    end
end

# Whether the words that are no options are these, or begin with these.
function __chimera_is
    set -l words (string match -v -- '-*' (commandline -opc)[2..])
    test "$argv" = "$words"
end
function __chimera_in
    set -l words (string match -v -- '-*' (commandline -opc)[2..])
    set -l first $words[1..(count $argv)]
    test "$argv" = "$first"
end

complete -c chimera -f
)";

/// The ways to complete a value in fish, as arguments of its `complete`.
std::string fish_action(const std::string& value) {
  std::string action = has_kind(value, ValueKind::file) ? " -F" : "";
  std::vector<std::string> words = literal_words(value);
  if (has_kind(value, ValueKind::address)) words.emplace_back("(__chimera_address)");
  if (!words.empty()) action += " -a " + fish_quoted(joined(words, " "));
  return action;
}

std::string fish_row(const std::string& condition, const OptionRow& row) {
  std::string text = fmt::format("complete -c chimera -n {}", fish_quoted(condition));
  for (const std::string& name : row.names) {
    text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  }
  const std::string action = fish_action(row.value);
  // An option's value is a file only if it says so.
  const std::string_view takes = row.names.empty() || row.value.empty() ? "" : action.contains(" -F") ? " -r" : " -x";
  text.append(takes).append(action);
  return text + " -d " + fish_quoted(row.help) + "\n";
}

void replace(std::string& text, std::string_view mark, const std::string& by) {
  text.replace(text.find(mark), mark.size(), by);
}

void append_zsh_function(const std::string& name, const std::vector<OptionRow>& own,
                         const std::vector<CommandRow>& commands, std::string& to) {
  std::string listed, options, cases;
  for (const CommandRow& command : commands) {
    listed += "    " + zsh_quoted(command.last_name() + ":" + zsh_words(command.help)) + "\n";
    if (command.is_group()) {
      const std::string function = name + "_" + command.last_name();
      append_zsh_function(function, command.options, command.commands, to);
      cases += fmt::format("        {}) {} ;;\n", command.last_name(), function);
      continue;
    }
    std::string rows;
    for (const OptionRow& row : command.options) rows += zsh_row(row);
    for (const OptionRow& row : command.operands) rows += zsh_row(row);
    cases += fmt::format("        {}) _arguments{} ;;\n", command.last_name(), rows);
  }
  for (const OptionRow& row : own) options += zsh_row(row);
  std::string function{zsh_function};
  replace(function, "@FUNCTION@", name);
  replace(function, "@COMMANDS@", listed);
  replace(function, "@OPTIONS@", options);
  replace(function, "@CASES@", cases);
  to += function;
}

/// `group`: the name of the group that they are in.
void append_fish_rows(const std::string& group, const std::vector<CommandRow>& commands, std::string& to) {
  const std::string here = "__chimera_is" + (group.empty() ? "" : " " + group);
  for (const CommandRow& command : commands) {
    to += fmt::format("complete -c chimera -n {} -a {} -d {}\n", fish_quoted(here), command.last_name(),
                      fish_quoted(command.help));
  }
  for (const CommandRow& command : commands) {
    const std::string condition = (command.is_group() ? "__chimera_is " : "__chimera_in ") + command.name;
    for (const OptionRow& row : command.options) to += fish_row(condition, row);
    for (const OptionRow& row : command.operands) {
      if (!fish_action(row.value).empty()) to += fish_row(condition, row);
    }
    append_fish_rows(command.name, command.commands, to);
  }
}

}  // namespace

std::string zsh_completion(const CommandTable& table) {
  std::string functions;
  append_zsh_function("_chimera", table.options, table.commands, functions);
  return std::string(zsh_front) + functions + std::string(zsh_back);
}

std::string fish_completion(const CommandTable& table) {
  std::string script{fish_front};
  for (const OptionRow& row : table.options) script += fish_row("__chimera_is", row);
  append_fish_rows("", table.commands, script);
  return script;
}

}  // namespace chimera::cli
