#pragma once
// A file with options of a subcommand: a line each, `name = value`, the names those of the command line.

#include <string>
#include <vector>

namespace CLI {  // NOLINT(readability-identifier-naming)
class App;
}  // namespace CLI

namespace chimera::cli {

/// `--config` and `--check-config`.
struct ConfigOptions {
  std::string path;  ///< none if empty
  bool check = false;
};

void add_config_options(CLI::App& command, ConfigOptions& options);

/// To be called when the command line has been read: options that it has not given get their values from the file.
/// Every fault of the file, each as `FILE:LINE: what is wrong`; where there is one the options must not be used.
[[nodiscard]] std::vector<std::string> apply_config(CLI::App& command, const std::string& path);

/// Ends a command that has been asked to check its file, or whose file has faults: prints what there is to say and
/// returns the exit status.
[[nodiscard]] int report_config(const std::string& path, const std::vector<std::string>& faults);

}  // namespace chimera::cli
