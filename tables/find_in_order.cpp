// The place in an append table where a time begins: instead of halving, each program asks for 63 entries between the
// bounds, so four of them are enough for sixteen million rows.

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "tables/row_finder.h"
#include "types/key.h"

namespace chimera::tables {
namespace {

constexpr std::uint64_t most_asked = 63;
/// Of a column that may have packed pieces: each place may cost one.
constexpr std::uint64_t most_asked_packed = 7;

/// Reads the entries at some places.
class PlaceReader {
 public:
  PlaceReader(OpenTable& table, std::uint32_t column) : table_(table), column_(column) {
    if (table.packed(column) != nullptr) reader_.emplace(table);
  }
  [[nodiscard]] std::uint64_t asked_at_once() const { return reader_ ? most_asked_packed : most_asked; }

  /// Of rows by their numbers.
  Result<> read(std::span<const std::uint64_t> rows) {
    const std::uint32_t columns[] = {column_};
    if (reader_) return reader_->read(rows, columns);
    const ColumnFile& file = table_.shape().columns[column_];
    Reading reading(table_.script, table_.version());
    table_.script.note(
        [&] { return fmt::format("column {}, where in the order of rows", table_.shape().column_name(column_)); });
    for (const std::uint64_t row : rows) table_.script.read_bytes(file.device, row * file.width, file.width);
    return reading.run(table_.link(), table_.answers);
  }
  [[nodiscard]] const std::uint8_t* entry(std::size_t i) const {
    return reader_ ? reader_->entry(column_, i) : table_.answers.bytes(1 + i).data();
  }

 private:
  OpenTable& table_;
  std::uint32_t column_;
  std::optional<EntryReader> reader_;
};

}  // namespace

Result<std::uint64_t> find_in_order(OpenTable& table, std::uint32_t column, std::span<const std::uint8_t> key,
                                    std::uint64_t first, std::uint64_t end) {
  const ColumnFile& file = table.shape().columns[column];
  const types::Column& of = table.shape().relation.columns[column];
  const auto& size = table.shape().relation.circular;
  PlaceReader reader(table, column);
  const std::uint64_t at_once = reader.asked_at_once();
  std::vector<std::uint64_t> places, rows;
  std::vector<std::uint8_t> found;
  while (first < end) {
    places.clear();
    rows.clear();
    const std::uint64_t step = std::max<std::uint64_t>((end - first) / (at_once + 1), 1);
    for (std::uint64_t place = first + (step > 1 ? step : 0); place < end && places.size() < at_once; place += step) {
      places.push_back(place);
      rows.push_back(size ? place % *size : place);
    }
    if (auto done = reader.read(rows); !done) return std::unexpected(std::move(done.error()));
    for (std::size_t i = 0; i < places.size(); ++i) {
      const types::Result<types::Value> value = file.fixed->get(reader.entry(i));
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
