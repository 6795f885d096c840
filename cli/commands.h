#pragma once
// The subcommands of `chimera`, one file each.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/options.h"

namespace chimera::cli {

/// What the program ends with.
inline constexpr int exit_done = 0, exit_failed = 1, exit_wrong_usage = 2;

/// A subcommand: its options, and what it does once they have been read. `run` returns the exit status.
struct Command {
  CLI::App* parser;
  std::function<int()> run;
};

// Each adds its subcommand to the program.
[[nodiscard]] Command make_asm_command(CLI::App& program);
[[nodiscard]] Command make_blob_command(CLI::App& program);
[[nodiscard]] Command make_check_command(CLI::App& program);
[[nodiscard]] Command make_clone_command(CLI::App& program);
[[nodiscard]] Command make_completion_command(CLI::App& program);
[[nodiscard]] Command make_create_command(CLI::App& program);
[[nodiscard]] Command make_delete_command(CLI::App& program);
[[nodiscard]] Command make_devices_command(CLI::App& program);
[[nodiscard]] Command make_diff_command(CLI::App& program);
[[nodiscard]] Command make_disasm_command(CLI::App& program);
[[nodiscard]] Command make_export_command(CLI::App& program);
[[nodiscard]] Command make_format_command(CLI::App& program);
[[nodiscard]] Command make_grow_command(CLI::App& program);
[[nodiscard]] Command make_import_command(CLI::App& program);
[[nodiscard]] Command make_info_command(CLI::App& program);
[[nodiscard]] Command make_isa_command(CLI::App& program);
[[nodiscard]] Command make_journal_command(CLI::App& program);
[[nodiscard]] Command make_manual_command(CLI::App& program);
[[nodiscard]] Command make_protect_command(CLI::App& program);
[[nodiscard]] Command make_rename_command(CLI::App& program);
[[nodiscard]] Command make_rollback_command(CLI::App& program);
[[nodiscard]] Command make_run_command(CLI::App& program);
[[nodiscard]] Command make_send_command(CLI::App& program);
[[nodiscard]] Command make_serve_command(CLI::App& program);
[[nodiscard]] Command make_snapshot_command(CLI::App& program);
[[nodiscard]] Command make_stats_command(CLI::App& program);
[[nodiscard]] Command make_table_command(CLI::App& program);
[[nodiscard]] Command make_top_command(CLI::App& program);
[[nodiscard]] Command make_trim_command(CLI::App& program);

/// Adds a subcommand with a footer of examples.
CLI::App& add_command(CLI::App& program, const std::string& name, const std::string& description,
                      const std::string& examples);

/// Adds a subcommand that only has others below it, `chimera table`, whose program it is.
CLI::App& add_group(CLI::App& program, const std::string& name, const std::string& description,
                    const std::string& prose);
/// What runs whichever of them has been chosen.
[[nodiscard]] Command group_of(CLI::App& group, std::vector<Command> commands);

/// Keeps a subcommand out of the help, the manual pages and what shells complete.
void hide(CLI::App& command);

/// Prints `chimera: message` on standard error; returns exit_failed.
int fail(std::string_view message);

}  // namespace chimera::cli
