// chimera blob: long values by their names, which are the key of a table.

#include <fmt/format.h>

#include <functional>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/blob_store.h"
#include "cli/commands.h"
#include "cli/render.h"
#include "cli/table_session.h"
#include "cli/text_target.h"
#include "tables/catalogue.h"

namespace chimera::cli {
namespace {

struct Options {
  TableTarget at;
  std::string name, file, column;
  std::optional<std::uint64_t> offset, count;  ///< of a range, in bytes
  bool force = false;
  bool json = false;
};

int with_blobs(const Options& options, const std::function<Done(BlobStore&)>& what) {
  return with_table(options.at, [&](tables::Table& table) -> Done {
    auto blobs = BlobStore::open(table, options.column);
    if (!blobs) return std::unexpected(blobs.error());
    return what(*blobs);
  });
}

Done say_bytes(const Options& options, std::uint64_t bytes, std::string_view done) {
  if (!options.at.explain) fmt::print("{}: {} bytes {}.\n", options.name, grouped(bytes), done);
  return {};
}

bool has_table(const Options& options, tables::Link& link) {
  const auto opened = tables::Table::open(link, options.at.table);
  return opened || opened.error().status != Status::not_found;
}

Done make_table(const Options& options, tables::Link& link) {
  tables::Catalogue catalogue(link, {.table = {.explained = options.at.explain}, .now = {}});
  const auto made = catalogue.create_table(options.at.table, blob_relation());
  if (made || made.error().status == Status::exists) return {};
  return words_of(made);
}

/// Of what is explained the command shows the front.
void say_if_shortened(const Options& options, const TextSource& from) {
  if (!options.at.explain || (from.has_ended() && from.unread().empty())) return;
  fmt::print(stderr, "{}: shown for the first {} bytes; what follows is put in the same way.\n", from.name(),
             grouped(from.taken()));
}

int put(const Options& options) {
  auto from = TextSource::open(options.file);
  if (!from) return fail(from.error());
  TableTarget looked_at = options.at;
  looked_at.explain = false;
  looked_at.store.read_only = options.at.explain;
  bool is_missing = false;
  const int looked = with_link(looked_at, [&](tables::Link& link) -> Done {
    is_missing = !has_table(options, link);
    return is_missing && !options.at.explain ? make_table(options, link) : Done();
  });
  if (looked != exit_done) return looked;
  if (is_missing && options.at.explain) {
    fmt::print(stderr, "There is no table {}: this makes it. What puts a blob can be shown when it is there.\n",
               options.at.table);
    return with_link(options.at, [&](tables::Link& link) { return make_table(options, link); });
  }
  return with_blobs(options, [&](BlobStore& blobs) -> Done {
    from->show_progress("put");
    const auto bytes = blobs.put(options.name, *from);
    from->hide_progress();
    if (!bytes) return std::unexpected(bytes.error());
    say_if_shortened(options, *from);
    return say_bytes(options, *bytes, "put");
  });
}

int append(const Options& options) {
  auto from = TextSource::open(options.file);
  if (!from) return fail(from.error());
  return with_blobs(options, [&](BlobStore& blobs) -> Done {
    from->show_progress("append");
    const auto bytes = blobs.append(options.name, *from);
    from->hide_progress();
    if (!bytes) return std::unexpected(bytes.error());
    say_if_shortened(options, *from);
    return say_bytes(options, *bytes, "appended");
  });
}

int get(const Options& options) {
  return with_blobs(options, [&](BlobStore& blobs) -> Done {
    auto target = TextTarget::open(options.file, options.force, options.at.explain);
    if (!target) return std::unexpected(target.error());
    const std::uint64_t count = options.count.value_or(std::numeric_limits<std::uint64_t>::max());
    const auto bytes = blobs.get(options.name, options.offset.value_or(0), count,
                                 [&](std::string_view piece) { return target->append(piece); });
    Done done = bytes ? target->keep() : Done(std::unexpected(bytes.error()));
    if (!done) target->discard();
    return done;
  });
}

int digest(const Options& options) {
  return with_blobs(options, [&](BlobStore& blobs) -> Done {
    const std::uint64_t count = options.count.value_or(std::numeric_limits<std::uint64_t>::max());
    const auto digits = blobs.digest(options.name, options.offset.value_or(0), count);
    if (!digits) return std::unexpected(digits.error());
    if (!options.at.explain) fmt::print("{}  {}\n", *digits, options.name);
    return {};
  });
}

int remove(const Options& options) {
  return with_blobs(options, [&](BlobStore& blobs) { return blobs.remove(options.name); });
}

int list(const Options& options) {
  return with_blobs(options, [&](BlobStore& blobs) -> Done {
    const auto all = blobs.list();
    if (!all) return std::unexpected(all.error());
    if (options.at.explain) return {};
    nlohmann::ordered_json json = nlohmann::ordered_json::array();
    for (const ListedBlob& blob : *all) {
      if (options.json) {
        json.push_back({{"name", blob.name}, {"size", blob.size ? nlohmann::ordered_json(*blob.size) : nullptr}});
      } else {
        fmt::print("{:>16}  {}\n", blob.size ? grouped(*blob.size) : "null", blob.name);
      }
    }
    if (options.json) fmt::print("{}\n", to_text({{"blobs", json}}, 2));
    return {};
  });
}

std::shared_ptr<Options> add_operands(CLI::App& command, bool has_name, const std::string& file_help) {
  auto options = std::make_shared<Options>();
  add_table_operands(command, options->at);
  if (has_name) add_operand(command, "NAME", options->name, "The blob's name, the table's key").required();
  if (!file_help.empty()) add_operand(command, "FILE", options->file, file_help).required();
  add_option(command, "--column", "NAME", options->column,
             "The column that holds the values; without: the table's first one of blobs");
  return options;
}

void add_range(CLI::App& command, Options& options) {
  options.at.store.read_only = true;
  add_size_option(command, "--offset", options.offset, "From this byte on (default 0)");
  add_size_option(command, "--count", options.count, "At most so many bytes (default: up to the end)");
}

Command make_put(CLI::App& group) {
  CLI::App& command = add_command(group, "put", "Put a file under a name, in the place of what is there",
                                  "  chimera blob put store.img media/main/photos cat.jpg ~/cat.jpg\n"
                                  "  tar c folder | chimera blob put unix:chimera.socket backup/main/tars monday -\n"
                                  "\nWhere there is no such table it is made, with a name and a content. Nobody sees "
                                  "anything of the blob until all\n"
                                  "bytes have come, and what has the name stays as it is; then it gives way, in one "
                                  "transaction. What is left of a\n"
                                  "put that was cut short takes room until the next one into the same column.");
  const auto options = add_operands(command, true, "What is put, - for standard input");
  add_session_options(command, options->at);
  return {&command, [options] { return put(*options); }};
}

Command make_get(CLI::App& group) {
  CLI::App& command = add_command(
      group, "get", "Write a blob, or a range of it, into a file",
      "  chimera blob get store.img media/main/photos cat.jpg cat.jpg\n"
      "  chimera blob get unix:chimera.socket backup/main/tars monday - --offset 10M --count 1M | hexdump -C\n");
  const auto options = add_operands(command, true, "Where to, - for standard output");
  add_range(command, *options);
  add_flag(command, "--force", options->force, "Overwrite a file that exists");
  add_session_options(command, options->at);
  return {&command, [options] { return get(*options); }};
}

Command make_append(CLI::App& group) {
  CLI::App& command =
      add_command(group, "append", "Add a file to the end of a blob, without reading what is there",
                  "  chimera blob append store.img logs/main/days today today.log\n"
                  "\nIn pieces of 4 MiB, in a text of as many whole characters, of which each is added as a whole.");
  const auto options = add_operands(command, true, "What is added, - for standard input");
  add_session_options(command, options->at);
  return {&command, [options] { return append(*options); }};
}

Command make_remove(CLI::App& group) {
  CLI::App& command = add_command(group, "rm", "Delete a blob, with the other columns of its row",
                                  "  chimera blob rm store.img media/main/photos cat.jpg\n");
  const auto options = add_operands(command, true, "");
  add_session_options(command, options->at);
  return {&command, [options] { return remove(*options); }};
}

Command make_list(CLI::App& group) {
  CLI::App& command = add_command(group, "list", "List blobs with their sizes, in the order of their names",
                                  "  chimera blob list store.img media/main/photos\n");
  const auto options = add_operands(command, false, "");
  options->at.store.read_only = true;
  add_flag(command, "--json", options->json, "Print one JSON object: blobs (name, size)");
  add_session_options(command, options->at);
  return {&command, [options] { return list(*options); }};
}

Command make_digest(CLI::App& group) {
  CLI::App& command = add_command(group, "digest", "Print the SHA-256 of a blob, or of a range of it",
                                  "  chimera blob digest store.img media/main/photos cat.jpg\n"
                                  "\nAs sha256sum prints it of a file.");
  const auto options = add_operands(command, true, "");
  add_range(command, *options);
  add_session_options(command, options->at);
  return {&command, [options] { return digest(*options); }};
}

}  // namespace

Command make_blob_command(CLI::App& program) {
  CLI::App& group =
      add_group(program, "blob", "Blobs: long values by their names, streamed",
                "A TABLE is NAMESPACE/DATABASE/TABLE, with one column as its key, which names its blobs.\n"
                "`chimera blob COMMAND --help` tells more and gives examples.");
  return group_of(group, {make_put(group), make_get(group), make_append(group), make_remove(group), make_list(group),
                          make_digest(group)});
}

}  // namespace chimera::cli
