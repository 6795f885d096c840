#include "tables/value_place.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "isa/utf8.h"
#include "tables/attempt.h"
#include "tables/compression.h"
#include "tables/contents.h"
#include "tables/encoded_rows.h"
#include "types/content.h"
#include "types/schema.h"

namespace chimera::tables {
namespace {

Result<> check_length(const TableShape& shape, std::uint32_t column, std::uint64_t bytes) {
  const auto& most = shape.relation.columns[column].type.size;
  if (!most || bytes <= *most) return {};
  return std::unexpected(
      Failure{Status::too_large, fmt::format("Column {} holds {} bytes at most.", shape.column_name(column), *most)});
}

ValuePlace with_slot(ValuePlace at, const std::array<std::uint8_t, types::slot_size>& slot) {
  at.slot = slot;
  return at;
}

}  // namespace

Result<std::uint32_t> find_plain_column(const TableShape& shape, std::string_view name) {
  const auto column = shape.relation.find(name);
  if (!column)
    return std::unexpected(Failure{Status::not_found, fmt::format("{} has no column {}.", shape.name, name)});
  if (!types::is_plain(shape.relation.columns[*column].type)) {
    return std::unexpected(
        Failure{Status::unsupported, fmt::format("Column {} is {}: only strings, blobs and functions "
                                                 "can be read and written in parts.",
                                                 name, types::type_text(shape.relation.columns[*column].type))});
  }
  return static_cast<std::uint32_t>(*column);
}

Result<ValuePlace> find_value(OpenTable& table, RowReader& reader, types::Row& key, std::string_view column) {
  auto found = find_value_if_there(table, reader, key, column);
  if (!found) return std::unexpected(std::move(found.error()));
  if (*found) return **found;
  return std::unexpected(Failure{Status::not_found, fmt::format("{} has no row of that key.", table.shape().name)});
}

Result<std::optional<ValuePlace>> find_value_if_there(OpenTable& table, RowReader& reader, types::Row& key,
                                                      std::string_view column) {
  const auto place = find_plain_column(table.shape(), column);
  if (!place) return std::unexpected(place.error());
  const auto row = find_row(table, key);
  if (!row) return std::unexpected(row.error());
  if (!*row) return std::optional<ValuePlace>();
  const std::uint64_t numbers[] = {**row};
  const std::uint32_t columns[] = {*place};
  if (auto done = reader.entries.read(numbers, columns, true); !done) return std::unexpected(std::move(done.error()));
  ValuePlace found{**row, *place, {}, reader.entries.states()[0]};
  std::copy_n(reader.entries.entry(*place, 0), types::slot_size, found.slot.begin());
  return std::optional(found);
}

Result<> check_content(const TableShape& shape, std::uint32_t column, std::span<const std::uint8_t> bytes) {
  const types::Kind kind = shape.relation.columns[column].type.kind;
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (kind == types::Kind::function) {
    types::Value program = types::Value::function(std::string(text));
    types::Column one;
    one.name = shape.column_name(column);
    one.type = types::Type::of(kind);
    return conform_value(one, program);
  }
  while (kind == types::Kind::string && !text.empty()) {
    const Utf8Character character = first_character(text);
    if (character.size == 0) {
      return std::unexpected(Failure{Status::bad_text, fmt::format("Column {} is a string, and what is added is not "
                                                                   "well-formed UTF-8.",
                                                                   shape.column_name(column))});
    }
    text.remove_prefix(character.size);
  }
  return {};
}

Result<HeapValue> value_of(OpenTable& table, const ValuePlace& at) {
  HeapValue value = heap_value(at.read());
  if (!at.read().is_long()) return value;
  Reading reading(table.script, table.version());
  table.script.note([] { return std::string("the size of a long value"); });
  const std::size_t heap = table.shape().columns[at.column].heap;
  table.script.read_bytes(table.shape().heaps[heap], value.place.offset(), sizeof(std::uint64_t));
  if (auto done = reading.run(table.link(), table.answers); !done) {
    if (done.error().status != Status::out_of_range) return std::unexpected(std::move(done.error()));
    return std::unexpected(
        Failure{Status::corrupt, fmt::format("{}, column {}: row {} leads to no value.", table.shape().name,
                                             table.shape().column_name(at.column), at.row)});
  }
  value.size = table.answers.u64(1);
  return value;
}

Result<std::vector<std::uint8_t>> read_compressed(OpenTable& table, const ValuePlace& at) {
  const HeapValue value = heap_value(at.read());
  std::vector<std::uint8_t> stored;
  auto done = table.heap(table.shape().columns[at.column].heap).read(value, 0, value.size, stored);
  if (!done) return std::unexpected(std::move(done.error()));
  auto content = decompress(stored, at.read().length);
  if (content) return std::move(*content);
  return std::unexpected(Failure{content.error().status, content.error().text()});
}

Result<> check_writable(const TableShape& shape, const ValuePlace& at) {
  const auto denied = [](std::string words) { return std::unexpected(Failure{Status::denied, std::move(words)}); };
  if ((at.state & row_state::locked) != 0) return denied(fmt::format("Row {} of {} is locked.", at.row, shape.name));
  for (const IndexFile& index : shape.indexes) {
    if (!index.covers(at.column)) continue;
    return denied(fmt::format("Column {} is part of the index {}: its values are changed as a whole.",
                              shape.column_name(at.column), index.name));
  }
  return {};
}

void write_slot(OpenTable& table, Change& change, const ValuePlace& at, std::span<const std::uint8_t> slot) {
  const ColumnFile& file = table.shape().columns[at.column];
  change.script.note([&] { return fmt::format("column {}, row {}", table.shape().column_name(at.column), at.row); });
  change.script.write_bytes(file.device, at.row * file.width, slot);
}

Result<ValuePlace> plan_append(OpenTable& table, Change& change, const ValuePlace& at,
                               std::span<const std::uint8_t> bytes) {
  change.join(table);
  const types::Slot slot = at.read();
  Heap& heap = table.heap(table.shape().columns[at.column].heap);
  std::array<std::uint8_t, types::slot_size> changed{};
  if (slot.is_placed() && !Place(slot.place()).is_compressed()) {
    auto value = value_of(table, at);
    if (!value) return std::unexpected(std::move(value.error()));
    if (auto fits = check_length(table.shape(), at.column, value->size + bytes.size()); !fits) {
      return std::unexpected(std::move(fits.error()));
    }
    value = heap.append(*value, bytes);
    if (!value) return std::unexpected(std::move(value.error()));
    types::put_placed_slot(changed.data(), slot.content(), value->size, value->place.raw());
    write_slot(table, change, at, changed);
    return with_slot(at, changed);
  }
  std::vector<std::uint8_t> whole;
  if (slot.is_placed()) {
    auto content = read_compressed(table, at);
    if (!content) return std::unexpected(std::move(content.error()));
    whole = std::move(*content);
    if (auto done = heap.erase(heap_value(slot)); !done) return std::unexpected(std::move(done.error()));
  } else {
    whole.assign(slot.content().begin(), slot.content().end());
  }
  whole.insert(whole.end(), bytes.begin(), bytes.end());
  if (auto fits = check_length(table.shape(), at.column, whole.size()); !fits) {
    return std::unexpected(std::move(fits.error()));
  }
  if (whole.size() <= types::most_in_slot) {
    types::put_inside_slot(changed.data(), whole);
  } else {
    const auto place = heap.put(whole);
    if (!place) return std::unexpected(place.error());
    types::put_placed_slot(changed.data(), whole, whole.size(), place->raw());
  }
  write_slot(table, change, at, changed);
  return with_slot(at, changed);
}

}  // namespace chimera::tables
