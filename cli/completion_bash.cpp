#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "cli/completion.h"

namespace chimera::cli {
namespace {

// Bash hands over words that it has also broken at : and =, so the line is split again here, at blanks alone; and of
// what is offered it wants only what stands behind the last of them.
constexpr std::string_view front = R"(# Completion of chimera for bash. Made by: chimera completion bash

# Offers what a word of the kinds $1 (STORE|ADDRESS, or words to choose from) may be that begins with $2.
_chimera_offer() {
  local kind
  for kind in ${1//|/ }; do
    case $kind in
      @FILES@)
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$2")
        # Or the : of an address would be quoted.
        ((${#COMPREPLY[@]} == 0)) || compopt -o filenames ;;
      ADDRESS)
        if [[ $2 == unix:* ]]; then
          compopt -o filenames
          mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -P unix: -f -- "${2#unix:}")
        else
          mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -W 'unix: tcp:' -- "$2")
          [[ ${COMPREPLY[*]} != *: ]] || compopt -o nospace
        fi ;;
      *[a-z]*) mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -W "$kind" -- "$2") ;;
    esac
  done
}

_chimera() {
  local line=${COMP_LINE:0:COMP_POINT} command='' choices='@COMMANDS@' options='@OPTIONS@' expected='' word
  local -a words operands=()
  local -A values=()
  COMPREPLY=()
  # shellcheck disable=SC2162 # A backslash keeps a blank within a word.
  read -a words <<<"$line"
  [[ $line != *[[:space:]] ]] || words+=('')
  local current=${words[-1]}
  for word in "${words[@]:1:${#words[@]}-2}"; do
    if [[ -n $expected ]]; then
      expected=''
    elif [[ $word == -* ]]; then
      expected=${values[$word]-}
    elif [[ -n $choices ]]; then
      command+=${command:+ }$word choices='' options=''
      case $command in
)";

constexpr std::string_view back = R"(      esac
    elif ((${#operands[@]})) && [[ ${operands[0]} != *... ]]; then
      operands=("${operands[@]:1}")
    fi
  done

  if [[ -n $expected ]]; then
    _chimera_offer "$expected" "$current"
  elif [[ $current == --*=* ]]; then
    _chimera_offer "${values[${current%%=*}]-}" "${current#*=}"
  elif [[ -n $choices && $current != -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$current")
  elif [[ $current == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
  elif ((${#operands[@]})); then
    _chimera_offer "${operands[0]%...}" "$current"
  fi
  local broken=${current%"${current##*[:=]}"}
  [[ $current != --*=* ]] || broken=${broken#"${current%%=*}="}
  [[ -z $broken ]] || COMPREPLY=("${COMPREPLY[@]#"$broken"}")
}

complete -F _chimera chimera
)";

constexpr std::array file_kinds{"STORE", "FILE", "IN", "OUT", "PROGRAM", "FOLDER", "DIR"};

std::vector<std::string> names_of(const std::vector<OptionRow>& options) {
  std::vector<std::string> names;
  for (const OptionRow& row : options) names.insert(names.end(), row.names.begin(), row.names.end());
  return names;
}

std::string command_case(const CommandRow& command) {
  std::string values, operands;
  for (const OptionRow& row : command.options) {
    if (row.value.empty()) continue;
    for (const std::string& name : row.names) values += fmt::format(" [{}]='{}'", name, row.value);
  }
  for (const OptionRow& row : command.operands) {
    operands += fmt::format(" '{}{}'", row.value, row.is_repeated ? "..." : "");
  }
  return fmt::format("        '{}')\n          options='{}'\n          operands=({})\n          values=({}) ;;\n",
                     command.name, joined(names_of(command.options), " "), operands.empty() ? "" : operands.substr(1),
                     values.empty() ? "" : values.substr(1));
}

std::string last_names(const std::vector<CommandRow>& commands) {
  std::vector<std::string> names;
  for (const CommandRow& command : commands) names.push_back(command.last_name());
  return joined(names, " ");
}

std::string cases_of(const std::vector<CommandRow>& commands) {
  std::string cases;
  for (const CommandRow& command : commands) {
    if (!command.is_group()) {
      cases += command_case(command);
      continue;
    }
    cases += fmt::format("        '{}')\n          options='{}'\n          choices='{}' ;;\n", command.name,
                         joined(names_of(command.options), " "), last_names(command.commands));
    cases += cases_of(command.commands);
  }
  return cases;
}

std::string replaced(std::string_view text, std::string_view mark, const std::string& by) {
  std::string whole(text);
  whole.replace(whole.find(mark), mark.size(), by);
  return whole;
}

}  // namespace

ValueKind kind_of(const std::string& choice) {
  if (choice == "ADDRESS") return ValueKind::address;
  if (std::ranges::find(file_kinds, choice) != file_kinds.end()) return ValueKind::file;
  const bool is_word = std::ranges::any_of(choice, [](char c) { return c >= 'a' && c <= 'z'; });
  return is_word ? ValueKind::word : ValueKind::other;
}

std::string bash_completion(const CommandTable& table) {
  std::string script = replaced(front, "@FILES@", joined({file_kinds.begin(), file_kinds.end()}, " | "));
  script = replaced(replaced(script, "@COMMANDS@", last_names(table.commands)), "@OPTIONS@",
                    joined(names_of(table.options), " "));
  return script + cases_of(table.commands) + std::string(back);
}

}  // namespace chimera::cli
