#pragma once
// What a table of `id: i64, group: u16, name: string, amount: i64 nullable` and others with indexes holds, as a map;
// its few rows are wide enough for several pieces of a column of a fixed width; and random operations that are done to
// both.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "io/seeded_random.h"
#include "tables/scan.h"
#include "tables/table.h"

namespace chimera::tables::testing {

inline constexpr std::string_view model_schema =
    "relation t = struct { id: i64, group: u16 indexed, name: string, amount: i64 nullable, "
    "code: string nullable unique, note: string, wide: array(u128, 250) nullable } key (id) index by_name (name, "
    "amount)";

struct ModelRow {
  std::uint16_t group = 0;
  std::string name;
  std::string note;
  std::optional<std::int64_t> amount;
  std::optional<std::string> code;
  std::optional<std::uint64_t> wide;  ///< what the elements of the array follow from
  bool locked = false;
  friend bool operator==(const ModelRow&, const ModelRow&) = default;
};

using ModelTable = std::map<std::int64_t, ModelRow>;

/// Does a random operation to the table and to the model, and compares what both say. Returns what was wrong.
[[nodiscard]] std::string random_operation(io::SeededRandom& random, Table& table, ModelTable& model);
/// Whether the table holds what the model does, read along each of its ways.
[[nodiscard]] std::string compare_whole(Table& table, const ModelTable& model);

/// So many operations by several writers in turn, each with a session and a memory of its own, and a check of the
/// table. Returns what was wrong.
[[nodiscard]] std::string run_model(std::uint64_t seed, std::size_t writers, std::size_t steps);

}  // namespace chimera::tables::testing
