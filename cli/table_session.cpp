#include "cli/table_session.h"

#include <fmt/format.h>

#include <optional>

#include "cli/commands.h"
#include "cli/explanation.h"
#include "cli/link_session.h"
#include "cli/table_places.h"
#include "tables/names.h"
#include "tables/recording.h"

namespace chimera::cli {
namespace {

std::string wrong_with_table(const std::string& name) {
  const auto parsed = tables::parse_table_name(name);
  return parsed ? std::string() : parsed.error();
}

/// Nothing of an explained operation is to reach the store.
StoreOptions options_for(const TableTarget& target) {
  StoreOptions options = target.store;
  options.read_only = options.read_only || target.explain;
  return options;
}

}  // namespace

TableTarget TableTarget::to_scan(const tables::ScanOptions& scan) const {
  TableTarget same = *this;
  same.store.read_only = store.read_only && !scan.snapshot;
  return same;
}

void add_target_operand(CLI::App& command, TableTarget& target) {
  add_operand(command, "STORE|ADDRESS", target.target, "A store, or a running server").required();
}

void add_table_operands(CLI::App& command, TableTarget& target) {
  add_target_operand(command, target);
  add_operand(command, "TABLE", target.table, "NAMESPACE/DATABASE/TABLE").check(wrong_with_table).required();
}

void add_snapshot_option(CLI::App& command, tables::ScanOptions& scan) {
  add_flag(command, "--snapshot", scan.snapshot,
           "All rows of one moment: it reads clones of the table's devices, and deletes them");
}

void add_session_options(CLI::App& command, TableTarget& target) {
  add_flag(command, "--explain", target.explain,
           "Print the programs that it is compiled to, as assembly, and change nothing");
  add_store_options(command, target.store);
  add_time_option(command, "--reconnect", target.reconnect_ms,
                  fmt::format("How long to try to reach a server again whose connection has broken (default {}s)",
                              links::RemoteLink::usual_patience_ms / 1000))
      .under("Machine");
}

int with_link(const TableTarget& target, const std::function<Done(tables::Link&)>& what) {
  auto session = LinkSession::open(target.target, options_for(target), target.reconnect_ms);
  if (!session) return fail(session.error());
  std::optional<tables::Recording> recording;
  if (target.explain) recording.emplace(session->link());
  const Done done = what(recording ? static_cast<tables::Link&>(*recording) : session->link());
  const Done closed = session->close();
  if (!done) return fail(done.error());
  if (!closed) return fail(closed.error());
  if (recording) fmt::print("{}", explanation(recording->scripts(), recording->names()));
  return exit_done;
}

int with_table(const TableTarget& target, const std::function<Done(tables::Table&)>& what) {
  return with_link(target, [&](tables::Link& link) -> Done {
    auto table = tables::Table::open(link, target.table, {.explained = target.explain});
    if (!table) return std::unexpected(words_of_table(link, target.table, table.error()));
    return what(*table);
  });
}

}  // namespace chimera::cli
