#pragma once
// Trying an operation again where it has lost a race.

#include <algorithm>
#include <cstddef>
#include <functional>

#include "tables/change.h"
#include "tables/open_table.h"
#include "tables/row_finder.h"
#include "tables/table.h"

namespace chimera::tables {

/// Rows of a transaction that may have fewer than `most`. Whoever has lost several races, against one who works through
/// the whole table perhaps, does with fewer, which takes less time.
[[nodiscard]] constexpr std::size_t most_after_losing(std::size_t most, unsigned races) {
  constexpr unsigned races_of_a_size = 4;
  return std::max<std::size_t>(most >> std::min(races / races_of_a_size, 16u), 1);
}

template <typename Value>
Result<Value> Table::retry(const std::function<Result<Value>(OpenTable&)>& attempt) {
  for (unsigned tries = 1;; ++tries) {
    Result<Value> result = attempt(*open_);
    if (result) return result;
    if (auto again = prepare_again(result.error(), tries); !again) return std::unexpected(std::move(again.error()));
  }
}

template <typename Attempt>
auto Table::with_names(Attempt attempt, const bool* has_begun) -> decltype(attempt()) {
  for (unsigned tries = 1;; ++tries) {
    auto result = attempt();
    if (result || tries >= options_.most_tries || (has_begun != nullptr && *has_begun)) return result;
    const Failure& failure = result.error();
    const bool names_nothing = failure.instruction == Failure::nowhere &&
                               (failure.status == Status::not_found || failure.status == Status::bad_text);
    if (!is_shape_changed(failure) && !(names_nothing && has_new_shape())) return result;
  }
}

/// The number of the row with that primary key, whose values are brought into their columns' types; none, and that is
/// so at this moment.
[[nodiscard]] Result<std::optional<std::uint64_t>> find_row(OpenTable& table, types::Row& key);

}  // namespace chimera::tables
