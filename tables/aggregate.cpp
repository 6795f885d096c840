// Counts, sums and extremes of whole columns, from their raw bytes.

#include <fmt/format.h>

#include <algorithm>

#include "tables/attempt.h"
#include "tables/masks.h"
#include "tables/predicate.h"
#include "tables/row_finder.h"

namespace chimera::tables {
namespace {

/// A chunk's bytes of each column stay in the processor's cache.
constexpr std::size_t chunk_rows = 32768;

class Aggregation {
 public:
  Aggregation(const TableShape& shape, std::optional<std::uint32_t> column)
      : shape_(shape),
        column_(column),
        kind_(column ? kind_of(shape, *column) : types::Kind::null),
        sum_(kind_),
        extremes_(kind_) {}

  /// The rows in `found` of those that `entries` has read.
  void add(const EntryReader& entries, std::span<const std::uint8_t> found) {
    for (const std::uint8_t is_found : found) result_.rows += is_found;
    if (!column_) return;
    const ColumnEntries of = entries.entries(*column_);
    mask_.resize(found.size());
    find_values(of, found.size(), mask_.data());
    for (std::size_t i = 0; i < mask_.size(); ++i) mask_[i] &= found[i];
    if (kind_ == types::Kind::null) {
      for (const std::uint8_t there : mask_) result_.values += there;
      return;
    }
    sum_.add(of, found.size(), mask_.data());
    extremes_.add(of, found.size(), mask_.data());
  }

  Result<Aggregate> finish() {
    if (kind_ == types::Kind::null) return result_;
    result_.values = sum_.count();
    if (extremes_.empty()) return result_;
    const types::FixedColumn layout(shape_.relation.columns[*column_].type, false);
    const auto least = layout.get(extremes_.least()), greatest = layout.get(extremes_.greatest());
    if (!least || !greatest) {
      return std::unexpected(Failure{Status::corrupt, fmt::format("{}, column {}: there are bytes that are no value.",
                                                                  shape_.name, shape_.column_name(*column_))});
    }
    result_.least = *least;
    result_.greatest = *greatest;
    if (kind_ == types::Kind::datetime || kind_ == types::Kind::boolean) return result_;
    if (sum_.overflown()) {
      return std::unexpected(Failure{Status::out_of_range, fmt::format("The sum of column {} does not fit 128 bits.",
                                                                       shape_.column_name(*column_))});
    }
    result_.sum = sum_.is_float() ? types::Value::real(types::Kind::f64, sum_.real())
                                  : types::Value::signed_integer(types::Kind::i128, sum_.integer());
    return result_;
  }

 private:
  /// null where there is nothing to add up or to compare.
  static types::Kind kind_of(const TableShape& shape, std::uint32_t column) {
    const types::Kind kind = shape.relation.columns[column].type.kind;
    return is_scalar(kind) ? kind : types::Kind::null;
  }

  const TableShape& shape_;
  std::optional<std::uint32_t> column_;
  types::Kind kind_;
  Sum sum_;
  Extremes extremes_;
  Aggregate result_;
  std::vector<std::uint8_t> mask_;
};

}  // namespace

Result<Aggregate> Table::aggregate(std::string_view column, std::string_view where) {
  return with_names([&] { return aggregate_once(column, where); });
}

Result<Aggregate> Table::aggregate_once(std::string_view column, std::string_view where) {
  const auto predicate = parse_where(open_->shape(), where);
  if (!predicate) return std::unexpected(predicate.error());
  std::optional<std::uint32_t> place;
  if (!column.empty()) {
    const auto found = open_->shape().relation.find(column);
    if (!found) return std::unexpected(Failure{Status::not_found, fmt::format("{} has no column {}.", name_, column)});
    place = static_cast<std::uint32_t>(*found);
  }
  const auto plan = plan_find(open_->shape(), *predicate, {}, false);
  if (!plan) return std::unexpected(plan.error());
  RowFinder finder(*plan, *predicate);
  const std::uint64_t mark = open_->reading_mark();
  std::vector<std::uint32_t> also;
  if (place) also.push_back(*place);
  std::optional<Aggregation> aggregation;
  for (;;) {
    const RowPosition before = finder.position();
    const auto some = retry<bool>([&](OpenTable& table) -> Result<bool> {
      if (table.reading_mark() != mark) return std::unexpected(shape_changed(table.shape()));
      finder.put_back(before);
      return finder.next(table, *reader_, also, chunk_rows);
    });
    if (!some) return std::unexpected(some.error());
    if (!aggregation) aggregation.emplace(open_->shape(), place);
    if (!*some) return aggregation->finish();
    aggregation->add(reader_->entries, finder.found());
  }
}

}  // namespace chimera::tables
