#pragma once
// Rows of a table as text: CSV with a header, or JSON, an object a line. What row_source.h reads as the same rows.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/row_source.h"
#include "types/schema.h"
#include "types/value.h"

namespace chimera::cli {

class RowPrinter {
 public:
  /// `columns`: places in the relation of the values that rows have.
  RowPrinter(const RowFormat& format, const types::Relation& relation, std::span<const std::uint32_t> columns);

  void append_header(std::string& to) const;
  void append_row(const types::Row& row, std::string& to);

 private:
  RowFormat format_;
  std::vector<types::Member> members_;  ///< the columns
  std::string cell_;
};

/// In quotes where it has to be, so that it is read as this text and not as null.
void append_csv_cell(std::string_view text, const RowFormat& format, std::string& to);

}  // namespace chimera::cli
