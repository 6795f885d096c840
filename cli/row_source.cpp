#include "cli/row_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "isa/nearest.h"
#include "types/json.h"
#include "types/scalar_text.h"
#include "types/text.h"

namespace chimera::cli {
namespace {

using types::Column;
using types::Relation;
using types::Row;
using types::Value;

std::unexpected<RecordProblem> problem(TextPlace place, std::string words) {
  return std::unexpected(RecordProblem{.place = place, .words = std::move(words)});
}

std::string no_column(const Relation& relation, std::string_view name) {
  Nearest nearest(name);
  for (const Column& column : relation.columns) nearest.offer(column.name);
  const std::string meant = nearest.best().empty() ? "" : fmt::format("; did you mean {}?", nearest.best());
  return fmt::format("{} has no column {}{}", relation.name, types::cited(name), meant);
}

/// What a row has in a column that it does not name.
std::optional<Value> value_where_none(const Column& column) {
  if (column.default_value) return column.default_value;
  if (column.nullable || column.type.holds_any()) return Value();
  return std::nullopt;
}

std::string lacks(const Column& column) {
  return fmt::format("column {} is missing, which neither has a default nor may be null", column.name);
}

class CsvRows final : public RowSource {
 public:
  CsvRows(TextSource& source, const RowFormat& format, const Relation& relation)
      : reader_(source, format.separator), null_(format.null), relation_(relation) {}

  std::expected<void, RecordProblem> read_header() {
    const auto some = reader_.next();
    if (!some) return std::unexpected(some.error());
    if (!*some) return problem({}, "there is no header: the first line names the columns");
    header_ = reader_.raw();
    std::vector<bool> is_there(relation_.columns.size());
    for (const CsvReader::Cell& cell : reader_.cells()) {
      const auto column = relation_.find(cell.text);
      if (!column) return problem(cell.place, no_column(relation_, cell.text));
      if (is_there[*column]) return problem(cell.place, fmt::format("column {} is there twice", cell.text));
      is_there[*column] = true;
      columns_.push_back(*column);
    }
    for (std::size_t i = 0; i < is_there.size(); ++i) {
      if (is_there[i]) continue;
      auto value = value_where_none(relation_.columns[i]);
      if (!value) return problem(reader_.place(), lacks(relation_.columns[i]));
      others_.emplace_back(i, std::move(*value));
    }
    return {};
  }

  std::expected<bool, RecordProblem> next(Row& row) override {
    do {
      const auto some = reader_.next();
      if (!some || !*some) return some;
    } while (reader_.raw().empty() && columns_.size() > 1);  // a line with nothing in it
    const auto cells = reader_.cells();
    if (cells.size() != columns_.size()) {
      return problem(cells.size() > columns_.size() ? cells[columns_.size()].place : reader_.place(),
                     fmt::format("the row has {} cells, the header {}", cells.size(), columns_.size()));
    }
    row.resize(relation_.columns.size());
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const Column& column = relation_.columns[columns_[i]];
      if (auto done = take(cells[i], column, row[columns_[i]]); !done) return std::unexpected(done.error());
    }
    for (const auto& [place, value] : others_) row[place] = value;
    return true;
  }

  [[nodiscard]] std::string_view raw() const override { return reader_.raw(); }
  [[nodiscard]] std::size_t line() const override { return reader_.place().line; }
  [[nodiscard]] std::string_view header() const override { return header_; }

 private:
  /// A cell that stands for null is null where the column may be; else it is what its text says.
  std::expected<void, RecordProblem> take(const CsvReader::Cell& cell, const Column& column, Value& value) {
    if (!cell.is_quoted && cell.text == null_ && column.nullable) {
      value = Value();
      return {};
    }
    auto read = types::from_text(cell.text, column.type);
    if (!read) {
      const bool lacks_null = !cell.is_quoted && cell.text == null_;
      return problem(cell.place, fmt::format("column {}: {}{}", column.name, read.error().text(),
                                             lacks_null ? "; the column may not be null" : ""));
    }
    value = std::move(*read);
    return {};
  }

  CsvReader reader_;
  std::string null_;
  const Relation& relation_;
  std::string header_;
  std::vector<std::size_t> columns_;                   ///< of the cells
  std::vector<std::pair<std::size_t, Value>> others_;  ///< columns that the file does not have
};

class JsonRows final : public RowSource {
 public:
  JsonRows(TextSource& source, const Relation& relation)
      : source_(source), relation_(relation), type_(relation.row_type()) {}

  std::expected<bool, RecordProblem> next(Row& row) override {
    do {
      const auto some = next_line();
      if (!some || !*some) return some;
    } while (raw_.find_first_not_of(" \t") == raw_.npos);
    auto values = types::row_from_json(raw_, type_.members);
    if (!values) return problem({line_, std::max<std::size_t>(values.error().offset + 1, 1)}, values.error().text());
    row.resize(values->size());
    for (std::size_t i = 0; i < values->size(); ++i) {
      std::optional<Value>& value = (*values)[i];
      if (!value) value = value_where_none(relation_.columns[i]);
      if (!value) return problem({line_, 1}, lacks(relation_.columns[i]));
      row[i] = std::move(*value);
    }
    return true;
  }

  [[nodiscard]] std::string_view raw() const override { return raw_; }
  [[nodiscard]] std::size_t line() const override { return line_; }
  [[nodiscard]] std::string_view header() const override { return {}; }

 private:
  std::expected<bool, RecordProblem> next_line() {
    source_.take(to_take_);
    to_take_ = 0;
    std::size_t end = 0, looked_at = 0;
    while ((end = source_.unread().find('\n', looked_at)) == std::string_view::npos && !source_.has_ended()) {
      looked_at = source_.unread().size();
      if (auto read = source_.more(); !read) {
        return std::unexpected(RecordProblem{.place = {line_ + 1, 1}, .words = read.error(), .is_fatal = true});
      }
    }
    const std::string_view text = source_.unread();
    if (text.empty()) return false;
    ++line_;
    raw_ = text.substr(0, end);
    to_take_ = end == text.npos ? text.size() : end + 1;
    if (raw_.ends_with('\r')) raw_.remove_suffix(1);
    return true;
  }

  TextSource& source_;
  const Relation& relation_;
  types::Type type_;
  std::string_view raw_;
  std::size_t to_take_ = 0;
  std::size_t line_ = 0;
};

}  // namespace

std::expected<std::unique_ptr<RowSource>, std::string> read_rows(TextSource& source, const RowFormat& format,
                                                                 const Relation& relation) {
  if (format.kind == RowFormat::Kind::json) return std::make_unique<JsonRows>(source, relation);
  auto rows = std::make_unique<CsvRows>(source, format, relation);
  if (const auto read = rows->read_header(); !read) return std::unexpected(text_of(read.error(), source.name()));
  return rows;
}

std::string text_of(const RecordProblem& problem, std::string_view file) {
  if (problem.is_fatal) return problem.words;
  return fmt::format("{}:{}:{}: {}", file, problem.place.line, problem.place.column, problem.words);
}

}  // namespace chimera::cli
