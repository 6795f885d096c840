// The place in an append table where a time begins: instead of halving, each program asks for 63 entries between the
// bounds, so four of them are enough for sixteen million rows.

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "tables/row_finder.h"
#include "types/key.h"

namespace chimera::tables {
namespace {

constexpr std::uint64_t asked_at_once = 63;

}  // namespace

Result<std::uint64_t> find_in_order(OpenTable& table, std::uint32_t column, std::span<const std::uint8_t> key,
                                    std::uint64_t first, std::uint64_t end) {
  const ColumnFile& file = table.shape().columns[column];
  const types::Column& of = table.shape().relation.columns[column];
  const auto& size = table.shape().relation.circular;
  std::vector<std::uint64_t> places;
  std::vector<std::uint8_t> found;
  while (first < end) {
    places.clear();
    const std::uint64_t step = std::max<std::uint64_t>((end - first) / (asked_at_once + 1), 1);
    for (std::uint64_t place = first + (step > 1 ? step : 0); place < end && places.size() < asked_at_once;
         place += step) {
      places.push_back(place);
    }
    Reading reading(table.script, table.version());
    table.script.note([&] { return fmt::format("column {}, where in the order of rows", of.name); });
    for (const std::uint64_t place : places) {
      table.script.read_bytes(file.device, (size ? place % *size : place) * file.width, file.width);
    }
    if (auto done = reading.run(table.link(), table.answers); !done) return std::unexpected(std::move(done.error()));
    for (std::size_t i = 0; i < places.size(); ++i) {
      const types::Result<types::Value> value = file.fixed->get(table.answers.bytes(1 + i).data());
      if (!value) {
        return std::unexpected(Failure{
            Status::corrupt, fmt::format("{}, column {}: {}.", table.shape().name, of.name, value.error().text())});
      }
      found.clear();
      types::append_key(*value, of.type, of.nullable, found);
      if (compare_bytes(found, key) >= 0) {
        end = places[i];
        break;
      }
      first = places[i] + 1;
    }
  }
  return first;
}

}  // namespace chimera::tables
