// Changes of many rows: those that a condition finds, and those that are given.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "tables/attempt.h"
#include "tables/given_rows.h"
#include "tables/remove.h"
#include "tables/row_finder.h"
#include "tables/scan.h"
#include "tables/update.h"

namespace chimera::tables {
namespace {

/// Rows that one transaction changes: of what they are scattered over much has to be written.
constexpr std::size_t most_changed = 2048;

using Planner = std::function<Result<>(OpenTable&, Change&, std::span<const std::uint64_t>)>;

/// How many rows get values in one transaction: each has a copy of its own.
std::size_t most_updated(const TableShape& shape, const BoundAssignments& assignments) {
  std::size_t bytes = 0;
  for (const auto& [column, value] : assignments) bytes += bytes_of_value(shape, column, value);
  return std::clamp<std::size_t>(most_value_bytes_at_once / std::max<std::size_t>(bytes, 1), 1, most_changed);
}

/// Changes all rows that are found, chunk by chunk.
class ChangeWhere {
 public:
  /// `done`: what is done to the rows, as a word for who is told how many it were.
  ChangeWhere(Table& table, const Predicate& predicate, FindPlan plan, std::size_t most, std::string_view done,
              Planner planner)
      : table_(table), finder_(std::move(plan), predicate), planner_(std::move(planner)), most_(most), done_(done) {}

  /// `shape_changed` only where nothing has been changed yet. What has begun must not be done again from its front, or
  /// it would count too few.
  Result<std::uint64_t> run(bool& has_changed) {
    const std::uint64_t mark = table_.opened().reading_mark();
    std::uint64_t changed = 0;
    for (;;) {
      const RowFinder::Position before = finder_.position();
      const auto some = table_.retry<std::optional<std::size_t>>([&](OpenTable& table) {
        finder_.put_back(before);
        return chunk(table, mark);
      });
      if (!some && some.error().status == Status::too_large && most_ > 1) {
        most_ /= 2;
        finder_.put_back(before);
        continue;
      }
      if (!some) return std::unexpected(changed > 0 ? in_the_midst(some.error(), changed) : some.error());
      if (!*some) return changed;
      changed += **some;
      has_changed = changed > 0;
    }
  }

 private:
  /// How many were changed; nothing at the end.
  Result<std::optional<std::size_t>> chunk(OpenTable& table, std::uint64_t mark) {
    if (table.reading_mark() != mark) return std::unexpected(shape_changed(table.shape()));
    const auto some = finder_.next(table, table_.reader(), {}, most_);
    if (!some) return std::unexpected(some.error());
    if (!*some) return std::optional<std::size_t>();
    std::vector<std::uint64_t> numbers = finder_.found_numbers();
    if (numbers.empty()) return std::optional<std::size_t>(0);
    std::ranges::sort(numbers);
    Change change(table_.link(), table_.options().explained);
    if (auto planned = planner_(table, change, numbers); !planned) return std::unexpected(std::move(planned.error()));
    if (auto done = change.commit(); !done) return std::unexpected(std::move(done.error()));
    return std::optional<std::size_t>(numbers.size());
  }

  /// A failure behind chunks that have been changed already.
  [[nodiscard]] Failure in_the_midst(Failure failure, std::uint64_t changed) const {
    if (is_shape_changed(failure)) failure.status = Status::conflict;
    if (!table_.options().explained) {
      failure.words += fmt::format("\nUp to then {} row{} been {}, and stay{} so.", changed,
                                   changed == 1 ? " has" : "s have", done_, changed == 1 ? "s" : "");
    }
    return failure;
  }

