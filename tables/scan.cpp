#include "tables/scan.h"

#include <fmt/format.h>

#include <algorithm>

#include "tables/attempt.h"
#include "tables/moment.h"
#include "tables/predicate.h"
#include "tables/row_finder.h"
#include "tables/unreadable_row.h"

namespace chimera::tables {
namespace {

/// Bytes of entries that a chunk reads, about.
constexpr std::size_t chunk_bytes = 1 << 20;
constexpr std::size_t most_chunk_rows = 16384, least_chunk_rows = 64;

Result<std::vector<std::uint32_t>> wanted_columns(const TableShape& shape, const std::vector<std::string>& names) {
  std::vector<std::uint32_t> columns;
  if (names.empty()) {
    for (std::uint32_t i = 0; i < shape.columns.size(); ++i) columns.push_back(i);
    return columns;
  }
  for (const std::string& name : names) {
    const auto column = shape.relation.find(name);
    if (!column)
      return std::unexpected(Failure{Status::not_found, fmt::format("{} has no column {}.", shape.name, name)});
    columns.push_back(static_cast<std::uint32_t>(*column));
  }
  return columns;
}

std::size_t rows_in_chunk(const TableShape& shape, std::span<const std::uint32_t> columns) {
  std::size_t width = 1;
  for (const std::uint32_t column : columns) width += shape.columns[column].width;
  return std::clamp(chunk_bytes / width, least_chunk_rows, most_chunk_rows);
}

Failure scan_disturbed(const TableShape& shape) {
  Failure failure = shape_changed(shape);
  failure.words += " A scan with --snapshot is not disturbed by that.";
  return failure;
}

}  // namespace

Scan::Scan(Table& table, ScanOptions options) : table_(&table), options_(std::move(options)), left_(options_.limit) {}
Scan::Scan(Scan&& other) noexcept = default;
Scan& Scan::operator=(Scan&& other) noexcept = default;
Scan::~Scan() = default;

Result<Scan> Table::scan(const ScanOptions& options) {
  if (options.snapshot) {
    auto moment = Moment::take(*this);
    if (!moment) return std::unexpected(std::move(moment.error()));
    ScanOptions of_moment = options;
    of_moment.snapshot = false;
    auto scan = (*moment)->table().scan(of_moment);
    if (scan) scan->moment_ = std::move(*moment);
    return scan;
  }
  return with_names([&]() -> Result<Scan> {
    Scan scan(*this, options);
    if (auto bound = scan.bind(*open_); !bound) return std::unexpected(std::move(bound.error()));
    return scan;
  });
}

Result<> Scan::bind(const OpenTable& table) {
  const TableShape& shape = table.shape();
  auto predicate = parse_where(shape, options_.where);
  if (!predicate) return std::unexpected(std::move(predicate.error()));
  // Where something is damaged an index may be too, and the rows can do without.
  const bool as_they_lie = options_.unreadable && options_.along.empty();
  auto plan = plan_find(shape, *predicate, as_they_lie ? "rows" : options_.along, options_.backwards);
  if (!plan) return std::unexpected(std::move(plan.error()));
  auto columns = wanted_columns(shape, options_.columns);
  if (!columns) return std::unexpected(std::move(columns.error()));
  std::vector<Uuid> devices;
  for (const std::uint32_t column : *columns) devices.push_back(shape.columns[column].device);
  if (is_bound_to_columns_ && devices != devices_) return std::unexpected(scan_disturbed(shape));
  devices_ = std::move(devices);
  predicate_ = std::make_unique<Predicate>(std::move(*predicate));
  columns_ = std::move(*columns);
  finder_ = std::make_unique<RowFinder>(std::move(*plan), *predicate_);
  mark_ = table.reading_mark();
  const std::size_t most = rows_in_chunk(shape, columns_);
  size_ = ChunkSize(std::min<std::uint64_t>(most, std::max<std::uint64_t>(options_.limit, least_chunk_rows)), most);
  return {};
}

Result<bool> Scan::next(std::vector<types::Row>& rows) {
  numbers_.clear();
  while (left_ != 0 && numbers_.empty()) {
    const RowPosition before = finder_->position();
    const auto some = table_->retry<bool>([&](OpenTable& table) -> Result<bool> {
      finder_->put_back(before);
      return chunk(table, rows);
    });
    if (!some && is_of_its_place(some.error())) {
      if (auto passed = narrow(before, some.error()); !passed) return std::unexpected(std::move(passed.error()));
      continue;
    }
    if (!some) return some;
    if (!*some) break;
    size_.pass(finder_->looked_at());
  }
  if (numbers_.empty()) {
    left_ = 0;  // whoever asks again is told so again
    if (moment_) {
      if (auto ended = moment_->end(); !ended) return std::unexpected(std::move(ended.error()));
    }
    return false;
  }
  left_ -= rows.size();
  return true;
}

/// Behind a chunk that could not be read.
Result<> Scan::narrow(const RowPosition& before, const Failure& why) {
  numbers_.clear();
  const std::size_t count = finder_->reached();
  if (count == 1) {
    auto passed = pass_unreadable(why);
    if (!passed) finder_->put_back(before);
    return passed;
  }
  finder_->put_back(before);
  // Where they have no numbers the way itself is damaged: an index is read as far as it goes.
  if (size_.halve(count)) return {};
  return std::unexpected(named(why, table_->name()));
}

/// The one row that could not be read, behind which the finder stands.
Result<> Scan::pass_unreadable(const Failure& why) {
  const std::uint64_t number = finder_->number(0);
  std::vector<std::uint32_t> columns = columns_;
  columns.insert(columns.end(), predicate_->columns().begin(), predicate_->columns().end());
  using MaybeRow = std::optional<UnreadableRow>;
  const auto row = table_->retry<MaybeRow>([&](OpenTable& table) -> Result<MaybeRow> {
    if (table.reading_mark() != mark_) return std::unexpected(scan_disturbed(table.shape()));
    return look_at_unreadable(table, table_->reader(), number, columns, why,
                              moment_ ? moment_->original().name() : table_->name());
  });
  if (!row) return std::unexpected(row.error());
  size_.pass_one();
  if (!*row) return {};
  if (options_.unreadable) return options_.unreadable(**row);
  return std::unexpected(Failure{why.status, (*row)->words, why.instruction});
}

Result<bool> Scan::chunk(OpenTable& table, std::vector<types::Row>& rows) {
  if (table.reading_mark() != mark_) {
    if (finder_->position().is_begun) return std::unexpected(scan_disturbed(table.shape()));
    if (auto bound = bind(table); !bound) return std::unexpected(std::move(bound.error()));
  }
  RowReader& reader = table_->reader();
  const bool at_once = predicate_->is_everything();
  const RowPosition before = finder_->position();
  std::size_t most = at_once ? static_cast<std::size_t>(std::min<std::uint64_t>(size_.most(), left_)) : size_.most();
  for (;;) {
    const auto some = finder_->next(table, reader, at_once ? columns_ : std::span<const std::uint32_t>(), most);
    if (!some || !*some) return some;
    std::size_t end = pick();
    std::span<const std::uint32_t> entries = picked_;
    if (!at_once && !picked_.empty()) {
      if (auto done = reader.entries.read(numbers_, columns_); !done) return std::unexpected(std::move(done.error()));
      entries = reader.first_places(picked_.size());
    }
    const std::size_t fit = reader.fitting(entries, columns_);
    if (fit == entries.size()) {
      if (auto done = reader.decode_picked(entries, columns_, rows); !done)
        return std::unexpected(std::move(done.error()));
      return true;
    }
    // What is found behind it comes in the next chunk.
    while (finder_->on_way(--end) != picked_[fit]) {
    }
    finder_->put_back(before);
    most = end;
  }
}

/// Takes those that were found, in the order of the way, as far as they are wanted. How many were looked at.
std::size_t Scan::pick() {
  picked_.clear();
  numbers_.clear();
  std::size_t n = 0;
  for (; n < finder_->looked_at() && picked_.size() < left_; ++n) {
    const std::size_t i = finder_->on_way(n);
    if (finder_->found()[i] == 0) continue;
    picked_.push_back(static_cast<std::uint32_t>(i));
    numbers_.push_back(finder_->number(i));
  }
  return n;
}

}  // namespace chimera::tables
