#include "cli/table_insert.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "cli/aside.h"
#include "cli/render.h"
#include "tables/row_finder.h"

namespace chimera::cli {
namespace {

using Done = std::expected<void, std::string>;
using types::Row;

/// Of a batch, whichever is less.
constexpr std::size_t most_rows = 32768, most_bytes = 4 << 20;

class Insertion {
 public:
  Insertion(tables::Table& table, const InsertOptions& options, TextSource& source, RowSource& rows)
      : table_(table), options_(options), source_(source), rows_(rows), aside_(options.aside, rows.header()) {}

  std::expected<Inserted, std::string> run() {
    if (auto checked = aside_.check(); !checked) return std::unexpected(checked.error());
    source_.show_progress("insert");
    Done done;
    while (done && !is_at_end_) {
      done = fill_batch();
      if (done) done = insert_batch();
      is_at_end_ = is_at_end_ || options_.first_batch_only;
    }
    source_.hide_progress();
    const Done closed = aside_.close();
    if (done) done = closed;
    if (!done) return std::unexpected(done.error());
    return Inserted{inserted_, aside_.count()};
  }

 private:
  /// Where a row stands in the file.
  struct Place {
    std::size_t line;
    std::uint64_t before;  ///< rows in front of it
  };

  /// The same where nobody knows what has become of the last transaction.
  std::string stopped_in_doubt(std::string why) const {
    const std::uint64_t passed = gone_ < places_.size() ? places_[gone_].before : read_;
    return why + fmt::format(
                     "\n{} inserted for certain. If the last transaction has not happened, go on there with --skip {}; "
                     "if it has, some of the rows behind them are there too.",
                     rows_are(inserted_), passed);
  }

  /// How far it has come. Rows behind the first that is not inserted may have been set aside: they come again.
  std::string stopped(std::string why, bool columns_have_changed = false) const {
    const bool is_in_batch = gone_ < places_.size();
    const std::uint64_t passed = is_in_batch ? places_[gone_].before : std::max(read_ - 1, options_.skip);
    if (columns_have_changed) why += " Nothing in the file is wrong.";
    if (passed == 0) return why + "\nNothing is inserted.";
    why += fmt::format("\n{} inserted, nothing of what follows. ", rows_are(inserted_));
    if (columns_have_changed && is_in_batch) {
      return why + fmt::format("When its columns are the table's again, go on at line {} with --skip {}.",
                               places_[gone_].line, passed);
    }
    return why + fmt::format("When it is corrected, go on there with --skip {}.", passed);
  }

  Done fill_batch() {
    batch_.clear();
    places_.clear();
    gone_ = 0;
    raws_.clear();
    Row row;
    for (std::size_t bytes = 0; batch_.size() < most_rows && bytes < most_bytes;) {
      const auto some = rows_.next(row);
      if (some && !*some) {
        is_at_end_ = true;
        return {};
      }
      const bool is_passed_over = read_ < options_.skip;
      ++read_;
      if (is_passed_over && (some || !some.error().is_fatal)) continue;
      if (!some) {
        const std::string why = text_of(some.error(), source_.name());
        if (some.error().is_fatal || !aside_.is_wanted()) return std::unexpected(stopped(why));
        if (auto added = aside_.add(rows_.raw(), why); !added) return added;
        continue;
      }
      bytes += rows_.raw().size();
      places_.push_back({rows_.line(), read_ - 1});
      if (aside_.is_wanted()) raws_.emplace_back(rows_.raw());
      batch_.push_back(std::move(row));
      row = Row();
    }
    return {};
  }

  Done insert_batch() {
    if (batch_.empty()) return {};
    if (aside_.is_wanted()) return insert_what_fits(0, batch_.size());
    if (auto done = put(std::move(batch_)); !done) {
      if (done.error().is_in_doubt) return std::unexpected(stopped_in_doubt(done.error().words));
      return std::unexpected(stopped(told(done.error(), 0), tables::is_shape_changed(done.error())));
    }
    return {};
  }

  /// Inserts all rows, or none beyond those that have been added to `inserted_`.
  tables::Result<> put(std::vector<Row> rows) {
    std::uint64_t there = 0;
    auto done = options_.upsert ? table_.upsert(std::move(rows), &there) : table_.insert(std::move(rows), &there);
    inserted_ += there;
    gone_ += there;
    return done;
  }

  /// Halves what does not fit, until a row is alone: so the others cost few transactions.
  Done insert_what_fits(std::size_t first, std::size_t end) {
    const std::uint64_t before = inserted_;
    const auto at = [this](std::size_t i) { return batch_.begin() + static_cast<std::ptrdiff_t>(i); };
    const auto done = put({at(first), at(end)});
    if (done) return {};
    first += static_cast<std::size_t>(inserted_ - before);
    const bool is_of_a_row = done.error().row != tables::Failure::nowhere || done.error().status == Status::too_large;
    if (done.error().is_in_doubt) return std::unexpected(stopped_in_doubt(done.error().words));
    if (!is_of_a_row) {
      return std::unexpected(stopped(done.error().words, tables::is_shape_changed(done.error())));
    }
    if (end - first == 1) {
      ++gone_;
      return aside_.add(raws_[first], told(done.error(), first));
    }
    const std::size_t middle = first + (end - first) / 2;
    if (auto half = insert_what_fits(first, middle); !half) return half;
    return insert_what_fits(middle, end);
  }

  /// The failure of a batch that began with this row.
  std::string told(const tables::Failure& failure, std::size_t first) const {
    if (failure.row == tables::Failure::nowhere) return failure.words;
    // There the row's number is within the batch.
    const std::string prefix = fmt::format("Row {}: ", failure.row);
    const std::string words = failure.words.starts_with(prefix) ? failure.words.substr(prefix.size()) : failure.words;
    const std::size_t row = std::min(first + failure.row, places_.size() - 1);
    return text_of({.place = {places_[row].line, 1}, .words = words}, source_.name());
  }

  tables::Table& table_;
  const InsertOptions& options_;
  TextSource& source_;
  RowSource& rows_;
  Aside aside_;
  std::vector<Row> batch_;
  std::vector<Place> places_;      ///< of the batch's rows
  std::vector<std::string> raws_;  ///< the same as they stand in the file, where they may be set aside
  std::size_t gone_ = 0;           ///< of them at the front: inserted, or set aside
  std::uint64_t read_ = 0;
  std::uint64_t inserted_ = 0;
  bool is_at_end_ = false;
};

}  // namespace

std::expected<Inserted, std::string> insert_file(tables::Table& table, const InsertOptions& options) {
  auto source = TextSource::open(options.file);
  if (!source) return std::unexpected(source.error());
  // Whoever changes the table's columns meanwhile changes the relation of the open table.
  const types::Relation relation = table.relation();
  const auto rows = read_rows(*source, options.format, relation);
  if (!rows) return std::unexpected(rows.error());
  return Insertion(table, options, *source, **rows).run();
}

}  // namespace chimera::cli