  Table& table_;
  RowFinder finder_;
  Planner planner_;
  std::size_t most_;  ///< rows that one transaction changes
  std::string_view done_;
};

}  // namespace

Result<std::uint64_t> Table::remove_where(std::string_view where) {
  bool has_changed = false;
  return with_names([&] { return remove_where_once(where, has_changed); }, &has_changed);
}

Result<std::uint64_t> Table::update_where(std::string_view where, std::vector<Assignment> assignments) {
  bool has_changed = false;
  return with_names([&] { return update_where_once(where, assignments, has_changed); }, &has_changed);
}

Result<std::uint64_t> Table::remove_where_once(std::string_view where, bool& has_changed) {
  const auto predicate = parse_where(open_->shape(), where);
  if (!predicate) return std::unexpected(predicate.error());
  auto plan = plan_find(open_->shape(), *predicate, {}, false);
  if (!plan) return std::unexpected(std::move(plan.error()));
  return ChangeWhere(*this, *predicate, std::move(*plan), most_changed, "deleted",
                     [](OpenTable& table, Change& change, std::span<const std::uint64_t> numbers) {
                       return plan_remove(table, change, numbers, WhatIsGone::refused);
                     })
      .run(has_changed);
}

Result<std::uint64_t> Table::update_where_once(std::string_view where, std::span<const Assignment> assignments,
                                               bool& has_changed) {
  const TableShape& shape = open_->shape();
  const auto predicate = parse_where(shape, where);
  if (!predicate) return std::unexpected(predicate.error());
  const auto bound = bind_assignments(shape, assignments);
  if (!bound) return std::unexpected(bound.error());
  auto plan = plan_find(shape, *predicate, {}, false);
  if (!plan) return std::unexpected(std::move(plan.error()));
  // A row whose key grows would be found again along that index.
  const auto moves = [&](const auto& assignment) { return shape.indexes[plan->index].covers(assignment.first); };
  if (plan->way == FindPlan::Way::index && std::ranges::any_of(*bound, moves)) {
    plan = plan_find(shape, *predicate, "rows", false);
    if (!plan) return std::unexpected(std::move(plan.error()));
  }
  return ChangeWhere(*this, *predicate, std::move(*plan), most_updated(shape, *bound), "updated",
                     [&](OpenTable& table, Change& change, std::span<const std::uint64_t> numbers) {
                       return plan_update(table, change, numbers, *bound);
                     })
      .run(has_changed);
}

Result<bool> Table::update(types::Row key, std::vector<Assignment> assignments) {
  return retry<bool>([&](OpenTable& table) -> Result<bool> {
    const auto bound = bind_assignments(table.shape(), assignments);
    if (!bound) return std::unexpected(bound.error());
    const auto row = find_row(table, key);
    if (!row) return std::unexpected(row.error());
    if (!*row) return false;
    Change change(*link_, options_.explained);
    const std::uint64_t numbers[] = {**row};
    if (auto planned = plan_update(table, change, numbers, *bound); !planned) {
      return std::unexpected(std::move(planned.error()));
    }
    if (auto done = change.commit(); !done) return std::unexpected(std::move(done.error()));
    return true;
  });
}

namespace {

/// Places of the rows from `first` to `end`, of those with the same key the last alone.
std::vector<std::uint32_t> last_of_each_key(const EncodedRows& rows, std::size_t first, std::size_t end) {
  std::map<std::span<const std::uint8_t>, std::uint32_t,
           decltype([](std::span<const std::uint8_t> a, std::span<const std::uint8_t> b) {
             return compare_bytes(a, b) < 0;
           })>
      last;
  for (std::size_t i = first; i < end; ++i) last[rows.keys(primary_key)[i]] = static_cast<std::uint32_t>(i);
  std::vector<std::uint32_t> places;
  for (const auto& [key, place] : last) places.push_back(place);
  std::ranges::sort(places);
  return places;
}

}  // namespace

Result<> Table::upsert(std::vector<types::Row> rows) {
  const std::size_t all = rows.size();
  GivenRows given(std::move(rows));
  std::size_t done = 0, most = most_changed;
  while (done < all) {
    const auto piece = retry<std::size_t>([&](OpenTable& table) -> Result<std::size_t> {
      // First of all: which columns the rows are for has to be known before the table is looked at again.
      const auto encoded = given.encode(table);
      if (!encoded) return std::unexpected(encoded.error());
      const types::Relation& relation = table.shape().relation;
      if (relation.append_by || !table.shape().has_key) {
        return std::unexpected(
            Failure{Status::unsupported, fmt::format("{} is appended to, or has no primary key: rows "
                                                     "cannot be put in the place of others.",
                                                     name_)});
      }
      // In a circular table a row may give way to the one before it.
      const std::size_t count = relation.circular ? 1 : std::min(most, all - done);
      Change change(*link_, options_.explained);
      auto planned = plan_upsert(table, change, **encoded, last_of_each_key(**encoded, done, done + count));
      if (!planned) return std::unexpected(std::move(planned.error()));
      if (auto committed = change.commit(); !committed) return std::unexpected(std::move(committed.error()));
      return count;
    });
    if (!piece && piece.error().status == Status::too_large && piece.error().instruction != Failure::nowhere &&
        most > 1) {
      most /= 2;
      continue;
    }
    if (!piece) return std::unexpected(piece.error());
    done += *piece;
  }
  return {};
}

}  // namespace chimera::tables
