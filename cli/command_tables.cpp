// chimera table: tables as wholes. What is done to their rows stands in command_rows.cpp and the files beside it.

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/render.h"
#include "cli/table_commands.h"
#include "cli/table_places.h"
#include "cli/table_session.h"
#include "cli/text_source.h"
#include "tables/catalogue.h"
#include "tables/names.h"
#include "types/limits.h"
#include "types/scalar_text.h"

namespace chimera::cli {
namespace {

using Json = nlohmann::ordered_json;
using tables::Catalogue;

struct TablesOptions {
  TableTarget at;
  std::string file, relation, other;
  bool json = false;
};

Catalogue catalogue_of(tables::Link& link, const TablesOptions& options) {
  return Catalogue(link, {.table = {.explained = options.at.explain}, .now = {}});
}

template <typename... Arguments>
Done say(const TablesOptions& options, fmt::format_string<Arguments...> words, Arguments&&... arguments) {
  if (!options.at.explain) fmt::print(words, std::forward<Arguments>(arguments)...);
  return {};
}

// ── create ───────────────────────────────────────────────────────────────────────────────────────────────────────

std::expected<std::string, std::string> read_all(const std::string& path) {
  auto source = TextSource::open(path);
  if (!source) return std::unexpected(source.error());
  while (!source->has_ended() && source->unread().size() <= types::limits::longest_schema) {
    if (auto read = source->more(); !read) return std::unexpected(read.error());
  }
  return std::string(source->unread());
}

std::expected<types::Relation, std::string> read_relation(const TablesOptions& options) {
  const auto text = read_all(options.file);
  if (!text) return std::unexpected(text.error());
  const auto schema = types::parse_schema(*text, options.file);
  if (!schema) return std::unexpected(types::diagnostics_text(schema.error()));
  std::string names;
  for (const types::Relation& relation : schema->relations) names += (names.empty() ? "" : ", ") + relation.name;
  if (!options.relation.empty()) {
    const types::Relation* const wanted = schema->find(options.relation);
    if (wanted != nullptr) return *wanted;
    return std::unexpected(fmt::format("{} has no relation {}; it has {}.", options.file, options.relation, names));
  }
  if (schema->relations.size() == 1) return schema->relations[0];
  if (schema->relations.empty()) return std::unexpected(options.file + " has no relation.");
  return std::unexpected(
      fmt::format("{} has several relations: say which with --relation, of {}.", options.file, names));
}

int create(const TablesOptions& options) {
  const auto relation = read_relation(options);
  if (!relation) return fail(relation.error());
  return with_link(options.at, [&](tables::Link& link) -> Done {
    const auto made = catalogue_of(link, options).create_table(options.at.table, *relation);
    if (!made) return words_of(made);
    return say(options, "{}: a table of {}.\n", options.at.table, counted(relation->columns.size(), "column"));
  });
}

// ── describe, list ───────────────────────────────────────────────────────────────────────────────────────────────

Json to_json(const tables::Table& table, std::uint64_t rows) {
  const types::Relation& relation = table.relation();
  Json columns = Json::array(), key = Json::array(), indexes = Json::array();
  for (const types::Column& column : relation.columns) {
    columns.push_back({{"name", column.name}, {"type", types::type_text(column.type)}, {"nullable", column.nullable}});
  }
  const auto names = [&](const std::vector<std::uint32_t>& places) {
    Json list = Json::array();
    for (const std::uint32_t place : places) list.push_back(relation.columns[place].name);
    return list;
  };
  for (const types::Index& index : relation.all_indexes()) {
    indexes.push_back({{"name", index.name}, {"unique", index.unique}, {"columns", names(index.columns)}});
  }
  return {{"name", table.name()},       {"rows", rows},       {"columns", columns},
          {"key", names(relation.key)}, {"indexes", indexes}, {"schema", types::print(relation)}};
}

int describe(const TablesOptions& options) {
  return with_table(options.at, [&](tables::Table& table) -> Done {
    const auto rows = table.count();
    if (!rows) return words_of(rows);
    if (options.json) return say(options, "{}\n", to_text(to_json(table, *rows), 2));
    // What is no schema is a comment, so that all of it can be given to `create`.
    return say(options, "{}// {}.\n", types::print(table.relation()), counted(*rows, "row"));
  });
}

int list(const TablesOptions& options) {
  return with_link(options.at, [&](tables::Link& link) -> Done {
    Catalogue catalogue = catalogue_of(link, options);
    const auto all = catalogue.tables(options.at.table);
    if (!all) return words_of(all);
    if (all->empty() && !options.at.table.empty()) {
      if (auto there = check_is_there(catalogue, options.at.table); !there) return there;
    }
    Json json = Json::array();
    for (const tables::ListedTable& table : *all) {
      std::string created;
      types::append_datetime(created, table.created);
      if (options.json) {
        json.push_back({{"name", table.name}, {"created", created}});
      } else if (auto said = say(options, "{}\n", table.name); !said) {
        return said;
      }
    }
    return options.json ? say(options, "{}\n", to_text({{"tables", json}}, 2)) : Done();
  });
}

// ── truncate, rename ─────────────────────────────────────────────────────────────────────────────────────────────

int truncate(const TablesOptions& options) {
  return with_table(options.at, [&](tables::Table& table) -> Done {
    const auto done = table.truncate();
    if (!done) return words_of(done);
    return say(options, "{}: empty.\n", options.at.table);
  });
}

int rename(const TablesOptions& options) {
  return with_link(options.at, [&](tables::Link& link) -> Done {
    const auto renamed = catalogue_of(link, options).rename_table(options.at.table, options.other);
    if (!renamed) return std::unexpected(words_of_table(link, options.at.table, renamed.error()));
    return say(options, "{}: renamed, now {}.\n", options.at.table, options.other);
  });
}

// ── relist ───────────────────────────────────────────────────────────────────────────────────────────────────────

int relist(const TablesOptions& options) {
  return with_link(options.at, [&](tables::Link& link) -> Done {
    const auto added = catalogue_of(link, options).relist();
    if (!added) return words_of(added);
    if (options.at.explain) return {};
    for (const std::string& name : *added) fmt::print("{}\n", name);
    return say(options, "{} listed that {} not.\n", counted(added->size(), "table"),
               added->size() == 1 ? "was" : "were");
  });
}

}  // namespace

Command make_table_create_command(CLI::App& group) {
  CLI::App& command =
      add_command(group, "create", "Make an empty table for a relation of a schema",
                  "  chimera table create store.img shop/main/orders orders.schema\n"
                  "  chimera table create unix:chimera.socket shop/main/orders shop.schema --relation orders\n"
                  "\nNamespace and database are made where they are not there. docs/schema.md describes the language\n"
                  "of schemas.");
  auto options = std::make_shared<TablesOptions>();
  add_table_operands(command, options->at);
  add_operand(command, "FILE", options->file, "The schema, - for standard input").required();
  add_option(command, "--relation", "NAME", options->relation,
             "Which of the schema's relations; without: its only one");
  add_session_options(command, options->at);
  return {&command, [options] { return create(*options); }};
}

Command make_table_describe_command(CLI::App& group) {
  CLI::App& command = add_command(group, "describe", "Print a table's schema and how many rows it has",
                                  "  chimera table describe store.img shop/main/orders\n"
                                  "  chimera table describe store.img shop/main/orders > orders.schema\n"
                                  "\n`create` takes what is printed: the number of rows is a comment.");
  auto options = std::make_shared<TablesOptions>();
  options->at.store.read_only = true;
  add_table_operands(command, options->at);
  add_flag(command, "--json", options->json, "Print one JSON object: name, rows, columns, key, indexes, schema");
  add_session_options(command, options->at);
  return {&command, [options] { return describe(*options); }};
}

Command make_table_list_command(CLI::App& group) {
  CLI::App& command = add_command(group, "list", "List tables, in the order of their names",
                                  "  chimera table list store.img\n"
                                  "  chimera table list unix:chimera.socket shop/main --json\n");
  auto options = std::make_shared<TablesOptions>();
  options->at.store.read_only = true;
  add_target_operand(command, options->at);
  add_operand(command, "WITHIN", options->at.table, "A namespace, or NAMESPACE/DATABASE; without: all tables");
  add_flag(command, "--json", options->json, "Print one JSON object: tables (name, created)");
  add_session_options(command, options->at);
  return {&command, [options] { return list(*options); }};
}

Command make_table_truncate_command(CLI::App& group) {
  CLI::App& command = add_command(group, "truncate", "Delete all rows of a table in one step",
                                  "  chimera table truncate store.img shop/main/orders\n");
  auto options = std::make_shared<TablesOptions>();
  add_table_operands(command, options->at);
  add_session_options(command, options->at);
  return {&command, [options] { return truncate(*options); }};
}

Command make_table_rename_command(CLI::App& group) {
  CLI::App& command = add_command(group, "rename", "Give a table another name, in any namespace and database",
                                  "  chimera table rename store.img shop/main/orders shop/old/orders\n");
  auto options = std::make_shared<TablesOptions>();
  add_table_operands(command, options->at);
  add_operand(command, "NAME", options->other, "NAMESPACE/DATABASE/TABLE")
      .check([](std::string& name) {
        const auto parsed = tables::parse_table_name(name);
        return parsed ? std::string() : parsed.error();
      })
      .required();
  add_session_options(command, options->at);
  return {&command, [options] { return rename(*options); }};
}

Command make_table_relist_command(CLI::App& group) {
  CLI::App& command = add_command(
      group, "relist", "List tables that are there in a catalogue that has lost them",
      "  chimera table relist store.img\n"
      "\nFor a store whose catalogue `chimera check` finds damaged. The names of the devices say which tables\n"
      "there are. Where one of the catalogue's own tables is not whole they are made anew first: the times at\n"
      "which tables were created are lost then, and namespaces and databases without any table. The tables\n"
      "themselves are not touched.");
  auto options = std::make_shared<TablesOptions>();
  add_target_operand(command, options->at);
  add_session_options(command, options->at);
  return {&command, [options] { return relist(*options); }};
}

Command make_table_command(CLI::App& program) {
  CLI::App& group =
      add_group(program, "table", "Tables: rows with typed columns, keys and indexes",
                "A TABLE is NAMESPACE/DATABASE/TABLE. `chimera table COMMAND --help` tells more and gives\n"
                "examples; docs/table-commands.md is the manual.");
  return group_of(
      group, {make_table_create_command(group), make_table_describe_command(group), make_table_list_command(group),
              make_table_insert_command(group), make_table_export_command(group), make_table_get_command(group),
              make_table_scan_command(group), make_table_count_command(group), make_table_aggregate_command(group),
              make_table_update_command(group), make_table_delete_command(group), make_table_truncate_command(group),
              make_table_column_command(group), make_table_index_command(group), make_table_rename_command(group),
              make_table_drop_command(group), make_table_relist_command(group)});
}

}  // namespace chimera::cli
