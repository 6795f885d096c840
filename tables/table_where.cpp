// Changes of many rows: those that a condition finds, and those that are given.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include "tables/attempt.h"
#include "tables/chunk_size.h"
#include "tables/given_rows.h"
#include "tables/predicate.h"
#include "tables/remove.h"
#include "tables/row_finder.h"
#include "tables/unreadable_row.h"
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
              const OnUnreadable& unreadable, Planner planner)
      : table_(table),
        mark_(table.opened().reading_mark()),
        finder_(std::move(plan), predicate),
        planner_(std::move(planner)),
        unreadable_(unreadable),
        size_(most, most),
        done_(done) {}

  /// `shape_changed` only where nothing has been changed or told yet. What has begun must not be done again from its
  /// front, or it would count too few.
  Result<std::uint64_t> run(bool& has_begun) {
    for (;;) {
      const RowPosition before = finder_.position();
      unsigned tries = 0;
      const auto some = table_.retry<std::optional<std::size_t>>([&](OpenTable& table) {
        finder_.put_back(before);
        return chunk(table, most_after_losing(size_.most(), tries++));
      });
      if (some && !*some) return changed_;
      if (some) {
        size_.pass(finder_.looked_at());
        changed_ += **some;
      } else if (auto passed = make_less(before, some.error()); !passed) {
        return std::unexpected(in_the_midst(std::move(passed.error())));
      }
      has_begun = changed_ > 0 || has_passed_;
    }
  }

 private:
  /// How many were changed; nothing at the end.
  Result<std::optional<std::size_t>> chunk(OpenTable& table, std::size_t most) {
    is_committing_ = false;
    if (table.reading_mark() != mark_) return std::unexpected(shape_changed(table.shape()));
    const auto some = finder_.next(table, table_.reader(), {}, most);
    if (!some) return std::unexpected(some.error());
    if (!*some) return std::optional<std::size_t>();
    std::vector<std::uint64_t> numbers = finder_.found_numbers();
    if (numbers.empty()) return std::optional<std::size_t>(0);
    std::ranges::sort(numbers);
    Change change(table_.link(), table_.options().explained);
    if (auto planned = planner_(table, change, numbers); !planned) return std::unexpected(std::move(planned.error()));
    is_committing_ = true;
    if (auto done = change.commit(); !done) return std::unexpected(std::move(done.error()));
    return std::optional<std::size_t>(numbers.size());
  }

  /// Behind a chunk that was not changed: whether fewer rows may be, or one is passed over that cannot be.
  Result<> make_less(const RowPosition& before, const Failure& why) {
    // A store that does not write any more is not damaged in some of its rows.
    const bool cannot_write = is_committing_ && why.status == Status::io_error;
    const std::size_t reached = finder_.reached();
    if (is_of_its_place(why) && !cannot_write && reached == 1) return pass_over(finder_.number(0), why);
    finder_.put_back(before);
    if (is_of_its_place(why) && !cannot_write) {
      return size_.halve(reached) ? Result<>() : std::unexpected(named(why, table_.name()));
    }
    return why.status == Status::too_large && size_.shrink() ? Result<>() : std::unexpected(why);
  }

  Result<> pass_over(std::uint64_t number, const Failure& why) {
    using Row = std::optional<UnreadableRow>;
    const auto row = table_.retry<Row>([&](OpenTable& table) -> Result<Row> {
      if (table.reading_mark() != mark_) return std::unexpected(shape_changed(table.shape()));
      std::vector<std::uint32_t> columns(table.shape().columns.size());
      std::iota(columns.begin(), columns.end(), 0);
      return look_at_unreadable(table, table_.reader(), number, std::move(columns), why, table_.name());
    });
    if (!row) return std::unexpected(row.error());
    size_.pass_one();
    if (!*row) return {};
    // All of the row can be read, and it was the store that could not change it.
    if (is_committing_ && (*row)->problems.empty()) return std::unexpected(named(why, table_.name()));
    if (!unreadable_) return std::unexpected(Failure{why.status, (*row)->words, why.instruction});
    has_passed_ = true;
    return unreadable_(**row);
  }

  /// A failure behind chunks that have been changed already.
  [[nodiscard]] Failure in_the_midst(Failure failure) const {
    if (is_shape_changed(failure) && (changed_ > 0 || has_passed_)) failure.status = Status::conflict;
    if (changed_ > 0 && !table_.options().explained) {
      failure.words += fmt::format("\nUp to then {} row{} been {}, and stay{} so.", changed_,
                                   changed_ == 1 ? " has" : "s have", done_, changed_ == 1 ? "s" : "");
    }
    return failure;
  }

  Table& table_;
  std::uint64_t mark_;
  RowFinder finder_;
  Planner planner_;
  const OnUnreadable& unreadable_;
  ChunkSize size_;
  std::string_view done_;
  std::uint64_t changed_ = 0;
  bool has_passed_ = false;
  bool is_committing_ = false;  ///< the last chunk had got so far
};

}  // namespace

