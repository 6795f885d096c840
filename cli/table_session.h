#pragma once
// What the commands of tables share: a store or a server with a link to it, and programs that are shown instead of run.

#include <cstdint>
#include <expected>
#include <functional>
#include <string>

#include "cli/options.h"
#include "links/remote_link.h"
#include "tables/link.h"
#include "tables/table.h"

namespace chimera::cli {

/// Errors are whole sentences.
using Done = std::expected<void, std::string>;

/// Where a table is, and what is to be done with its programs.
struct TableTarget {
  std::string target;  ///< a store or an address
  std::string table;   ///< NAMESPACE/DATABASE/TABLE
  StoreOptions store;
  std::uint64_t reconnect_ms = links::RemoteLink::usual_patience_ms;  ///< how long a server is waited for that has gone
  bool explain = false;  ///< what changes something is not sent, and programs are printed in the place of results

  /// The same, opened to be written where the scan makes clones.
  [[nodiscard]] TableTarget to_scan(const tables::ScanOptions& scan) const;
};

/// `STORE|ADDRESS`.
void add_target_operand(CLI::App& command, TableTarget& target);
/// `STORE|ADDRESS TABLE`.
void add_table_operands(CLI::App& command, TableTarget& target);
/// `--snapshot`: a scan is of one moment. What is cloned for that has to be written.
void add_snapshot_option(CLI::App& command, tables::ScanOptions& scan);
/// `--explain` and those of a store.
void add_session_options(CLI::App& command, TableTarget& target);

/// Opens the target, does `what`, ends the session; with `explain` prints what it was compiled to. On a store of our
/// own and on a server all is durable when this returns exit_done. The exit status; failures have been told.
[[nodiscard]] int with_link(const TableTarget& target, const std::function<Done(tables::Link&)>& what);
/// The same with a table.
[[nodiscard]] int with_table(const TableTarget& target, const std::function<Done(tables::Table&)>& what);

/// A failure's words, where there is one.
template <typename Value>
[[nodiscard]] std::unexpected<std::string> words_of(const tables::Result<Value>& result) {
  return std::unexpected(result.error().words);
}

}  // namespace chimera::cli
