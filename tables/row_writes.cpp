#include "tables/row_writes.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>

#include "isa/bytes.h"
#include "tables/contents.h"
#include "tables/packed_writes.h"
#include "tables/predicate.h"
#include "tables/row_numbers.h"
#include "types/key.h"

namespace chimera::tables {
namespace {

/// The entries of the encoded rows at these places, one behind the other; a view where they lie so already.
std::span<const std::uint8_t> entries_at(std::span<const std::uint8_t> entries, std::size_t width,
                                         std::span<const std::uint32_t> places, std::vector<std::uint8_t>& scratch) {
  if (places.back() - places.front() + 1 == places.size() && std::ranges::is_sorted(places)) {
    return entries.subspan(places.front() * width, places.size() * width);
  }
  scratch.resize(places.size() * width);
  for (std::size_t i = 0; i < places.size(); ++i) std::memcpy(&scratch[i * width], &entries[places[i] * width], width);
  return scratch;
}

/// Metadata bytes that one instruction writes, at most.
constexpr std::size_t most_states = 1 << 20;

}  // namespace

Result<> write_column(OpenTable& table, Change& change, const EncodedRows& rows, const Placing& placing,
                      std::uint32_t column) {
  const ColumnFile& file = table.shape().columns[column];
  const EncodedColumn& encoded = rows.column(column);
  std::span<const std::uint8_t> entries = encoded.entries;
  std::vector<std::uint8_t> filled;
  if (!encoded.longs.empty()) {
    filled = encoded.entries;
    if (auto done = place_contents(table, column, encoded.longs, placing.places, filled); !done) return done;
    entries = filled;
  }
  const std::vector<RowRun> runs = runs_of(placing.numbers);
  const bool may_be_packed = table.packed(column) != nullptr;
  if (may_be_packed) {
    if (auto done = plan_plain_under(table, change, column, runs); !done) return done;
  }
  std::vector<std::uint8_t> scratch;
  for (const RowRun& run : runs) {
    change.script.note([&] {
      return fmt::format("column {}, rows {} to {}", table.shape().column_name(column), run.row,
                         run.row + run.count - 1);
    });
    const std::span<const std::uint8_t> written =
        entries_at(entries, file.width, placing.places.subspan(run.first, run.count), scratch);
    if (may_be_packed) {
      write_entries(table, change, column, run.row * file.width, written);
    } else {
      change.script.write_bytes(file.device, run.row * file.width, written);
    }
  }
  return {};
}

void write_states(OpenTable& table, Change& change, std::span<const std::uint64_t> numbers, std::uint8_t state) {
  for (const RowRun& run : runs_of(numbers)) {
    change.script.note(
        [&] { return fmt::format("states of rows {} to {}: {:#04x}", run.row, run.row + run.count - 1, state); });
    for (std::size_t done = 0; done < run.count; done += most_states) {
      const std::vector<std::uint8_t> states(std::min(most_states, run.count - done), state);
      change.script.write_metadata_bytes(table.shape().header, run.row + done, states);
    }
  }
}

Result<> enter_keys(OpenTable& table, const EncodedRows& rows, const Placing& placing, std::size_t index) {
  const IndexFile& of = table.shape().indexes[index];
  SortedKeys keys(of);
  std::vector<std::uint32_t> added;
  for (std::size_t i = 0; i < placing.size(); ++i) {
    if (!table.is_entered(of, placing.numbers[i])) continue;
    const std::uint32_t place = placing.places[i];
    keys.add(rows.keys(index)[place], has_row_number(of, rows.rows()[place]), placing.numbers[i]);
    added.push_back(place);
  }
  const std::span<const BTree::Entry> entries = keys.entries();
  const auto repeated = [&](std::size_t entry, std::string_view where) {
    const std::uint32_t place = added[keys.added(entry)];
    Failure failure{Status::exists,
                    fmt::format("Row {}: {} {} {}.", place, shown_key(table.shape(), of, rows.rows()[place]), where,
                                table.shape().name)};
    failure.row = place;
    return std::unexpected(std::move(failure));
  };
  if (const auto second = keys.first_repeated()) return repeated(*second, "is there twice among the rows for");
  Result<> done = table.tree(index).insert(entries);
  if (done || done.error().status != Status::exists) return done;
  return repeated(done.error().instruction, "is there already in");
}

void SortedKeys::add(std::span<const std::uint8_t> key, bool with_number, std::uint64_t row) {
  std::vector<std::uint8_t>& bytes = keys_.open();
  bytes.insert(bytes.end(), key.begin(), key.end());
  if (with_number) types::append_key_u64(row, bytes);
  keys_.close();
  rows_.push_back(row);
}

std::span<const BTree::Entry> SortedKeys::entries() {
  order_.resize(rows_.size());
  std::iota(order_.begin(), order_.end(), 0u);
  const auto less = [this](std::uint32_t a, std::uint32_t b) {
    const std::span<const std::uint8_t> left = keys_[a], right = keys_[b];
    if (left.size() == 8 && right.size() == 8) {
      return __builtin_bswap64(load<std::uint64_t>(left.data())) < __builtin_bswap64(load<std::uint64_t>(right.data()));
    }
    return compare_bytes(left, right) < 0;
  };
  if (!std::ranges::is_sorted(order_, less)) std::ranges::sort(order_, less);
  entries_.resize(rows_.size());
  for (std::size_t i = 0; i < order_.size(); ++i) {
    const std::uint64_t& row = rows_[order_[i]];
    entries_[i] = {keys_[order_[i]], {reinterpret_cast<const std::uint8_t*>(&row), has_values_ ? sizeof row : 0}};
  }
  return entries_;
}

std::optional<std::size_t> SortedKeys::first_repeated() const {
  for (std::size_t i = 1; i < entries_.size(); ++i) {
    if (std::ranges::equal(entries_[i - 1].key, entries_[i].key)) return i;
  }
  return {};
}

}  // namespace chimera::tables
