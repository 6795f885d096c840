// chimera table drop: a table, or a database or namespace that nothing is in, or with all that is in it.

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "cli/commands.h"
#include "cli/render.h"
#include "cli/table_commands.h"
#include "cli/table_places.h"
#include "cli/table_session.h"
#include "tables/catalogue.h"
#include "tables/names.h"
#include "types/limits.h"

namespace chimera::cli {
namespace {

using tables::Catalogue;

struct Options {
  TableTarget at;
  bool all = false;

  [[nodiscard]] bool names_table() const { return std::ranges::count(at.table, '/') == 2; }
  [[nodiscard]] bool names_space() const { return at.table.find('/') == std::string::npos; }
};

/// ", with 3 databases and 5 tables"; of what there was none is not told.
std::string what_went(const Catalogue::Dropped& dropped) {
  std::string words;
  if (dropped.databases > 0) words = ", with " + counted(dropped.databases, "database");
  if (dropped.tables > 0) words += (words.empty() ? ", with " : " and ") + counted(dropped.tables, "table");
  return words;
}

Done drop_place(Catalogue& catalogue, const Options& options) {
  const std::string& name = options.at.table;
  if (auto there = check_is_there(catalogue, name); !there) return there;
  const auto within = catalogue.tables(name);
  if (!within) return words_of(within);
  const auto own = [](const tables::ListedTable& table) { return tables::is_catalogues_own(table.name); };
  if (std::ranges::any_of(*within, own)) {
    return std::unexpected(name + " holds the catalogue's own tables, and stays.");
  }
  if (!within->empty() && !options.all) {
    return std::unexpected(fmt::format("{} {} in {}: --all drops all that is in it too.",
                                       within->size() == 1 ? "There is" : "There are", counted(within->size(), "table"),
                                       name));
  }
  if (options.all) {
    const auto dropped = catalogue.drop_all(name);
    if (!dropped) return words_of(dropped);
    if (options.at.explain) return {};
    fmt::print("{}: dropped{}.\n", name, what_went(*dropped));
    return {};
  }
  const auto dropped = options.names_space() ? catalogue.drop_namespace(name) : catalogue.drop_database(name);
  if (!dropped && dropped.error().status == Status::denied) {
    return std::unexpected(dropped.error().words + " --all drops all that is in it too.");
  }
  if (!dropped) return words_of(dropped);
  if (!options.at.explain) fmt::print("{}: dropped.\n", name);
  return {};
}

int drop(const Options& options) {
  return with_link(options.at, [&](tables::Link& link) -> Done {
    Catalogue catalogue(link, {.table = {.explained = options.at.explain}, .now = {}});
    if (!options.names_table()) return drop_place(catalogue, options);
    const auto dropped = catalogue.drop_table(options.at.table);
    if (!dropped) return std::unexpected(words_of_table(link, options.at.table, dropped.error()));
    if (!options.at.explain) fmt::print("{}: dropped.\n", options.at.table);
    return {};
  });
}

std::string wrong_with_name(const std::string& name) {
  // What is not given is put in by a part that is right.
  std::string whole = name;
  for (auto slashes = std::ranges::count(name, '/'); slashes < 2; ++slashes) whole += "/_";
  if (tables::parse_table_name(whole)) return {};
  return fmt::format(
      "\"{}\" has to be NAMESPACE/DATABASE/TABLE, NAMESPACE/DATABASE or NAMESPACE, each of these an identifier: "
      "a letter or underscore, then letters, digits and underscores, {} bytes at most.",
      name, types::limits::longest_identifier);
}

}  // namespace

Command make_table_drop_command(CLI::App& group) {
  CLI::App& command = add_command(
      group, "drop", "Delete a table with all that is in it, or a database or namespace",
      "  chimera table drop store.img shop/main/orders\n"
      "  chimera table drop store.img shop/main\n"
      "  chimera table drop unix:chimera.socket shop --all\n"
      "\nA database or a namespace is dropped where nothing is in it, or with --all: all of it at once, or\n"
      "where that is too much for one transaction, some tables after others, each as a whole; if it is\n"
      "interrupted it can be done again.");
  auto options = std::make_shared<Options>();
  add_target_operand(command, options->at);
  add_operand(command, "NAME", options->at.table, "NAMESPACE/DATABASE/TABLE, NAMESPACE/DATABASE or NAMESPACE")
      .check(wrong_with_name)
      .required();
  add_flag(command, "--all", options->all, "Of a database or a namespace: with all that is in it");
  add_session_options(command, options->at);
  return {&command, [options] { return drop(*options); }};
}

}  // namespace chimera::cli
