#include "tables/row_finder.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "isa/limits.h"
#include "tables/compression.h"

namespace chimera::tables {
namespace {

/// Places in the order of rows that there are: the first, and that behind the last.
std::pair<std::uint64_t, std::uint64_t> places_of(const OpenTable& table) {
  const TableHeader& header = table.header();
  const auto& size = table.shape().relation.circular;
  if (!size) return {0, header.tail};
  return {header.position > *size ? header.position - *size : 0, header.position};
}

/// How tight a range is: columns with one value count more than a range does.
unsigned tightness(const KeyRange& range) { return 2 * range.equal_columns + (range.is_bounded ? 1 : 0); }

}  // namespace

Result<FindPlan> plan_find(const TableShape& shape, const Predicate& predicate, std::string_view along,
                           bool backwards) {
  FindPlan best;
  best.backwards = backwards;
  bool is_there = along.empty() || along == "rows";
  unsigned tightest = 0;
  const auto offer = [&](FindPlan::Way way, std::size_t index, KeyRange range, bool is_meant) {
    if (!is_meant && (!along.empty() || tightness(range) <= tightest)) return;
    is_there = true;
    tightest = tightness(range);
    best.way = way;
    best.index = index;
    best.range = std::move(range);
  };
  for (std::size_t i = 0; i < shape.indexes.size(); ++i) {
    const IndexFile& index = shape.indexes[i];
    if (index.is_unfinished) continue;
    offer(FindPlan::Way::index, i, key_range(predicate, shape.relation, index.columns), along == index.name);
  }
  if (shape.relation.append_by) {
    const std::uint32_t columns[] = {*shape.relation.append_by};
    offer(FindPlan::Way::ordered, 0, key_range(predicate, shape.relation, columns), false);
  }
  if (is_there) return best;
  return std::unexpected(Failure{Status::not_found, fmt::format("{} has no index \"{}\".", shape.name, along)});
}

Failure shape_changed(const TableShape& shape) {
  return {Status::mismatch,
          fmt::format("Columns or indexes of {} have been changed meanwhile: do it again.", shape.name)};
}

bool is_shape_changed(const Failure& failure) noexcept {
  return failure.status == Status::mismatch && failure.instruction == Failure::nowhere;
}

Result<bool> RowFinder::next(OpenTable& table, RowReader& reader, std::span<const std::uint32_t> also,
                             std::size_t most) {
  columns_ = predicate_.columns();
  for (const std::uint32_t column : also) {
    if (std::ranges::find(columns_, column) == columns_.end()) columns_.push_back(column);
  }
  found_.clear();
  reached_ = 0;
  if (position_.is_at_end) return false;
  // One instruction reads a column of all of them, if they follow each other.
  for (const std::uint32_t column : columns_) {
    most = std::min<std::size_t>(most, limits::largest_transfer / table.shape().columns[column].width);
  }
  const RowPosition before = position_;
  for (;;) {
    const Result<bool> some =
        plan_.way == FindPlan::Way::index ? next_of_index(table, reader, most) : next_of_rows(table, reader, most);
    if (!some || !*some) return some;
    const std::size_t fit = want_contents(table, reader);
    if (fit == found_.size()) break;
    position_ = before;
    most = fit;
  }
  if (auto done = judge(table, reader); !done) return std::unexpected(std::move(done.error()));
  return true;
}

std::vector<std::uint64_t> RowFinder::found_numbers() const {
  std::vector<std::uint64_t> numbers;
  for (std::size_t i = 0; i < found_.size(); ++i) {
    if (found_[i] != 0) numbers.push_back(number(i));
  }
  return numbers;
}

Result<bool> RowFinder::next_of_index(OpenTable& table, RowReader& reader, std::size_t most) {
  BTree::Range range;
  range.low = plan_.range.low;
  if (plan_.range.high) range.high = *plan_.range.high;
  range.backwards = plan_.backwards;
  if (position_.is_begun && plan_.backwards) {
    range.high = position_.last_key;
  } else if (position_.is_begun) {
    range.low = position_.last_key;
    range.after_low = true;
  }
  entries_.clear();
  if (plan_.range.is_empty()) {
    position_.is_at_end = true;
    return false;
  }
  if (auto done = table.tree(plan_.index).range(range, most, entries_); !done) {
    return std::unexpected(std::move(done.error()));
  }
  const bool was_begun = std::exchange(position_.is_begun, true);
  position_.is_at_end = entries_.size() < most;
  if (entries_.empty()) {
    if (auto done = table.confirm(); !done) return std::unexpected(std::move(done.error()));
    return false;
  }
  const std::span<const std::uint8_t> last = entries_.key(entries_.size() - 1);
  const bool goes_on = !was_begun || (plan_.backwards ? compare_keys(last, position_.last_key) < 0
                                                      : compare_keys(last, position_.last_key) > 0);
  if (!goes_on) {
    return std::unexpected(
        Failure{Status::corrupt, fmt::format("{}: the keys of the index {} are not in order.", table.shape().name,
                                             table.shape().indexes[plan_.index].name)});
  }
  position_.last_key.assign(last.begin(), last.end());
  numbers_.resize(entries_.size());
  const IndexFile& index = table.shape().indexes[plan_.index];
  for (std::size_t i = 0; i < numbers_.size(); ++i) {
    numbers_[i] = index.row_of(entries_.key(i), entries_.value(i)).value_or(most_rows);
    if (numbers_[i] < table.header().tail) continue;
    return std::unexpected(Failure{Status::corrupt, fmt::format("{}: the index {} leads to row {}, which cannot be.",
                                                                table.shape().name, index.name, numbers_[i])});
  }
  is_run_ = false;
  reached_ = numbers_.size();
  if (auto done = reader.entries.read(numbers_, columns_); !done) return std::unexpected(std::move(done.error()));
  found_.assign(numbers_.size(), 1);
  return true;
}

Result<> RowFinder::begin_rows(OpenTable& table) {
  auto [first, end] = places_of(table);
  if (plan_.way == FindPlan::Way::ordered) {
    const std::uint32_t column = *table.shape().relation.append_by;
    const auto low = find_in_order(table, column, plan_.range.low, first, end);
    if (!low) return std::unexpected(low.error());
    first = *low;
    if (plan_.range.high) {
      const auto high = find_in_order(table, column, *plan_.range.high, first, end);
      if (!high) return std::unexpected(high.error());
      end = *high;
    }
  }
  position_.is_begun = true;
  position_.next = plan_.backwards ? end : first;
  position_.end = plan_.backwards ? first : end;
  return {};
}

Result<bool> RowFinder::next_of_rows(OpenTable& table, RowReader& reader, std::size_t most) {
  if (!position_.is_begun) {
    if (auto done = begin_rows(table); !done) return std::unexpected(std::move(done.error()));
  }
  // Of a circular table the oldest may have given way meanwhile; of a truncated one there are fewer.
  const auto [oldest, behind_newest] = places_of(table);
  const std::uint64_t limit =
      plan_.backwards ? std::max(position_.end, oldest) : std::min(position_.end, behind_newest);
  std::uint64_t next = plan_.backwards ? std::min(position_.next, behind_newest) : std::max(position_.next, oldest);
  if (plan_.backwards ? next <= limit : next >= limit) {
    position_.is_at_end = true;
    if (auto done = table.confirm(); !done) return std::unexpected(std::move(done.error()));
    return false;
  }
  std::uint64_t count = std::min<std::uint64_t>(most, plan_.backwards ? next - limit : limit - next);
  std::uint64_t first = plan_.backwards ? next - count : next;
  if (const auto& size = table.shape().relation.circular) {
    // What is read is one piece: it ends where the numbers begin again.
    const std::uint64_t turn = plan_.backwards ? (next - 1) / *size * *size : (first / *size + 1) * *size;
    if (plan_.backwards) first = std::max(first, turn);
    count = plan_.backwards ? next - first : std::min(count, turn - first);
  }
  position_.next = plan_.backwards ? first : first + count;
  is_run_ = true;
  reached_ = static_cast<std::size_t>(count);
  first_ = table.shape().relation.circular ? first % *table.shape().relation.circular : first;
  const bool all_live = table.header().live == table.header().tail;
  if (columns_.empty() && all_live) {
    if (auto done = table.confirm(); !done) return std::unexpected(std::move(done.error()));
  } else if (auto done = reader.entries.read_run(first_, count, columns_, !all_live); !done) {
    return std::unexpected(std::move(done.error()));
  }
  found_.assign(count, 1);
  if (all_live) return true;
  const std::span<const std::uint8_t> states = reader.entries.states();
  for (std::size_t i = 0; i < found_.size(); ++i) found_[i] = states[i] >> 7;
  return true;
}

/// Asks for the contents that the predicate needs. How many rows on the way these are of: all, or those that fit.
std::size_t RowFinder::want_contents(OpenTable& table, RowReader& reader) {
  if (predicate_.is_everything()) return found_.size();
  reader.contents.clear();
  wanted_.clear();
  std::vector<std::uint32_t> variable;
  for (const std::uint32_t column : predicate_.columns()) {
    if (table.shape().columns[column].is_variable()) variable.push_back(column);
  }
  if (variable.empty()) return found_.size();
  ContentBudget budget;
  for (std::size_t n = 0; n < found_.size(); ++n) {
    const std::size_t i = on_way(n);
    if (found_[i] == 0) continue;
    const std::size_t before = wanted_.size();
    std::uint64_t bytes = 0;
    for (const std::uint32_t column : variable) {
      const types::Slot slot = types::read_slot(reader.entries.entry(column, i));
      if (!predicate_.needs(column, slot)) continue;
      bytes += ContentBudget::bytes_of(slot);
      wanted_.push_back({column, i, reader.contents.want(table.shape().columns[column].heap, slot)});
    }
    if (wanted_.size() > before && !budget.take(bytes)) return n;
  }
  return found_.size();
}

Result<> RowFinder::judge(OpenTable& table, RowReader& reader) {
  if (predicate_.is_everything()) return {};
  RowsInView rows;
  rows.columns.resize(table.shape().columns.size());
  contents_.resize(rows.columns.size());
  decompressed_.clear();
  for (const std::uint32_t column : predicate_.columns()) {
    rows.columns[column].entries = reader.entries.entries(column);
    if (table.shape().columns[column].is_variable()) contents_[column].assign(found_.size(), {});
  }
  if (auto done = reader.contents.read(); !done) return done;
  for (const Wanted& of : wanted_) {
    std::span<const std::uint8_t> content = reader.contents[of.content];
    const types::Slot slot = types::read_slot(reader.entries.entry(of.column, of.row));
    if (Place(slot.place()).is_compressed()) {
      auto plain = decompress(content, slot.length);
      if (!plain) return std::unexpected(Failure{plain.error().status, plain.error().text()});
      content = decompressed_.emplace_back(std::move(*plain));
    }
    contents_[of.column][of.row] = content;
  }
  for (const std::uint32_t column : predicate_.columns()) rows.columns[column].contents = contents_[column];
  predicate_.find(rows, found_.size(), found_.data());
  return {};
}

}  // namespace chimera::tables
