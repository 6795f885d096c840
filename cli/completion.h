#pragma once
// Scripts with which shells complete the command line, made from its own table.

#include <string>

#include "cli/command_table.h"

namespace chimera::cli {

/// To be sourced, or put as `chimera` where bash looks for completions.
[[nodiscard]] std::string bash_completion(const CommandTable& table);
/// For a file `_chimera` in zsh's fpath.
[[nodiscard]] std::string zsh_completion(const CommandTable& table);
/// For a file `chimera.fish`.
[[nodiscard]] std::string fish_completion(const CommandTable& table);

/// What is completed for a kind of value.
enum class ValueKind { file, address, word, other };

/// `word` is one to be taken as it is; `other`: nothing is known of it.
[[nodiscard]] ValueKind kind_of(const std::string& choice);

}  // namespace chimera::cli
