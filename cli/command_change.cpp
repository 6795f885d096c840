// chimera table update and delete: rows that change and go.

#include <fmt/format.h>

#include <memory>

#include "cli/commands.h"
#include "cli/render.h"
#include "cli/table_commands.h"
#include "cli/table_session.h"
#include "cli/table_words.h"
#include "cli/unreadable_rows.h"

namespace chimera::cli {
namespace {

struct Options {
  TableTarget at;
  std::vector<std::string> key, set;
  std::string where, skip_damaged;
  bool json = false;
};

/// Which rows are meant is said by a key or by a condition, one of both: a slip is not to change all rows.
void add_which(CLI::App& command, Options& options) {
  const Option key = add_operand(command, "KEY", options.key, "The key's values of the row that is meant");
  add_option(command, "--where", "CONDITION", options.where, "All rows for which this is true").excludes(key);
  once_read(command, [&options] {
    if (options.key.empty() && options.where.empty()) refuse_without("KEY, or a condition for --where,");
  });
  add_skip_damaged_option(command, options.skip_damaged).excludes(key);
  add_flag(command, "--json", options.json, "Print one JSON object: rows, how many it were; left_out");
  add_session_options(command, options.at);
}

/// `one` is done to the row of the key, `all` to those of the condition.
template <typename One, typename All>
Done change(const Options& options, tables::Table& table, std::string_view done, One&& one, All&& all) {
  std::uint64_t rows = 0;
  UnreadableRows unreadable(options.skip_damaged);
  if (options.where.empty()) {
    auto key = key_of(table, options.key);
    if (!key) return std::unexpected(key.error());
    const auto changed = one(std::move(*key));
    if (!changed) return words_of(changed);
    if (!*changed && !options.at.explain) return std::unexpected(table.name() + " has no row of that key.");
    rows = 1;
  } else {
    tables::OnUnreadable pass_over;
    if (auto fresh = unreadable.pass_over(pass_over); !fresh) return fresh;
    const auto changed = all(pass_over);
    const Done closed = unreadable.close();
    if (!changed) return std::unexpected(unreadable.words_of(changed.error()));
    if (!closed) return closed;
    rows = *changed;
  }
  if (options.at.explain) return {};
  if (options.json) {
    fmt::print("{{\"rows\": {}, \"left_out\": {}}}\n", rows, unreadable.count());
  } else {
    const std::string left_out = unreadable.report();
    fmt::print("{}: {} {}{}{}.\n", table.name(), counted(rows, "row"), done, left_out.empty() ? "" : ", ", left_out);
  }
  return {};
}

int update(const Options& options) {
  return with_table(options.at, [&](tables::Table& table) -> Done {
    const auto assignments = assignments_of(table, options.set);
    if (!assignments) return std::unexpected(assignments.error());
    return change(
        options, table, "updated", [&](types::Row key) { return table.update(std::move(key), *assignments); },
        [&](const auto& pass_over) { return table.update_where(options.where, *assignments, pass_over); });
  });
}

int remove(const Options& options) {
  return with_table(options.at, [&](tables::Table& table) -> Done {
    return change(
        options, table, "deleted", [&](types::Row key) { return table.remove(std::move(key)); },
        [&](const auto& pass_over) { return table.remove_where(options.where, pass_over); });
  });
}

}  // namespace

Command make_table_update_command(CLI::App& group) {
  CLI::App& command = add_command(
      group, "update", "Change columns of rows",
      "  chimera table update store.img shop/main/orders 17 --set paid=true --set note=\n"
      "  chimera table update unix:chimera.socket shop/main/orders --where \"price < 0\" --set price=0\n"
      "\nA value stands as in CSV: nothing behind the = is null where the column may be. Many rows are changed in\n"
      "several steps, of which each leaves the table whole.\n"
      "\nAt a row for which something that is needed cannot be read, since the store is damaged, it ends, and says\n"
      "which that is and how many have been updated; --skip-damaged goes on behind such rows.");
  auto options = std::make_shared<Options>();
  add_table_operands(command, options->at);
  add_option(command, "--set", "COLUMN=VALUE", options->set, "A new value; may be given several times").required();
  add_which(command, *options);
  return {&command, [options] { return update(*options); }};
}

Command make_table_delete_command(CLI::App& group) {
  CLI::App& command =
      add_command(group, "delete", "Delete rows",
                  "  chimera table delete store.img shop/main/orders 17\n"
                  "  chimera table delete unix:chimera.socket shop/main/orders --where \"day < "
                  "'2020-01-01'\"\n"
                  "\nMany rows are deleted in several steps, of which each leaves the table whole. To\n"
                  "delete all, `chimera table truncate` takes one.\n"
                  "\nAt a row for which something that is needed cannot be read, since the store is damaged, it\n"
                  "ends, and says which that is and how many have been deleted; --skip-damaged goes on behind\n"
                  "such rows, which stay.");
  auto options = std::make_shared<Options>();
  add_table_operands(command, options->at);
  add_which(command, *options);
  return {&command, [options] { return remove(*options); }};
}

}  // namespace chimera::cli
