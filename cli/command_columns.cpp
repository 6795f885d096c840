// chimera table column: columns that come, go and change their names.

#include <fmt/format.h>

#include <memory>

#include "cli/commands.h"
#include "cli/table_commands.h"
#include "cli/table_session.h"
#include "types/schema.h"

namespace chimera::cli {
namespace {

struct Options {
  TableTarget at;
  std::string column, name;
};

int compress(const Options& options, bool compressed) {
  return with_table(options.at, [&](tables::Table& table) -> Done {
    if (const auto done = table.compress_column(options.column, compressed); !done) return words_of(done);
    const char* const word = compressed ? "compressed" : "decompressed";
    if (!options.at.explain) fmt::print("{}: column {} {}.\n", table.name(), options.column, word);
    return {};
  });
}
int compress(const Options& options) { return compress(options, true); }
int decompress(const Options& options) { return compress(options, false); }

/// As a schema writes it: `note: string nullable`. It is read as that of another relation behind the table's own, in
/// the same module: types with names have to be the table's.
std::expected<types::Column, std::string> parse_column(const types::Relation& relation, const std::string& text) {
  const std::size_t point = relation.name.rfind('.');
  const bool has_module = point != std::string::npos;
  std::string added = "relation " + relation.name.substr(has_module ? point + 1 : 0);
  added.back() = added.back() == '_' ? 'x' : '_';
  added += " = struct {\n" + text + "\n}\n";
  if (has_module) added = "module " + relation.name.substr(0, point) + " {\n" + added + "}\n";
  const auto schema = types::parse_schema(types::print(relation) + "\n" + added, "column");
  if (schema && schema->relations.size() == 2 && schema->relations[1].columns.size() == 1) {
    return schema->relations[1].columns[0];
  }
  std::string why = "write it as a schema does, NAME: TYPE";
  if (!schema) why = schema.error().front().message;
  return std::unexpected(fmt::format("\"{}\" is no column: {}.", text, why));
}

int add(const Options& options) {
  return with_table(options.at, [&](tables::Table& table) -> Done {
    const auto column = parse_column(table.relation(), options.column);
    if (!column) return std::unexpected(column.error());
    if (const auto added = table.add_column(*column); !added) return words_of(added);
    if (!options.at.explain) fmt::print("{}: column {} added.\n", table.name(), column->name);
    return {};
  });
}

int drop(const Options& options) {
  return with_table(options.at, [&](tables::Table& table) -> Done {
    if (const auto dropped = table.drop_column(options.column); !dropped) return words_of(dropped);
    if (!options.at.explain) fmt::print("{}: column {} dropped.\n", table.name(), options.column);
    return {};
  });
}

int rename(const Options& options) {
  return with_table(options.at, [&](tables::Table& table) -> Done {
    if (const auto renamed = table.rename_column(options.column, options.name); !renamed) return words_of(renamed);
    if (!options.at.explain) fmt::print("{}: column {} renamed, now {}.\n", table.name(), options.column, options.name);
    return {};
  });
}

Command add_subcommand(CLI::App& group, const std::string& name, const std::string& help, const std::string& examples,
                       const std::string& operand, const std::string& operand_help, int (*run)(const Options&)) {
  CLI::App& command = add_command(group, name, help, examples);
  auto options = std::make_shared<Options>();
  add_table_operands(command, options->at);
  add_operand(command, operand, options->column, operand_help).required();
  if (name == "rename") add_operand(command, "NAME", options->name, "Its new name").required();
  add_session_options(command, options->at);
  return {&command, [options, run] { return run(*options); }};
}

}  // namespace

Command make_table_column_command(CLI::App& program) {
  CLI::App& group = add_group(program, "column", "Columns of a table: add, drop, rename, get, put, compress",
                              "Whoever has the table open meanwhile goes on with what it is then.");
  return group_of(
      group,
      {add_subcommand(group, "add", "Add a column behind all others",
                      "  chimera table column add store.img shop/main/orders \"note: string nullable\"\n"
                      "  chimera table column add store.img shop/main/orders \"paid: bool default false\"\n"
                      "\nThe rows that are there get its default, or null.",
                      "COLUMN", "The column as a schema writes it, NAME: TYPE and so on", add),
       add_subcommand(group, "drop", "Drop a column with its values",
                      "  chimera table column drop store.img shop/main/orders note\n"
                      "\nThe indexes that it is part of go too. A column of the primary key stays.",
                      "COLUMN", "The column's name", drop),
       add_subcommand(group, "rename", "Give a column another name",
                      "  chimera table column rename store.img shop/main/orders note remark\n", "COLUMN",
                      "The column's name", rename),
       make_column_get_command(group), make_column_put_command(group),
       add_subcommand(group, "compress", "Keep the values of a column compressed",
                      "  chimera table column compress store.img shop/main/orders note\n"
                      "\nThose that are there too, in place, while others go on, with zstd: long values one by one,\n"
                      "a column of a fixed width in pieces of 64 KiB. Where such a one has been changed here and\n"
                      "there, do it again.",
                      "COLUMN", "The column's name", compress),
       add_subcommand(group, "decompress", "Keep the values of a column as they are",
                      "  chimera table column decompress store.img shop/main/orders note\n", "COLUMN",
                      "The column's name", decompress)});
}

}  // namespace chimera::cli
