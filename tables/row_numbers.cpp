#include "tables/row_numbers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "isa/bytes.h"

namespace chimera::tables {
namespace {

using Numbers = std::vector<std::uint64_t>;

/// The topmost numbers on the stack.
Result<Numbers> read_free_numbers(OpenTable& table, std::size_t count) {
  const TableHeader& planned = table.planned();
  Reading reading(table.script, table.version());
  table.script.note([&] { return fmt::format("{} free row numbers", count); });
  const std::uint64_t bottom = planned.free - count;
  table.script.read_bytes(table.shape().free, bottom * sizeof(std::uint64_t),
                          static_cast<std::uint32_t>(count * sizeof(std::uint64_t)));
  if (auto done = reading.run(table.link(), table.answers); !done) return std::unexpected(std::move(done.error()));
  Numbers numbers(count);
  std::memcpy(numbers.data(), table.answers.bytes(1).data(), count * sizeof(std::uint64_t));
  std::ranges::sort(numbers);
  const bool sound = numbers.back() < planned.tail && std::ranges::adjacent_find(numbers) == numbers.end();
  if (sound) return numbers;
  return std::unexpected(Failure{
      Status::corrupt, fmt::format("{}: the stack of free rows holds numbers that cannot be.", table.shape().name)});
}

Failure too_many() { return {Status::too_large, "The table has as many rows as a table can have."}; }

}  // namespace

Result<Numbers> take_row_numbers(OpenTable& table, std::size_t count) {
  TableHeader& planned = table.planned();
  Numbers numbers;
  if (table.shape().relation.circular) {
    const std::uint64_t size = *table.shape().relation.circular;
    for (std::size_t i = 0; i < count; ++i) numbers.push_back((planned.position + i) % size);
    planned.position += count;
    planned.tail = std::min(planned.position, size);
  } else {
    if (planned.tail + count > most_rows) return std::unexpected(too_many());
    const std::size_t reused =
        table.has_given_back ? 0 : static_cast<std::size_t>(std::min<std::uint64_t>(planned.free, count));
    if (reused > 0) {
      auto free = read_free_numbers(table, reused);
      if (!free) return free;
      numbers = std::move(*free);
      planned.free -= reused;
    }
    numbers.reserve(count);
    while (numbers.size() < count) numbers.push_back(planned.tail++);
  }
  planned.live += count;
  return numbers;
}

void give_back_row_numbers(OpenTable& table, Change& change, std::span<const std::uint64_t> rows) {
  TableHeader& planned = table.planned();
  if (rows.empty()) return;
  planned.live -= std::min<std::uint64_t>(planned.live, rows.size());
  table.let_rows_go();
  if (table.shape().keeps_order()) return;
  change.script.note([&] { return fmt::format("{} row numbers are free", rows.size()); });
  change.script.write_bytes(table.shape().free, planned.free * sizeof(std::uint64_t),
                            {reinterpret_cast<const std::uint8_t*>(rows.data()), rows.size_bytes()});
  planned.free += rows.size();
  table.has_given_back = true;
}

std::vector<RowRun> runs_of(std::span<const std::uint64_t> rows) {
  std::vector<RowRun> runs;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!runs.empty() && runs.back().row + runs.back().count == rows[i]) {
      ++runs.back().count;
    } else {
      runs.push_back({rows[i], i, 1});
    }
  }
  return runs;
}

}  // namespace chimera::tables