Result<std::uint64_t> Table::remove_where(std::string_view where, const OnUnreadable& unreadable) {
  bool has_begun = false;
  return with_names([&] { return remove_where_once(where, unreadable, has_begun); }, &has_begun);
}

Result<std::uint64_t> Table::update_where(std::string_view where, std::vector<Assignment> assignments,
                                          const OnUnreadable& unreadable) {
  bool has_begun = false;
  return with_names([&] { return update_where_once(where, assignments, unreadable, has_begun); }, &has_begun);
}

Result<std::uint64_t> Table::remove_where_once(std::string_view where, const OnUnreadable& unreadable,
                                               bool& has_begun) {
  const auto predicate = parse_where(open_->shape(), where);
  if (!predicate) return std::unexpected(predicate.error());
  auto plan = plan_find(open_->shape(), *predicate, unreadable ? "rows" : "", false);
  if (!plan) return std::unexpected(std::move(plan.error()));
  return ChangeWhere(*this, *predicate, std::move(*plan), most_changed, "deleted", unreadable,
                     [](OpenTable& table, Change& change, std::span<const std::uint64_t> numbers) {
                       return plan_remove(table, change, numbers, WhatIsGone::refused);
                     })
      .run(has_begun);
}

Result<std::uint64_t> Table::update_where_once(std::string_view where, std::span<const Assignment> assignments,
                                               const OnUnreadable& unreadable, bool& has_begun) {
  const TableShape& shape = open_->shape();
  const auto predicate = parse_where(shape, where);
  if (!predicate) return std::unexpected(predicate.error());
  const auto bound = bind_assignments(shape, assignments);
  if (!bound) return std::unexpected(bound.error());
  auto plan = plan_find(shape, *predicate, unreadable ? "rows" : "", false);
  if (!plan) return std::unexpected(std::move(plan.error()));
  // A row whose key grows would be found again along that index.
  const auto moves = [&](const auto& assignment) { return shape.indexes[plan->index].covers(assignment.first); };
  if (plan->way == FindPlan::Way::index && std::ranges::any_of(*bound, moves)) {
    plan = plan_find(shape, *predicate, "rows", false);
    if (!plan) return std::unexpected(std::move(plan.error()));
  }
  return ChangeWhere(*this, *predicate, std::move(*plan), most_updated(shape, *bound), "updated", unreadable,
                     [&](OpenTable& table, Change& change, std::span<const std::uint64_t> numbers) {
                       return plan_update(table, change, numbers, *bound);
                     })
      .run(has_begun);
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

Result<> Table::upsert(std::vector<types::Row> rows, std::uint64_t* put) {
  if (put != nullptr) *put = 0;
  const std::size_t all = rows.size();
  GivenRows given(std::move(rows));
  std::size_t done = 0, most = most_changed;
  while (done < all) {
    unsigned tries = 0;
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
      const std::size_t count = relation.circular ? 1 : std::min(most_after_losing(most, tries++), all - done);
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
    if (put != nullptr) *put = done;
  }
  return {};
}

}  // namespace chimera::tables
