#pragma once
// The subcommands of `chimera table`. Each adds its own to the group.

#include "cli/commands.h"

namespace chimera::cli {

[[nodiscard]] Command make_table_aggregate_command(CLI::App& group);
[[nodiscard]] Command make_table_column_command(CLI::App& group);
/// Of the group `chimera table column`.
[[nodiscard]] Command make_column_get_command(CLI::App& group);
[[nodiscard]] Command make_column_put_command(CLI::App& group);
[[nodiscard]] Command make_table_count_command(CLI::App& group);
[[nodiscard]] Command make_table_create_command(CLI::App& group);
[[nodiscard]] Command make_table_delete_command(CLI::App& group);
[[nodiscard]] Command make_table_describe_command(CLI::App& group);
[[nodiscard]] Command make_table_drop_command(CLI::App& group);
[[nodiscard]] Command make_table_export_command(CLI::App& group);
[[nodiscard]] Command make_table_get_command(CLI::App& group);
[[nodiscard]] Command make_table_index_command(CLI::App& group);
[[nodiscard]] Command make_table_insert_command(CLI::App& group);
[[nodiscard]] Command make_table_list_command(CLI::App& group);
[[nodiscard]] Command make_table_relist_command(CLI::App& group);
[[nodiscard]] Command make_table_rename_command(CLI::App& group);
[[nodiscard]] Command make_table_scan_command(CLI::App& group);
[[nodiscard]] Command make_table_truncate_command(CLI::App& group);
[[nodiscard]] Command make_table_update_command(CLI::App& group);

}  // namespace chimera::cli
