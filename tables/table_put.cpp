// Whole columns that get other values.

#include <fmt/format.h>

#include <algorithm>

#include "tables/attempt.h"
#include "tables/encoded_rows.h"
#include "tables/row_finder.h"
#include "tables/update.h"

namespace chimera::tables {
namespace {

/// Values that one transaction puts, or fewer where they are long.
constexpr std::size_t most_at_once = 8192;

/// Puts the values of one column.
class ColumnPut {
 public:
  ColumnPut(Table& table, std::string_view column, std::uint64_t count,
            const std::function<Result<types::Value>()>& next)
      : table_(table), column_(column), count_(count), next_(next), finder_(FindPlan{}, everything_) {}

  Result<> run() {
    for (;;) {
      const RowPosition before = finder_.position();
      const auto some = table_.retry<bool>([&](OpenTable& table) {
        finder_.put_back(before);
        return piece(table);
      });
      if (!some && some.error().status == Status::too_large && some.error().instruction != Failure::nowhere &&
          most_ > 1) {
        most_ /= 2;
        finder_.put_back(before);
        continue;
      }
      if (!some) return std::unexpected(with_count(some.error()));
      if (!*some || table_.options().explained) return {};
    }
  }

 private:
  Result<bool> piece(OpenTable& table) {
    const auto column = may_put(table);
    if (!column) return std::unexpected(column.error());
    const RowPosition before = finder_.position();
    auto some = finder_.next(table, table_.reader(), {}, most_);
    if (!some || !*some) return some;
    std::vector<std::uint64_t> numbers = finder_.found_numbers();
    if (numbers.empty()) return true;
    const auto fit = take_values(table.shape(), *column, numbers.size());
    if (!fit) return std::unexpected(fit.error());
    if (*fit < numbers.size()) {
      finder_.put_back(before);
      some = finder_.next(table, table_.reader(), {}, looked_at_with(*fit));
      if (!some) return some;
      numbers = finder_.found_numbers();
    }
    Change change(table_.link(), table_.options().explained);
    const std::span<const types::Value> values = std::span(values_).first(numbers.size());
    if (auto done = plan_put(table, change, numbers, *column, values); !done) {
      return std::unexpected(std::move(done.error()));
    }
    if (auto done = change.commit(); !done) return std::unexpected(std::move(done.error()));
    const auto count = static_cast<std::ptrdiff_t>(numbers.size());
    values_.erase(values_.begin(), values_.begin() + count);
    sizes_.erase(sizes_.begin(), sizes_.begin() + count);
    put_ += numbers.size();
    return true;
  }

  /// By its name, and from then on by its device: another column may get the name.
  Result<std::uint32_t> place_in(const TableShape& shape) {
    const std::vector<Uuid> devices = shape.column_devices();
    if (device_) {
      const auto same = std::ranges::find(devices, *device_);
      is_gone_ = same == devices.end();
      if (!is_gone_) return static_cast<std::uint32_t>(same - devices.begin());
      return std::unexpected(Failure{
          Status::busy, fmt::format("Column {} of {} has been dropped meanwhile, or its table.", column_, shape.name)});
    }
    const auto named = shape.relation.find(column_);
    if (!named) {
      return std::unexpected(Failure{Status::not_found, fmt::format("{} has no column {}.", shape.name, column_)});
    }
    device_ = devices[*named];
    return static_cast<std::uint32_t>(*named);
  }

  /// The column's place, and that the rows are still those that the values are for.
  Result<std::uint32_t> may_put(OpenTable& table) {
    const TableShape& shape = table.shape();
    const auto found = place_in(shape);
    if (!found) return found;
    const std::uint32_t column = *found;
    for (const IndexFile& index : shape.indexes) {
      if (!index.unique || !index.covers(column)) continue;
      return std::unexpected(
          Failure{Status::denied, fmt::format("Column {} is part of {} {}, whose values are all "
                                              "different: it cannot be put as a whole.",
                                              column_, index.name == "key" ? "the" : "the index", index.name)});
    }
    if (shape.relation.append_by == column) {
      return std::unexpected(Failure{Status::denied, fmt::format("Column {} keeps the rows of {} in their order and "
                                                                 "cannot be changed.",
                                                                 column_, shape.name)});
    }
    TableHeader rows = table.header();
    rows.version = rows.shape = rows.entered = rows.format = 0;
    if (!rows_) {
      // What is kept of an open table may be of long ago: the rows are those that there are now.
      if (auto now = table.confirm(); !now) return std::unexpected(std::move(now.error()));
      rows_ = rows;
    }
    if (*rows_ != rows) return std::unexpected(Failure{Status::busy, "Rows have come or gone meanwhile."});
    if (rows.live != count_) {
      return std::unexpected(Failure{Status::out_of_range, fmt::format("There are {} values, and {} has {} rows.",
                                                                       count_, shape.name, rows.live)});
    }
    return column;
  }

  /// Rows that were looked at to find so many.
  std::size_t looked_at_with(std::size_t count) const {
    std::size_t at = 0;
    while (count > 0) count -= finder_.found()[at++];
    return at;
  }

  /// Up to `count` values, or so many as are long enough for a transaction; those of an attempt that was in vain are
  /// still there. How many are to be put.
  Result<std::size_t> take_values(const TableShape& shape, std::uint32_t place, std::size_t count) {
    const types::Column& column = shape.relation.columns[place];
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (bytes >= most_value_bytes_at_once) return i;
      if (i == values_.size()) {
        auto value = next_();
        if (!value) return std::unexpected(std::move(value.error()));
        if (auto fits = conform_value(column, *value); !fits) {
          return std::unexpected(
              Failure{fits.error().status, fmt::format("Value {}: {}", put_ + values_.size() + 1, fits.error().words)});
        }
        sizes_.push_back(bytes_of_value(shape, place, *value));
        values_.push_back(std::move(*value));
      }
      bytes += sizes_[i];
    }
    return count;
  }

  Failure with_count(Failure failure) const {
    if (put_ > 0 && !is_gone_)
      failure.words += fmt::format(" The first {} rows have their new values of {}.", put_, column_);
    return failure;
  }

  Table& table_;
  std::string column_;
  std::uint64_t count_;
  const std::function<Result<types::Value>()>& next_;
  const Predicate everything_;
  RowFinder finder_;
  std::optional<Uuid> device_;       ///< the column's
  bool is_gone_ = false;             ///< the column, with what has been put
  std::optional<TableHeader> rows_;  ///< what has to stay of the header
  std::vector<types::Value> values_;
  std::vector<std::size_t> sizes_;  ///< of the values, in bytes
  std::uint64_t put_ = 0;
  std::size_t most_ = most_at_once;
};

}  // namespace

Result<> Table::put_column(std::string_view column, std::uint64_t count,
                           const std::function<Result<types::Value>()>& next) {
  return ColumnPut(*this, column, count, next).run();
}

}  // namespace chimera::tables
