#pragma once
// Rows of a table from a file: CSV with a header, or JSON, an object a line. Each with its place.

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "cli/csv_reader.h"
#include "cli/text_source.h"
#include "types/schema.h"
#include "types/value.h"

namespace chimera::cli {

/// How rows stand in a file.
struct RowFormat {
  enum class Kind : std::uint8_t { csv, json };
  Kind kind = Kind::csv;
  char separator = ',';
  std::string null;  ///< the cell, without quotes, that means null
};

class RowSource {
 public:
  virtual ~RowSource() = default;

  /// Takes the next row, with a value for each column of the relation. False at the end. A row with a problem is taken
  /// too, unless it is fatal.
  [[nodiscard]] virtual std::expected<bool, RecordProblem> next(types::Row& row) = 0;
  /// The row as it stands in the file, without the end of its line.
  [[nodiscard]] virtual std::string_view raw() const = 0;
  /// The line that it begins in.
  [[nodiscard]] virtual std::size_t line() const = 0;
  /// What has to stand in front of rows that are set aside: the header.
  [[nodiscard]] virtual std::string_view header() const = 0;
};

/// Reads the header, if there is one, which may have the columns in any order, and may lack those that have a default
/// or may be null. Source and relation must outlive it. Errors are whole texts for the user.
[[nodiscard]] std::expected<std::unique_ptr<RowSource>, std::string> read_rows(TextSource& source,
                                                                               const RowFormat& format,
                                                                               const types::Relation& relation);

/// `FILE:LINE:COLUMN: words`, or the words alone of what is fatal.
[[nodiscard]] std::string text_of(const RecordProblem& problem, std::string_view file);

}  // namespace chimera::cli
