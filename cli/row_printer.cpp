#include "cli/row_printer.h"

#include "types/json.h"
#include "types/text.h"

namespace chimera::cli {

RowPrinter::RowPrinter(const RowFormat& format, const types::Relation& relation, std::span<const std::uint32_t> columns)
    : format_(format) {
  for (const std::uint32_t place : columns) {
    const types::Column& column = relation.columns[place];
    members_.push_back({.name = column.name, .type = column.type, .nullable = column.nullable});
  }
}

void RowPrinter::append_header(std::string& to) const {
  if (format_.kind == RowFormat::Kind::json) return;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (i > 0) to += format_.separator;
    append_csv_cell(members_[i].name, format_, to);
  }
  to += '\n';
}

void RowPrinter::append_row(const types::Row& row, std::string& to) {
  if (format_.kind == RowFormat::Kind::json) {
    types::append_json_row(row, members_, to);
    to += '\n';
    return;
  }
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (i > 0) to += format_.separator;
    if (row[i].is_null() && members_[i].nullable) {
      to += format_.null;
      continue;
    }
    cell_.clear();
    if (row[i].is_null()) {
      types::append_json(row[i], members_[i].type, cell_);
    } else {
      types::append_text(row[i], members_[i].type, cell_);
    }
    append_csv_cell(cell_, format_, to);
  }
  to += '\n';
}

void append_csv_cell(std::string_view text, const RowFormat& format, std::string& to) {
  const char special[] = {format.separator, '"', '\n', '\r'};
  if (text != format.null && !text.empty() && text.find_first_of(std::string_view(special, 4)) == text.npos) {
    to += text;
    return;
  }
  to += '"';
  for (const char c : text) {
    if (c == '"') to += '"';
    to += c;
  }
  to += '"';
}

}  // namespace chimera::cli
