// chimera table index: indexes that come and go.

#include <fmt/format.h>

#include <memory>

#include "cli/commands.h"
#include "cli/table_commands.h"
#include "cli/table_session.h"
#include "cli/table_words.h"

namespace chimera::cli {
namespace {

struct Options {
  TableTarget at;
  std::string index, columns;
  bool unique = false;
};

int add(const Options& options) {
  const std::string& columns = options.columns.empty() ? options.index : options.columns;
  return with_table(options.at, [&](tables::Table& table) -> Done {
    const auto added = table.add_index({options.index, options.unique, names_in(columns)});
    if (!added) return words_of(added);
    if (!options.at.explain) fmt::print("{}: index {} added.\n", table.name(), options.index);
    return {};
  });
}

int drop(const Options& options) {
  return with_table(options.at, [&](tables::Table& table) -> Done {
    if (const auto dropped = table.drop_index(options.index); !dropped) return words_of(dropped);
    if (!options.at.explain) fmt::print("{}: index {} dropped.\n", table.name(), options.index);
    return {};
  });
}

Command make_add(CLI::App& group) {
  CLI::App& command = add_command(
      group, "add", "Add an index of rows that are there",
      "  chimera table index add store.img shop/main/orders customer\n"
      "  chimera table index add unix:chimera.socket shop/main/orders by_place country,town\n"
      "  chimera table index add store.img shop/main/orders number --unique\n"
      "\nRows are entered in pieces while others go on. If it is interrupted the index is not used; the same\n"
      "command goes on with it, and drop takes it away. Until then columns and indexes stay as they are.\n"
      "\nWhere two rows have the same values in a unique index they are told, and there is no index then.");
  auto options = std::make_shared<Options>();
  add_table_operands(command, options->at);
  add_operand(command, "INDEX", options->index, "The index's name").required();
  add_operand(command, "COLUMNS", options->columns, "Its columns, with commas between (default: the one of its name)");
  add_flag(command, "--unique", options->unique, "No two rows may have the same values, unless one is null");
  add_session_options(command, options->at);
  return {&command, [options] { return add(*options); }};
}

Command make_drop(CLI::App& group) {
  CLI::App& command = add_command(group, "drop", "Drop an index, also one that is half added",
                                  "  chimera table index drop store.img shop/main/orders by_place\n");
  auto options = std::make_shared<Options>();
  add_table_operands(command, options->at);
  add_operand(command, "INDEX", options->index, "The index's name").required();
  add_session_options(command, options->at);
  return {&command, [options] { return drop(*options); }};
}

}  // namespace

Command make_table_index_command(CLI::App& program) {
  CLI::App& group = add_group(program, "index", "Indexes of a table: add, drop",
                              "Whoever has the table open meanwhile goes on with what it is then.");
  return group_of(group, {make_add(group), make_drop(group)});
}

}  // namespace chimera::cli
