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

_chimera() {
  local curcontext=$curcontext state line
  typeset -A opt_args
  local -a commands
  commands=(
)";

constexpr std::string_view zsh_middle = R"(  )
  _arguments -C @OPTIONS@ \
    '1:command:->command' '*::argument:->argument'
  case $state in
    command) _describe command commands ;;
    argument)
      case $words[1] in
)";

constexpr std::string_view zsh_back = R"(      esac ;;
  esac
}

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

}  // namespace

std::string zsh_completion(const CommandTable& table) {
  std::string script{zsh_front}, options, cases;
  for (const CommandRow& command : table.commands) {
    script += "    " + zsh_quoted(command.name + ":" + zsh_words(command.help)) + "\n";
    std::string rows;
    for (const OptionRow& row : command.options) rows += zsh_row(row);
    for (const OptionRow& row : command.operands) rows += zsh_row(row);
    cases += fmt::format("        {}) _arguments{} ;;\n", command.name, rows);
  }
  for (const OptionRow& row : table.options) options += zsh_row(row);
  std::string middle{zsh_middle};
  constexpr std::string_view mark = " @OPTIONS@";
  middle.replace(middle.find(mark), mark.size(), options);
  return script + middle + cases + std::string(zsh_back);
}

std::string fish_completion(const CommandTable& table) {
  std::string script{fish_front};
  for (const OptionRow& row : table.options) script += fish_row("__fish_use_subcommand", row);
  for (const CommandRow& command : table.commands) {
    script += fmt::format("complete -c chimera -n __fish_use_subcommand -a {} -d {}\n", command.name,
                          fish_quoted(command.help));
  }
  for (const CommandRow& command : table.commands) {
    const std::string condition = "__fish_seen_subcommand_from " + command.name;
    for (const OptionRow& row : command.options) script += fish_row(condition, row);
    for (const OptionRow& row : command.operands) {
      if (!fish_action(row.value).empty()) script += fish_row(condition, row);
    }
  }
  return script;
}

}  // namespace chimera::cli
