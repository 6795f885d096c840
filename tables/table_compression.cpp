// Whole columns that are compressed, or no longer.

#include <fmt/format.h>

#include "tables/attempt.h"
#include "tables/compression.h"
#include "tables/contents.h"
#include "tables/marked_column.h"
#include "tables/remove.h"
#include "tables/row_finder.h"
#include "tables/row_numbers.h"

namespace chimera::tables {
namespace {

/// Rows of one transaction, and bytes of their values, about.
constexpr std::size_t most_at_once = 1024;

Result<std::uint32_t> column_named(const TableShape& shape, std::string_view name) {
  const auto column = shape.relation.find(name);
  if (column) return static_cast<std::uint32_t>(*column);
  return std::unexpected(Failure{Status::not_found, fmt::format("{} has no column {}.", shape.name, name)});
}

Result<std::uint32_t> variable_column(const TableShape& shape, std::string_view name) {
  return column_of_kind(shape, name, true);
}

/// Plans that the long values of some rows are put anew, in the other form.
Result<> plan_rewrite(OpenTable& table, Change& change, RowReader& reader, std::uint32_t column, bool compressed,
                      std::span<const std::uint64_t> numbers) {
  change.join(table);
  const std::uint32_t columns[] = {column};
  if (auto done = reader.entries.read(numbers, columns); !done) return done;
  std::vector<std::uint32_t> picked;
  for (std::uint32_t i = 0; i < numbers.size(); ++i) {
    const types::Slot slot = types::read_slot(reader.entries.entry(column, i));
    const bool differs = slot.is_placed() && Place(slot.place()).is_compressed() != compressed;
    if (differs && slot.length <= Table::most_value_bytes) picked.push_back(i);
  }
  if (picked.size() > 1 && reader.fitting(picked, columns) < picked.size()) {
    return std::unexpected(Failure{Status::too_large, "The values of these rows are too large to be put at once."});
  }
  reader.contents.clear();
  reader.want(column, picked);
  if (auto done = reader.contents.read(); !done) return done;
  if (auto done = remove_contents(table, reader.entries, column, picked); !done) return done;
  std::vector<std::uint8_t> slots(picked.size() * types::slot_size);
  std::vector<std::uint64_t> rows;
  for (std::size_t n = 0; n < picked.size(); ++n) {
    const types::Slot slot = types::read_slot(reader.entries.entry(column, picked[n]));
    std::vector<std::uint8_t> plain(reader.contents[n].begin(), reader.contents[n].end());
    if (!compressed) {
      auto content = decompress(plain, slot.length);
      if (!content) return std::unexpected(Failure{content.error().status, content.error().text()});
      plain = std::move(*content);
    }
    auto done = place_content(table, column, compressed, plain, &slots[n * types::slot_size]);
    if (!done) return done;
    rows.push_back(numbers[picked[n]]);
  }
  for (const RowRun& run : runs_of(rows)) {
    change.script.note([&] {
      return fmt::format("column {}, rows {} to {}", table.shape().column_name(column), run.row,
                         run.row + run.count - 1);
    });
    change.script.write_bytes(table.shape().columns[column].device, run.row * types::slot_size,
                              std::span(slots).subspan(run.first * types::slot_size, run.count * types::slot_size));
  }
  return {};
}

}  // namespace

Result<> Table::compress_column(std::string_view name, bool compressed) {
  const auto is_variable = retry<bool>([&](OpenTable& table) -> Result<bool> {
    const auto column = column_named(table.shape(), name);
    if (!column) return std::unexpected(column.error());
    return table.shape().columns[*column].is_variable();
  });
  if (!is_variable) return std::unexpected(is_variable.error());
  if (*is_variable) return rewrite_values(name, compressed);
  return compressed ? pack_column(name) : unpack_column(name);
}

Result<> Table::rewrite_values(std::string_view name, bool compressed) {
  const auto make = [&](const OpenTable& table) { return marked(table.shape(), name, true, compressed); };
  auto marked = change_shape(make, [](OpenTable&, Change&, TableShape&) { return Result<>(); });
  if (!marked) return marked;
  const Predicate everything;
  RowFinder finder(FindPlan{}, everything);
  std::size_t most = most_at_once;
  for (;;) {
    const RowPosition before = finder.position();
    const auto some = retry<bool>([&](OpenTable& table) -> Result<bool> {
      const auto column = variable_column(table.shape(), name);
      if (!column) return std::unexpected(column.error());
      finder.put_back(before);
      const auto found = finder.next(table, *reader_, {}, most);
      if (!found || !*found) return found;
      const std::vector<std::uint64_t> numbers = finder.found_numbers();
      if (numbers.empty()) return true;
      Change change(*link_, options_.explained);
      if (auto done = plan_rewrite(table, change, *reader_, *column, compressed, numbers); !done) {
        return std::unexpected(std::move(done.error()));
      }
      if (auto done = change.commit(); !done) return std::unexpected(std::move(done.error()));
      return true;
    });
    if (!some && some.error().status == Status::too_large && most > 1) {
      most /= 2;
      finder.put_back(before);
      continue;
    }
    if (!some) return std::unexpected(some.error());
    if (!*some) return {};
  }
}

}  // namespace chimera::tables
