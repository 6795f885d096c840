#pragma once
// Rows that a scan, or a change of many, comes upon and cannot read: passed over and written down, or the end.

#include <string>

#include "cli/aside.h"
#include "cli/options.h"
#include "tables/scan.h"
#include "tables/table.h"

namespace chimera::cli {

/// Must stay where it is while what passes over them lasts.
class UnreadableRows {
 public:
  /// Where they are written down: a new file, or nowhere (empty), and then they end it.
  explicit UnreadableRows(const std::string& path) : aside_(path, {}) {}
  UnreadableRows(const UnreadableRows&) = delete;
  UnreadableRows& operator=(const UnreadableRows&) = delete;

  /// Has a scan or a change of many rows pass over them, if that is wanted: a line of JSON each, with the row's number,
  /// what can be read of it (of the columns that are scanned, and the key's), and what cannot, with the reasons. The
  /// error is that the file exists.
  [[nodiscard]] Aside::Done pass_over(tables::OnUnreadable& by);
  /// Makes the file durable, whatever has become of the rest.
  [[nodiscard]] Aside::Done close() { return aside_.close(); }
  [[nodiscard]] std::uint64_t count() const { return aside_.count(); }
  /// "3 rows left out, written down in FILE", or nothing.
  [[nodiscard]] std::string report() const;
  /// A failure of what goes through the rows, and what can be done where it is that a row cannot be read.
  [[nodiscard]] std::string words_of(const tables::Failure& failure) const;

 private:
  Aside aside_;
};

/// `--skip-damaged FILE`.
Option add_skip_damaged_option(CLI::App& command, std::string& path);

}  // namespace chimera::cli
